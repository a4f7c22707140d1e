/**
 * Leads and a stretch of samples, lit under the trace while somebody points at what speaks of them: a tint
 * that leaves grid and trace as they are. Where a statement speaks of the whole strip, the names are lit.
 */
import { type Paper, baselineOf, labelMm, rowSpan, xOf } from '@/ecg/paper'

export interface Mark {
  /** Empty: all leads. */
  leads: readonly string[]
  /** [start, end); null: all of the strip. */
  samples: readonly [number, number] | null
}

export interface Box {
  x: number
  y: number
  width: number
  height: number
}

const LABEL_MM = { width: 11, height: 5.4 }
/** A mark of a single beat must still be seen. */
const LEAST_MM = 2

/** What is lit, in device px of the content: the stretch in each lead that shows it, else the names. */
export function markBoxes(paper: Paper, mark: Mark, rateHz: number): Box[] {
  const named = paper.cells.filter((cell) => !mark.leads.length || mark.leads.includes(cell.lead))
  if (mark.samples) {
    const [from, to] = [mark.samples[0] / rateHz, mark.samples[1] / rateHz]
    const inside = (cells: typeof named): Box[] =>
      cells.flatMap((cell) => {
        const start = Math.max(from, cell.fromS)
        const end = Math.min(to, cell.fromS + cell.seconds)
        if (end <= start) return []
        const [top, bottom] = rowSpan(paper, cell.row)
        const width = Math.max(xOf(paper, end) - xOf(paper, start), LEAST_MM * paper.pxPerMm)
        return [{ x: xOf(paper, start), y: top, width, height: bottom - top }]
      })
    // Columns show 2.5 s of each lead: if none of the named ones shows that time, the others do.
    const boxes = inside(named)
    return [...(boxes.length ? boxes : inside(paper.cells)), ...(mark.leads.length ? named.map(label) : [])]
  }
  return named.map(label)

  function label(cell: (typeof paper.cells)[number]): Box {
    const [width, height] = [LABEL_MM.width * paper.pxPerMm, LABEL_MM.height * paper.pxPerMm]
    const foot = baselineOf(paper, cell.row) - (labelMm(paper) - 1) * paper.pxPerMm
    return { x: xOf(paper, cell.fromS), y: foot - height, width, height }
  }
}

/** Paint over a finished picture so that it lies under it: multiplied, black stays black. */
export function drawMark(g: CanvasRenderingContext2D, tint: string, boxes: readonly Box[], left: number, top: number): void {
  g.save()
  g.globalCompositeOperation = 'multiply'
  g.fillStyle = tint
  for (const box of boxes) g.fillRect(box.x - left, box.y - top, box.width, box.height)
  g.restore()
}
