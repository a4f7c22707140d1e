/**
 * The paper in millimetres: one mapping from (lead, time, µV) to device pixels, used by trace,
 * calibration pulse, tools and tests alike. Pure arithmetic; drawing is in draw.ts.
 */
import type { Lead } from '@/ecg/block'
import type { Layout, Segment } from '@/ecg/layouts'

export const MARGIN_MM = 4
/** Room for the calibration pulse at 25 mm/s; wider at higher speeds. */
const CALIBRATION_MM = 6
/** 4 + calibration 6 + 4 + 250 + 4: the default paper. */
export const PAPER_WIDTH_MM = 268
export const CALIBRATION_S = 0.2
export const CALIBRATION_UV = 1000
/** Blank on each side of a lead change. */
export const LEAD_GAP_S = 0.05
const BASELINE = 0.54
/** Least paper above the first zero line: a pulse of 1 mV at 10 mm/mV, and a little air. */
const HEAD_MM = 11.5
/** Below this a millimetre cannot be read: show fewer leads, not smaller ones. CSS px. */
export const LEAST_PX_PER_MM = 2.4

export interface Cell extends Segment {
  row: number
  /** First in its row: it has the calibration pulse on its left. */
  first: boolean
}

export interface Paper {
  /** Device px per mm; times five a whole number. */
  pxPerMm: number
  dpr: number
  /** mm/s and mm/mV. */
  speed: number
  gain: number
  rowMm: number
  /** Above the first row, so that low rows do not lose its pulse and R waves. */
  topMm: number
  cells: Cell[]
  /** The whole content, device px; wider or higher than the viewport when it scrolls. */
  width: number
  height: number
  /** The viewport, device px. */
  viewWidth: number
  viewHeight: number
  /** Where time 0 stands, device px from the left of the content. */
  originX: number
}

/** Largest scale that fits, at which every 5 mm box is a whole number of device pixels. */
export function fitScale(widthPx: number, widthMm: number, dpr: number): number {
  const fits = Math.floor((widthPx / widthMm) * 5) / 5
  return Math.max(fits, Math.ceil(LEAST_PX_PER_MM * dpr * 5) / 5)
}

function calibrationMm(speed: number): number {
  return Math.max(CALIBRATION_MM, CALIBRATION_S * speed + 1)
}

/** Lay out a viewport of `width` × `height` device px. Scale depends on the viewport alone. */
export function paperFor(
  view: { width: number; height: number; dpr: number },
  layout: Layout,
  speed: number,
  gain: number,
): Paper {
  const pxPerMm = fitScale(view.width, PAPER_WIDTH_MM, view.dpr)
  const rows = layout.rows.length
  const heightMm = view.height / pxPerMm
  const topMm = Math.max(0, HEAD_MM - (BASELINE * heightMm) / rows)
  const rowMm = Math.max((heightMm - topMm) / rows, layout.minRowMm)
  const seconds = Math.max(...layout.rows.flat().map((s) => s.fromS + s.seconds))
  const originMm = MARGIN_MM + calibrationMm(speed) + MARGIN_MM
  return {
    pxPerMm,
    dpr: view.dpr,
    speed,
    gain,
    rowMm,
    topMm,
    cells: layout.rows.flatMap((segments, row) =>
      segments.map((segment, n) => ({ ...segment, row, first: n === 0 })),
    ),
    width: Math.max(view.width, Math.ceil((originMm + seconds * speed + MARGIN_MM) * pxPerMm)),
    height: Math.max(view.height, Math.ceil((topMm + rows * rowMm) * pxPerMm - 0.01)),
    viewWidth: view.width,
    viewHeight: view.height,
    originX: Math.round(originMm * pxPerMm),
  }
}

/** Device px of a time on the paper. Columns are consecutive, so every row shares this. */
export function xOf(paper: Paper, seconds: number): number {
  return paper.originX + seconds * paper.speed * paper.pxPerMm
}

export function secondsAt(paper: Paper, x: number): number {
  return (x - paper.originX) / (paper.speed * paper.pxPerMm)
}

/** Device px of the zero line of a row. */
export function baselineOf(paper: Paper, row: number): number {
  return Math.round((paper.topMm + (row + BASELINE) * paper.rowMm) * paper.pxPerMm)
}

/** How far above the zero line a lead's name stands; nearer where rows are low. */
export function labelMm(paper: Paper): number {
  return paper.rowMm >= 18 ? 9.6 : paper.rowMm * 0.32
}

/** Device px of a voltage in a row. */
export function yOf(paper: Paper, row: number, uv: number): number {
  return baselineOf(paper, row) - (uv / 1000) * paper.gain * paper.pxPerMm
}

/** Top and bottom of a row, device px. */
export function rowSpan(paper: Paper, row: number): [number, number] {
  const { topMm, rowMm, pxPerMm } = paper
  return [(topMm + row * rowMm) * pxPerMm, (topMm + (row + 1) * rowMm) * pxPerMm]
}

/** Positions of grid lines along `length` px: `fives` on whole pixels, `ones` rounded inside them. */
export function gridLines(pxPerMm: number, length: number): { ones: number[]; fives: number[] } {
  const five = Math.round(pxPerMm * 5)
  const ones: number[] = []
  const fives: number[] = []
  for (let at = 0; at <= length; at += five) {
    fives.push(at)
    for (let mm = 1; mm < 5; mm++) ones.push(at + Math.round(mm * pxPerMm))
  }
  return { ones: ones.filter((at) => at <= length), fives }
}

/** The calibration pulse as points in device px: 1 mV × 200 ms by the row's own mapping. */
export function calibrationPulse(paper: Paper, row: number): [number, number][] {
  const width = CALIBRATION_S * paper.speed * paper.pxPerMm
  const foot = 0.5 * paper.pxPerMm
  const left = Math.round(MARGIN_MM * paper.pxPerMm)
  const zero = baselineOf(paper, row)
  const top = yOf(paper, row, CALIBRATION_UV)
  return [
    [left - foot * 2, zero],
    [left, zero],
    [left, top],
    [left + width, top],
    [left + width, zero],
    [left + width + foot * 2, zero],
  ]
}

/** Runs of missing samples in [from, to), as [start, end) pairs. */
export function runsOf(row: Int16Array, missing: number, from: number, to: number): [number, number][] {
  const runs: [number, number][] = []
  let start = -1
  for (let i = from; i < to; i++) {
    if (row[i] === missing) {
      if (start < 0) start = i
    } else if (start >= 0) {
      runs.push([start, i])
      start = -1
    }
  }
  if (start >= 0) runs.push([start, to])
  return runs
}

/** Which lead and moment a point of the content shows, or null between rows' data. */
export function hit(paper: Paper, x: number, y: number): { lead: Lead; row: number; seconds: number } | null {
  const seconds = secondsAt(paper, x)
  const row = Math.floor((y / paper.pxPerMm - paper.topMm) / paper.rowMm)
  const cell = paper.cells.find(
    (c) => c.row === row && seconds >= c.fromS && seconds < c.fromS + c.seconds,
  )
  return cell ? { lead: cell.lead, row, seconds } : null
}
