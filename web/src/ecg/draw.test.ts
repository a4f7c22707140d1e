import { describe, expect, it } from 'vitest'
import { type Block, MISSING } from './block'
import { gapWords, heldIn } from './draw'
import { layoutFor, layoutOf } from './layouts'
import type { Cell } from './paper'

const RATE = 500
const block = (row: (i: number) => number): Block => ({
  leads: ['V3'],
  rateHz: RATE,
  uvPerCount: 1,
  firstSample: 0,
  samples: 10 * RATE,
  counts: [Int16Array.from({ length: 10 * RATE }, (_, i) => row(i))],
  flags: 0,
})
const cell = (fromS: number): Cell => ({ lead: 'V3', row: 0, fromS, seconds: 2.5, first: false, inverted: false })
const beats = (i: number): number => (i % 400 < 20 ? 900 : 0)
const off: ReadonlySet<string> = new Set(['V3'])
const on: ReadonlySet<string> = new Set()

describe('what a cell of the paper holds', () => {
  it('is a trace while the electrode held, flat or not', () => {
    expect(heldIn({ block: block(beats), off: on }, cell(0))).toBe('trace')
    expect(heldIn({ block: block(() => 0), off: on }, cell(0))).toBe('trace')
  })

  it('is nothing where no sample arrived', () => {
    expect(heldIn({ block: block(() => MISSING), off: on }, cell(0))).toBe('none')
    expect(heldIn({ block: block(() => MISSING), off }, cell(0))).toBe('off')
    expect(heldIn({ block: { ...block(beats), leads: ['V4'] }, off: on }, cell(0))).toBe('none')
  })

  it('never shows the flat line of an electrode that is off, and marks its signal as doubtful', () => {
    expect(heldIn({ block: block(() => 3), off }, cell(0))).toBe('off')
    expect(heldIn({ block: block(beats), off }, cell(0))).toBe('doubtful')
    const partly = block((i) => (i < 2.5 * RATE ? 0 : beats(i)))
    expect(heldIn({ block: partly, off }, cell(0))).toBe('off')
    expect(heldIn({ block: partly, off }, cell(5))).toBe('doubtful')
  })
})

describe('what is missing is said once where words would meet', () => {
  it('leaves gaps that stand apart alone, inside the cell', () => {
    const apart = [{ x: 100, seconds: 0.05 }, { x: 200, seconds: 0.1 }]
    expect(gapWords(apart, 60, 0, 300)).toEqual(apart)
    expect(gapWords([{ x: 5, seconds: 0.05 }], 60, 0, 300)).toEqual([{ x: 30, seconds: 0.05 }])
  })

  it('sums those that would meet, and loses no second of them', () => {
    const near = [100, 130, 150, 290].map((x) => ({ x, seconds: 0.25 }))
    const said = gapWords(near, 60, 0, 300)
    expect(said.reduce((sum, gap) => sum + gap.seconds, 0)).toBe(1)
    for (let n = 1; n < said.length; n++) expect(said[n].x - said[n - 1].x).toBeGreaterThanOrEqual(60)
  })
})

describe('a recording that was cut short', () => {
  it('leaves out no lead that was recorded', () => {
    for (const seconds of [0.5, 3, 8.7]) expect(layoutFor('3x4+1R', seconds).id).toBe('12x1')
    expect(layoutFor('6x2', 7).id).toBe('12x1')
    expect(layoutFor('cabrera', 3).id).toBe('cabrera')
    expect(layoutFor('3x4+1R', 10)).toBe(layoutOf('3x4+1R'))
    expect(layoutFor('3x4+1R', 9)).toBe(layoutOf('3x4+1R'))
  })
})
