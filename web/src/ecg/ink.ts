/** Colours and small shapes both papers draw with. Colours come from tokens.css, nowhere else. */
import { gridLines } from '@/ecg/paper'

export interface Ink {
  paper: string
  grid1: string
  grid5: string
  trace: string
  text: string
  caption: string
  qual: string
  qualTint: string
  cursor: string
  mark: string
  hatch: string
  font: string
}

export function inkOf(element: Element): Ink {
  const style = getComputedStyle(element)
  const token = (name: string): string => style.getPropertyValue(name).trim()
  return {
    paper: token('--paper'),
    grid1: token('--grid-1'),
    grid5: token('--grid-5'),
    trace: token('--trace'),
    text: token('--ink'),
    caption: token('--ink-2'),
    qual: token('--qual'),
    qualTint: token('--qual-tint'),
    cursor: token('--pri'),
    mark: token('--mark'),
    hatch: token('--line-2'),
    font: token('--font'),
  }
}

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D

/** 1 mm and 5 mm lines from the top left corner, on whole device pixels. */
export function drawGrid(g: Context, ink: Ink, pxPerMm: number, dpr: number, width: number, height: number): void {
  g.fillStyle = ink.paper
  g.fillRect(0, 0, width, height)
  const across = gridLines(pxPerMm, width)
  const down = gridLines(pxPerMm, height)
  g.fillStyle = ink.grid1
  for (const x of across.ones) g.fillRect(x, 0, 1, height)
  for (const y of down.ones) g.fillRect(0, y, width, 1)
  const strong = dpr >= 1.5 ? 2 : 1
  g.fillStyle = ink.grid5
  for (const x of across.fives) g.fillRect(x, 0, strong, height)
  for (const y of down.fives) g.fillRect(0, y, width, strong)
}

/** Diagonal lines in a box: here there is no data. */
export function drawHatch(g: Context, colour: string, x: number, y: number, w: number, h: number, dpr: number): void {
  g.save()
  g.beginPath()
  g.rect(x, y, w, h)
  g.clip()
  g.strokeStyle = colour
  g.lineWidth = dpr
  g.beginPath()
  const step = 7 * dpr
  for (let at = x - h; at < x + w; at += step) {
    g.moveTo(at, y + h)
    g.lineTo(at + h, y)
  }
  g.stroke()
  g.restore()
}

export function traceWidth(pxPerMm: number, dpr: number): number {
  return Math.max(1.15 * dpr, 0.27 * pxPerMm)
}
