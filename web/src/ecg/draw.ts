/** Paints a stored trace on paper: grid, labels and calibration, traces. Nothing else ever goes over it. */
import { type Block, MISSING, RAIL } from '@/ecg/block'
import { drawGrid, drawHatch, type Ink, traceWidth } from '@/ecg/ink'
import {
  type Cell,
  LEAD_GAP_S,
  type Paper,
  baselineOf,
  calibrationPulse,
  labelMm,
  rowSpan,
  runsOf,
  xOf,
  yOf,
} from '@/ecg/paper'

/** The few words that stand on paper, in the language of the page. */
export interface PaperWords {
  missing: (seconds: string) => string
  leadOff: (lead: string) => string
  noData: (lead: string) => string
  saturated: string
}

export interface Trace {
  block: Block
  /** Leads whose electrode was off: hatched and said so, rather than "no data". */
  off: ReadonlySet<string>
}

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D

const DENSE = 16 // samples per device px up to which every sample is drawn

function samplesOf(block: Block, cell: Cell): [number, number] {
  const from = Math.max(0, Math.ceil((cell.fromS + (cell.fromS > 0 ? LEAD_GAP_S : 0)) * block.rateHz))
  const to = Math.min(block.samples, Math.floor((cell.fromS + cell.seconds - LEAD_GAP_S) * block.rateHz))
  return [from, Math.max(from, to)]
}

/** Whether nothing at all was recorded where this cell looks. */
function isAbsent(block: Block, cell: Cell): boolean {
  const row = block.counts[block.leads.indexOf(cell.lead)]
  const [from, to] = samplesOf(block, cell)
  if (!row || to <= from) return true
  for (let i = from; i < to; i++) if (row[i] !== MISSING) return false
  return true
}

function drawMarks(g: Context, ink: Ink, paper: Paper, cell: Cell): void {
  if (cell.first) {
    g.strokeStyle = ink.trace
    g.lineWidth = traceWidth(paper.pxPerMm, paper.dpr)
    g.lineJoin = 'miter'
    g.beginPath()
    for (const [x, y] of calibrationPulse(paper, cell.row)) g.lineTo(x, y)
    g.stroke()
    return
  }
  const x = Math.round(xOf(paper, cell.fromS))
  const top = baselineOf(paper, cell.row) - Math.round(2.5 * paper.pxPerMm)
  g.fillStyle = ink.trace
  g.fillRect(x, top, Math.max(1, paper.dpr), Math.round(5 * paper.pxPerMm))
}

/** The lead's name, under the trace; where nothing was recorded, a hatch and why, with no line. */
function drawName(g: Context, ink: Ink, paper: Paper, cell: Cell, trace: Trace | null, words: PaperWords): void {
  const zero = baselineOf(paper, cell.row)
  const absent = trace !== null && isAbsent(trace.block, cell)
  const off = absent && trace.off.has(cell.lead)
  const colour = off ? ink.qual : ink.text
  let name = cell.inverted ? `−${cell.lead}` : cell.lead
  if (absent) {
    name = off ? words.leadOff(name) : words.noData(name)
    const half = Math.min(3, paper.rowMm / 4) * paper.pxPerMm
    const x = xOf(paper, cell.fromS + (cell.first ? 0 : LEAD_GAP_S))
    const w = xOf(paper, cell.fromS + cell.seconds - LEAD_GAP_S) - x
    drawHatch(g, off ? ink.qual : ink.hatch, x, zero - half, w, 2 * half, paper.dpr)
  }
  g.font = `600 ${14 * paper.dpr}px ${ink.font}`
  g.fillStyle = colour
  g.fillText(name, xOf(paper, cell.fromS) + 1.2 * paper.pxPerMm, zero - labelMm(paper) * paper.pxPerMm)
}

function drawGap(g: Context, ink: Ink, paper: Paper, row: number, from: number, to: number, rateHz: number, words: PaperWords): void {
  const half = 3 * paper.pxPerMm
  const zero = baselineOf(paper, row)
  const x = xOf(paper, from / rateHz)
  const w = Math.max(paper.dpr, xOf(paper, to / rateHz) - x)
  drawHatch(g, ink.hatch, x, zero - half, w, 2 * half, paper.dpr)
  g.font = `${12 * paper.dpr}px ${ink.font}`
  g.fillStyle = ink.caption
  const seconds = (to - from) / rateHz
  // At the foot of the row, clear of the deepest usual S wave.
  const y = rowSpan(paper, row)[1] - 1.2 * paper.pxPerMm
  g.textAlign = 'center'
  g.fillText(words.missing(seconds < 0.1 ? seconds.toFixed(3) : seconds.toFixed(1)), x + w / 2, y)
  g.textAlign = 'left'
}

