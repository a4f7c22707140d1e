/** Which parts of an ECG have been inside the viewport. Signing waits until every part has. */
import { type Paper, rowSpan, xOf } from '@/ecg/paper'

const BIN_S = 0.1

export interface Seen {
  /** Mark what a viewport at (left, top), device px of the content, shows. */
  mark: (paper: Paper, left: number, top: number) => void
  /** Seconds of the recording every displayed lead of which has been seen. */
  seconds: () => number
}

/** A fresh meter for a recording of `duration` seconds. */
export function seenMeter(duration: number): Seen {
  const bins = Math.max(1, Math.round(duration / BIN_S))
  const leads = new Map<string, Uint8Array>()
  const key = (lead: string, fromS: number, seconds: number): string => `${lead}@${fromS}+${seconds}`
  let shown: { key: string; from: number; to: number }[] = []

  return {
    mark(paper, left, top) {
      shown = []
      for (const cell of paper.cells) {
        const name = key(cell.lead, cell.fromS, cell.seconds)
        const row = leads.get(name) ?? new Uint8Array(bins)
        leads.set(name, row)
        const from = Math.round(cell.fromS / BIN_S)
        const to = Math.min(bins, Math.round((cell.fromS + cell.seconds) / BIN_S))
        shown.push({ key: name, from, to })
        const [rowTop, rowBottom] = rowSpan(paper, cell.row)
        // A row counts when its middle half is in view: amplitudes live there.
        const margin = (rowBottom - rowTop) / 4
        if (rowTop + margin < top || rowBottom - margin > top + paper.viewHeight + 1) continue
        for (let bin = from; bin < to; bin++) {
          const x0 = xOf(paper, bin * BIN_S)
          const x1 = xOf(paper, (bin + 1) * BIN_S)
          if (x0 >= left - 1 && x1 <= left + paper.viewWidth + 1) row[bin] = 1
        }
      }
    },
    seconds() {
      let seen = 0
      for (let bin = 0; bin < bins; bin++) {
        const here = shown.filter((cell) => bin >= cell.from && bin < cell.to)
        if (here.length && here.every((cell) => leads.get(cell.key)?.[bin])) seen++
      }
      return Math.min(duration, seen * BIN_S)
    },
  }
}
