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
  /** Leads whose electrode was off at some time: hatched and said so, whatever the samples look like. */
  off: ReadonlySet<string>
}

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D

const FLAT_UV = 25 // peak to peak, as ecg/quality.py: below it a lead shows nothing
const DENSE = 16 // samples per device px up to which every sample is drawn

function samplesOf(block: Block, cell: Cell): [number, number] {
  const from = Math.max(0, Math.ceil((cell.fromS + (cell.fromS > 0 ? LEAD_GAP_S : 0)) * block.rateHz))
  const to = Math.min(block.samples, Math.floor((cell.fromS + cell.seconds - LEAD_GAP_S) * block.rateHz))
  return [from, Math.max(from, to)]
}

/**
 * What a cell holds. `off`: no contact and nothing but a flat line, which is not drawn, since it can be taken
 * for asystole. `doubtful`: no contact at some time, yet a signal: drawn, and said.
 */
export type Held = 'trace' | 'doubtful' | 'off' | 'none'

export function heldIn({ block, off }: Trace, cell: Cell): Held {
  const row = block.counts[block.leads.indexOf(cell.lead)]
  const [from, to] = samplesOf(block, cell)
  let low = Infinity
  let high = -Infinity
  for (let i = from; row && i < to; i++) {
    if (row[i] === MISSING) continue
    low = Math.min(low, row[i])
    high = Math.max(high, row[i])
  }
  const absent = high < low
  if (!off.has(cell.lead)) return absent ? 'none' : 'trace'
  return absent || (high - low) * block.uvPerCount < FLAT_UV ? 'off' : 'doubtful'
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

/** The lead's name, under the trace; where there is nothing, or nothing sure, a hatch and why. */
function drawName(g: Context, ink: Ink, paper: Paper, cell: Cell, trace: Trace | null, words: PaperWords): void {
  const zero = baselineOf(paper, cell.row)
  const held = trace ? heldIn(trace, cell) : 'trace'
  const off = held === 'off' || held === 'doubtful'
  const colour = off ? ink.qual : ink.text
  let name = cell.inverted ? `−${cell.lead}` : cell.lead
  if (held !== 'trace') {
    name = off ? words.leadOff(name) : words.noData(name)
    const half = Math.min(3, paper.rowMm / 4) * paper.pxPerMm
    const x = xOf(paper, cell.fromS + (cell.first ? 0 : LEAD_GAP_S))
    const w = xOf(paper, cell.fromS + cell.seconds - LEAD_GAP_S) - x
    if (held === 'doubtful') {
      // At the foot of the row: ST and T are read at the zero line.
      const thin = 1.5 * paper.pxPerMm
      drawHatch(g, ink.qual, x, rowSpan(paper, cell.row)[1] - 2 * thin, w, thin, paper.dpr)
    } else drawHatch(g, off ? ink.qual : ink.hatch, x, zero - half, w, 2 * half, paper.dpr)
  }
  g.font = `600 ${14 * paper.dpr}px ${ink.font}`
  g.fillStyle = colour
  g.fillText(name, xOf(paper, cell.fromS) + 1.2 * paper.pxPerMm, zero - labelMm(paper) * paper.pxPerMm)
}

export interface Gap {
  /** Middle, px. */
  x: number
  seconds: number
}

/** Where to say what is missing: gaps whose words of `width` px would meet inside [from, to] say their sum. */
export function gapWords(gaps: Gap[], width: number, from: number, to: number): Gap[] {
  const said: Gap[] = []
  for (const gap of gaps) {
    let next = { ...gap, x: Math.max(from + width / 2, Math.min(gap.x, to - width / 2)) }
    for (let last = said.at(-1); last && next.x - last.x < width; last = said.at(-1)) {
      said.pop()
      next = { x: (last.x + next.x) / 2, seconds: last.seconds + next.seconds }
    }
    said.push(next)
  }
  return said
}

function drawGaps(g: Context, ink: Ink, paper: Paper, cell: Cell, gaps: [number, number][], rateHz: number, words: PaperWords): void {
  const half = 3 * paper.pxPerMm
  const zero = baselineOf(paper, cell.row)
  const found = gaps.map(([a, b]) => {
    const x = xOf(paper, a / rateHz)
    const w = Math.max(paper.dpr, xOf(paper, b / rateHz) - x)
    drawHatch(g, ink.hatch, x, zero - half, w, 2 * half, paper.dpr)
    return { x: x + w / 2, seconds: (b - a) / rateHz }
  })
  g.font = `${12 * paper.dpr}px ${ink.font}`
  g.fillStyle = ink.caption
  // At the foot of the row, clear of the deepest usual S wave; in the last row above the note.
  const y = Math.min(rowSpan(paper, cell.row)[1] - 1.2 * paper.pxPerMm, paper.height - 5 * paper.pxPerMm)
  const text = (seconds: number): string => words.missing(seconds < 1 ? seconds.toFixed(3) : seconds.toFixed(1))
  const width = g.measureText(text(0)).width + 6 * paper.dpr
  g.textAlign = 'center'
  const [from, to] = [xOf(paper, cell.fromS), xOf(paper, cell.fromS + cell.seconds)]
  for (const { x, seconds } of gapWords(found, width, from, to)) g.fillText(text(seconds), x, y)
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
  const held = heldIn(trace, cell)
  if (held === 'none' || held === 'off') return
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
  drawGaps(g, ink, paper, cell, gaps, block.rateHz, words)
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
