import { describe, expect, it } from 'vitest'
import { MISSING } from '@/ecg/block'
import { LAYOUTS, layoutOf } from '@/ecg/layouts'
import { calibrationPulse, fitScale, gridLines, hit, paperFor, runsOf, secondsAt, xOf, yOf } from '@/ecg/paper'
import { seenMeter } from '@/ecg/seen'

const VIEWS = [1, 1.25, 1.5, 2].flatMap((dpr) =>
  [[1284, 648], [982, 428], [820, 380], [1500, 900]].map(([w, h]) => ({
    width: Math.round(w * dpr),
    height: Math.round(h * dpr),
    dpr,
  })),
)

describe('paper', () => {
  it('makes 5 mm a whole number of device pixels, in both directions', () => {
    for (const view of VIEWS) {
      const { pxPerMm } = paperFor(view, layoutOf('3x4+1R'), 25, 10)
      expect(pxPerMm * 5).toBeCloseTo(Math.round(pxPerMm * 5), 9)
      const { ones, fives } = gridLines(pxPerMm, view.width)
      const five = Math.round(pxPerMm * 5)
      fives.forEach((at, n) => expect(at).toBe(n * five))
      expect(ones.every(Number.isInteger)).toBe(true)
      // The pattern of 1 mm lines repeats in every box.
      expect(ones.slice(0, 4).map((at) => at + five)).toEqual(ones.slice(4, 8))
    }
  })

  it('fits as the brief measured', () => {
    expect(fitScale(1284, 268, 1)).toBeCloseTo(4.6)
    expect(fitScale(982, 268, 1)).toBeCloseTo(3.6)
    expect(fitScale(200, 268, 1)).toBeCloseTo(2.4)
  })

  it('draws the calibration pulse 10 mm high and 5 mm wide, by the mapping of the trace', () => {
    for (const view of VIEWS) {
      const paper = paperFor(view, layoutOf('3x4+1R'), 25, 10)
      const pulse = calibrationPulse(paper, 2)
      expect(pulse[3][0] - pulse[2][0]).toBeCloseTo(5 * paper.pxPerMm, 6)
      expect(pulse[1][1] - pulse[2][1]).toBeCloseTo(10 * paper.pxPerMm, 6)
      expect(pulse[2][1]).toBe(yOf(paper, 2, 1000))
      expect(pulse[5][0]).toBeLessThanOrEqual(paper.originX)
    }
  })

  it('keeps speed and gain true', () => {
    const view = { width: 1284, height: 648, dpr: 1 }
    for (const speed of [12.5, 25, 50])
      for (const gain of [2.5, 5, 10, 20]) {
        const paper = paperFor(view, layoutOf('3x4+1R'), speed, gain)
        expect(xOf(paper, 1) - xOf(paper, 0)).toBeCloseTo(speed * paper.pxPerMm)
        expect(yOf(paper, 0, 0) - yOf(paper, 0, 1000)).toBeCloseTo(gain * paper.pxPerMm)
        expect(secondsAt(paper, xOf(paper, 3.21))).toBeCloseTo(3.21)
        // Changing speed or gain changes no squares.
        expect(paper.pxPerMm).toBe(4.6)
      }
  })

  it('puts each beat of a column above the same beat of the rhythm strip', () => {
    const paper = paperFor({ width: 1284, height: 648, dpr: 1 }, layoutOf('3x4+1R'), 25, 10)
    const v5 = paper.cells.find((cell) => cell.lead === 'V5')
    expect(v5).toMatchObject({ fromS: 7.5, seconds: 2.5 })
    const at = hit(paper, xOf(paper, 8), yOf(paper, 1, 0))
    expect(at).toMatchObject({ lead: 'V5' })
    expect(hit(paper, xOf(paper, 8), yOf(paper, 3, 0))).toMatchObject({ lead: 'II' })
  })

  it('has twelve leads and ten seconds in every layout', () => {
    for (const layout of LAYOUTS) {
      const cells = layout.rows.flat()
      expect(new Set(cells.map((cell) => cell.lead)).size).toBe(12)
      for (const row of layout.rows) expect(row.reduce((sum, cell) => sum + cell.seconds, 0)).toBe(10)
    }
  })

  it('finds gaps', () => {
    const row = Int16Array.from([1, MISSING, MISSING, 2, 3, MISSING])
    expect(runsOf(row, MISSING, 0, 6)).toEqual([[1, 3], [5, 6]])
    expect(runsOf(row, MISSING, 3, 5)).toEqual([])
  })
})

describe('seen meter', () => {
  const view = { width: 1284, height: 648, dpr: 1 }

  it('is satisfied at once when everything fits', () => {
    const seen = seenMeter(10)
    seen.mark(paperFor(view, layoutOf('3x4+1R'), 25, 10), 0, 0)
    expect(seen.seconds()).toBeCloseTo(10)
  })

  it('waits for the far end at 50 mm/s', () => {
    const seen = seenMeter(10)
    const paper = paperFor(view, layoutOf('3x4+1R'), 50, 10)
    seen.mark(paper, 0, 0)
    expect(seen.seconds()).toBeLessThan(6)
    seen.mark(paper, paper.width - paper.viewWidth, 0)
    expect(seen.seconds()).toBeCloseTo(10)
  })
})