/** Up to 16 samples a pixel every one is a point; above, first, min, max and last of each column. */
function strokeRun(g: Context, xs: (i: number) => number, ys: (i: number) => number, from: number, to: number): void {
  const perPx = (to - from) / Math.max(1, xs(to) - xs(from))
  g.moveTo(xs(from), ys(from))
  if (perPx <= DENSE) {
    for (let i = from + 1; i < to; i++) g.lineTo(xs(i), ys(i))
    return
  }
  const step = Math.floor(perPx)
  for (let start = from; start < to; start += step) {
    const end = Math.min(start + step, to)
    let low = start
    let high = start
    for (let i = start; i < end; i++) {
      if (ys(i) > ys(low)) low = i
      if (ys(i) < ys(high)) high = i
    }
    for (const i of [start, Math.min(low, high), Math.max(low, high), end - 1]) g.lineTo(xs(i), ys(i))
  }
}

function drawCell(g: Context, ink: Ink, paper: Paper, cell: Cell, trace: Trace, words: PaperWords): void {
  const { block } = trace
  if (isAbsent(block, cell)) return
  const row = block.counts[block.leads.indexOf(cell.lead)]
  const [from, to] = samplesOf(block, cell)
  const gaps = runsOf(row, MISSING, from, to)
  const scale = block.uvPerCount * (cell.inverted ? -1 : 1)
  const xs = (i: number): number => xOf(paper, i / block.rateHz)
  const ys = (i: number): number => yOf(paper, cell.row, row[i] * scale)
  g.strokeStyle = ink.trace
  g.lineWidth = traceWidth(paper.pxPerMm, paper.dpr)
  g.lineJoin = 'round'
  g.lineCap = 'round'
  g.beginPath()
  let at = from
  for (const [a, b] of [...gaps, [to, to] as [number, number]]) {
    if (a > at) strokeRun(g, xs, ys, at, a)
    at = b
  }
  g.stroke()
  for (const [a, b] of gaps) drawGap(g, ink, paper, cell.row, a, b, block.rateHz, words)
  const rail = row.findIndex((count, i) => i >= from && i < to && count !== MISSING && Math.abs(count) >= RAIL)
  if (rail >= 0) {
    g.font = `${12 * paper.dpr}px ${ink.font}`
    g.fillStyle = ink.caption
    g.fillText(words.saturated, xs(rail), baselineOf(paper, cell.row) + 6 * paper.pxPerMm)
  }
}

/** What stands at the bottom right of every picture: speed, gain, bandwidth, kind of columns. */
export interface Note {
  text: string
  /** A narrower filter is on: bold, with ▲. */
  bold: boolean
}

function drawNote(g: Context, ink: Ink, paper: Paper, note: Note): void {
  g.font = `${note.bold ? 700 : 400} ${12 * paper.dpr}px ${ink.font}`
  g.fillStyle = note.bold ? ink.text : ink.caption
  g.textAlign = 'right'
  const text = note.bold ? `▲ ${note.text}` : note.text
  g.fillText(text, paper.width - 2 * paper.pxPerMm, paper.height - 1.4 * paper.pxPerMm)
  g.textAlign = 'left'
}

/** Paint the whole content of `paper`; with no trace, grid, labels and calibration alone. */
export function drawPaper(
  g: Context,
  ink: Ink,
  paper: Paper,
  trace: Trace | null,
  words: PaperWords,
  note: Note | null = null,
): void {
  drawGrid(g, ink, paper.pxPerMm, paper.dpr, paper.width, paper.height)
  g.textBaseline = 'alphabetic'
  g.textAlign = 'left'
  for (const cell of paper.cells) {
    drawMarks(g, ink, paper, cell)
    drawName(g, ink, paper, cell, trace, words)
  }
  if (note) drawNote(g, ink, paper, note)
  if (!trace) return
  for (const cell of paper.cells) drawCell(g, ink, paper, cell, trace, words)
}
