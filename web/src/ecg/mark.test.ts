import { describe, expect, it } from 'vitest'
import { layoutFor, layoutOf } from './layouts'
import { markBoxes } from './mark'
import { paperFor, rowSpan, xOf } from './paper'

const view = { width: 1284, height: 652, dpr: 1 }
const RATE = 500
const columns = paperFor(view, layoutFor('3x4+1R', 10), 25, 10)
const rows = paperFor(view, layoutOf('12x1'), 25, 10)

describe('what is lit', () => {
  it('is the stretch in the named lead, as long as it lasted', () => {
    const cell = rows.cells.find((each) => each.lead === 'V2')
    const [box] = markBoxes(rows, { leads: ['V2'], samples: [1000, 2000] }, RATE)
    expect(box.x).toBeCloseTo(xOf(rows, 2))
    expect(box.width).toBeCloseTo(xOf(rows, 4) - xOf(rows, 2))
    expect([box.y, box.y + box.height]).toEqual(rowSpan(rows, cell?.row ?? -1))
  })

  it('is cut to what a column shows, and falls to other leads where the named one shows another time', () => {
    const [lead] = markBoxes(columns, { leads: ['I'], samples: [0, 5000] }, RATE)
    expect(lead.width).toBeCloseTo(xOf(columns, 2.5) - xOf(columns, 0))
    const elsewhere = markBoxes(columns, { leads: ['I'], samples: [2000, 2200] }, RATE)
    expect(elsewhere.length).toBeGreaterThan(1)
    expect(elsewhere[0].x).toBeCloseTo(xOf(columns, 4))
  })

  it('is the name where the whole strip is meant, of all leads where none is named', () => {
    expect(markBoxes(rows, { leads: ['II', 'V1'], samples: null }, RATE)).toHaveLength(2)
    expect(markBoxes(rows, { leads: [], samples: null }, RATE)).toHaveLength(12)
    expect(markBoxes(rows, { leads: ['X9'], samples: null }, RATE)).toEqual([])
  })

  it('is wide enough to be seen for a single beat, and nothing beyond the end', () => {
    const [box] = markBoxes(rows, { leads: ['II'], samples: [100, 101] }, RATE)
    expect(box.width).toBe(2 * rows.pxPerMm)
    expect(markBoxes(rows, { leads: [], samples: [9000, 9500] }, RATE)).toEqual([])
  })
})
