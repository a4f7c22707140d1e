/** Where each lead stands on the paper, as rows of (lead, from, seconds). Consecutive in time. */
import type { Lead } from '@/ecg/block'

export type LayoutId = '3x4+1R' | '3x4+3R' | '6x2+1R' | '12x1' | 'cabrera' | '6x2'

export interface Segment {
  lead: Lead
  /** Drawn upside down, as Cabrera wants −aVR. */
  inverted: boolean
  fromS: number
  seconds: number
}

export interface Layout {
  id: LayoutId
  /** What the toolbar calls it. */
  title: string
  rows: Segment[][]
  /** Rows are never lower than this; the paper scrolls instead. */
  minRowMm: number
}

const LIMB: Lead[] = ['I', 'II', 'III', 'aVR', 'aVL', 'aVF']
const CHEST: Lead[] = ['V1', 'V2', 'V3', 'V4', 'V5', 'V6']
const WHOLE_S = 10

/** Columns of leads → rows, each column starting where the last one ended. */
function columns(leads: Lead[][], seconds: number, rhythm: Lead[] = []): Segment[][] {
  const rows = leads[0].map((_, row) =>
    leads.map((column, n) => ({ lead: column[row], inverted: false, fromS: n * seconds, seconds })),
  )
  return [...rows, ...rhythm.map((lead) => [whole(lead)])]
}

function whole(lead: Lead, inverted = false): Segment {
  return { lead, inverted, fromS: 0, seconds: WHOLE_S }
}

const THREE_BY_FOUR: Lead[][] = [LIMB.slice(0, 3), LIMB.slice(3), CHEST.slice(0, 3), CHEST.slice(3)]
const CABRERA: Segment[][] = [
  ...([['aVL'], ['I'], ['aVR', true], ['II'], ['aVF'], ['III']] as [Lead, boolean?][]).map(
    ([lead, inverted]) => [whole(lead, inverted)],
  ),
  ...CHEST.map((lead) => [whole(lead)]),
]

export const LAYOUTS: Layout[] = [
  { id: '3x4+1R', title: '3×4 + II', rows: columns(THREE_BY_FOUR, 2.5, ['II']), minRowMm: 28 },
  { id: '3x4+3R', title: '3×4 + 3', rows: columns(THREE_BY_FOUR, 2.5, ['II', 'V1', 'V5']), minRowMm: 18 },
  { id: '6x2+1R', title: '6×2 + II', rows: columns([LIMB, CHEST], 5, ['II']), minRowMm: 16 },
  { id: '12x1', title: '12×1', rows: [...LIMB, ...CHEST].map((lead) => [whole(lead)]), minRowMm: 10 },
  { id: 'cabrera', title: 'Cabrera', rows: CABRERA, minRowMm: 10 },
  { id: '6x2', title: '6×2', rows: columns([LIMB, CHEST], 5), minRowMm: 16 },
]

/**
 * `id`, unless the recording ends before every column has half its length: then all leads from the first
 * second on, one to a row, so that none that was recorded is left out.
 */
export function layoutFor(id: LayoutId, seconds: number): Layout {
  const wanted = layoutOf(id)
  const last = wanted.rows.flat().reduce((a, b) => (b.fromS > a.fromS ? b : a))
  return last.fromS > 0 && seconds < last.fromS + last.seconds / 2 ? layoutOf('12x1') : wanted
}

export function layoutOf(id: LayoutId): Layout {
  const found = LAYOUTS.find((layout) => layout.id === id)
  if (!found) throw new RangeError(`no layout ${id}`)
  return found
}
