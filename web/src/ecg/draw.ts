/** Paints a stored trace on paper: grid, labels and calibration, traces. Nothing else ever goes over it. */
import { type Block, type Lead, MISSING, RAIL } from '@/ecg/block'
import { drawGrid, drawHatch, type Ink, traceWidth } from '@/ecg/ink'
import {
  type Cell,
  LEAD_GAP_S,
  type Paper,
  baselineOf,
  calibrationPulse,
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

function labelOf(cell: Cell): string {
  return cell.inverted ? `−${cell.lead}` : cell.lead
}

function samplesOf(block: Block, cell: Cell): [number, number] {
  const from = Math.max(0, Math.ceil((cell.fromS + (cell.fromS > 0 ? LEAD_GAP_S : 0)) * block.rateHz))
  const to = Math.min(block.samples, Math.floor((cell.fromS + cell.seconds - LEAD_GAP_S) * block.rateHz))
  return [from, Math.max(from, to)]
}

function drawLabels(g: Context, ink: Ink, paper: Paper): void {
  const px = 14 * paper.dpr
  g.textBaseline = 'alphabetic'
  g.textAlign = 'left'
  for (const cell of paper.cells) {
    const zero = baselineOf(paper, cell.row)
    if (cell.first) {
      g.strokeStyle = ink.trace
      g.lineWidth = traceWidth(paper.pxPerMm, paper.dpr)
      g.lineJoin = 'miter'
      g.beginPath()
      for (const [x, y] of calibrationPulse(paper, cell.row)) g.lineTo(x, y)
      g.stroke()
    } else {
      const x = Math.round(xOf(paper, cell.fromS))
      g.fillStyle = ink.trace
      g.fillRect(x, zero - Math.round(2.5 * paper.pxPerMm), Math.max(1, paper.dpr), Math.round(5 * paper.pxPerMm))
    }
    g.font = `600 ${px}px ${ink.font}`
    g.fillStyle = ink.text
    g.fillText(labelOf(cell), xOf(paper, cell.fromS) + 1.2 * paper.pxPerMm, zero - 9.6 * paper.pxPerMm)
  }
}

function drawAbsent(g: Context, ink: Ink, paper: Paper, cell: Cell, words: PaperWords, off: boolean): void {
  const half = 3 * paper.pxPerMm
  const zero = baselineOf(paper, cell.row)
  const x = xOf(paper, cell.fromS + (cell.first ? 0 : LEAD_GAP_S))
  const w = xOf(paper, cell.fromS + cell.seconds - LEAD_GAP_S) - x
  drawHatch(g, off ? ink.qual : ink.hatch, x, zero - half, w, 2 * half, paper.dpr)
  g.font = `600 ${13 * paper.dpr}px ${ink.font}`
  g.fillStyle = off ? ink.qual : ink.caption
  const lead = labelOf(cell)
  const y = zero - half - 1.2 * paper.pxPerMm
  g.fillText(off ? words.leadOff(lead) : words.noData(lead), x + 1.2 * paper.pxPerMm, y)
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
  g.fillText(words.missing(seconds < 0.1 ? seconds.toFixed(3) : seconds.toFixed(1)), x, zero + half + 13 * paper.dpr)
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
  const index = block.leads.indexOf(cell.lead as Lead)
  const [from, to] = samplesOf(block, cell)
  const row = index < 0 ? null : block.counts[index]
  const gaps = row ? runsOf(row, MISSING, from, to) : []
  const lost = gaps.reduce((sum, [a, b]) => sum + b - a, 0)
  if (!row || to <= from || lost === to - from) {
    drawAbsent(g, ink, paper, cell, words, trace.off.has(cell.lead))
    return
  }
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
  const rail = row.findIndex((count, i) => i >= from && i < to && Math.abs(count) >= RAIL)
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
  drawLabels(g, ink, paper)
  if (note) drawNote(g, ink, paper, note)
  if (!trace) return
  for (const cell of paper.cells) drawCell(g, ink, paper, cell, trace, words)
}
