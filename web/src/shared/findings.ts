/**
 * What a machine made of one ECG, put in the order it is shown in: no words, no clinical computing.
 * Whatever the station says that this page does not know (an id, a code, a word) is kept, never an error.
 */

export type Level = 0 | 1 | 2 | 3
export type Verdict = 'diagnostic' | 'rhythm_only' | 'repeat'

/** protocols.messages.MachineStatement; a record kept from before has only code and evidence. */
export interface MachineStatement {
  code: string
  evidence: string
  rule?: string
  leads?: string[]
  numbers?: Record<string, number>
  /** Samples [start, end) it speaks of; null: all of the strip. */
  start?: number | null
  end?: number | null
  level?: Level | null
}

/** protocols.messages.Analysis */
export interface Analysis {
  version: string
  measurements: Record<string, number | null>
  statements: MachineStatement[]
  quality: Verdict
  /** lead:word */
  quality_reasons: string[]
  /** Lead → a word of ecg/quality.py LEAD_WORDS */
  lead_quality: Record<string, string>
  level: Level | null
  escalated_by?: string[]
  wants_longer?: boolean
  profile?: string
  swaps?: string[]
  swaps_not_excluded?: string[]
}

/** The rows of the common language that findings are named by. */
export interface FindingWords {
  symptoms: readonly { id: string; zh: string; en: string }[]
  statements: readonly { code: string; zh: string; en: string }[]
  measurements: readonly { id: string; zh: string; en: string; unit: string; decimals: number }[]
}

const NOT_PRESSING = 9

/** Most pressing first; what does not raise the level last; otherwise as the machine said it. */
export function byLevel<T extends { level?: Level | null }>(statements: readonly T[]): T[] {
  return [...statements].sort((a, b) => (a.level ?? NOT_PRESSING) - (b.level ?? NOT_PRESSING))
}

/** The statements that set the level: those of the most pressing one. None where no statement has a level. */
export function reasons<T extends { level?: Level | null }>(statements: readonly T[]): T[] {
  const sorted = byLevel(statements)
  const most = sorted[0]?.level ?? null
  return most === null ? [] : sorted.filter((each) => each.level === most)
}

/** The flag among the measurements: said in words, not as a number. */
export const UNSTEADY = 'qtc_unsteady'

/** Ids of the fold: known rows in their order, then what only the station knows; `shown` stand above it. */
export function foldedIds(measured: readonly string[], known: readonly { id: string }[], shown: readonly string[]): string[] {
  const has = new Set(measured)
  const rows = known.map((row) => row.id)
  return [...rows.filter((id) => has.has(id)), ...measured.filter((id) => !rows.includes(id))].filter(
    (id) => id !== UNSTEADY && !shown.includes(id),
  )
}

export interface Fault {
  word: string
  leads: string[]
}

const LEADS = ['I', 'II', 'III', 'aVR', 'aVL', 'aVF', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6']
/** What most hinders the reading stands first; a word this page does not know, last. */
const WORST_FIRST = ['lead_off', 'flat', 'loose', 'saturated', 'mains_noise', 'muscle_noise', 'baseline_wander']

/** What is wrong with which leads, the worst first; leads in their usual order. */
export function faults(quality: Record<string, string>): Fault[] {
  const found = new Map<string, string[]>()
  const others = Object.keys(quality).filter((lead) => !LEADS.includes(lead))
  for (const lead of [...LEADS, ...others]) {
    const word = quality[lead]
    if (word && word !== 'good') found.set(word, [...(found.get(word) ?? []), lead])
  }
  const rank = (word: string): number => (WORST_FIRST.indexOf(word) + 1 || WORST_FIRST.length + 1)
  return [...found].map(([word, leads]) => ({ word, leads })).sort((a, b) => rank(a.word) - rank(b.word))
}

/**
 * The electrodes to stick again for leads that are off: the chest electrode of each; where a limb lead is off
 * too, the limbs, since every chest lead falls with them.
 */
export function electrodesOf(leads: readonly string[]): { limbs: boolean; chest: string[] } {
  const limbs = leads.some((lead) => !lead.startsWith('V'))
  return { limbs, chest: limbs ? [] : [...leads] }
}

export type Swap =
  | { kind: 'pair'; plugs: string[] }
  | { kind: 'turned'; plugs: string[] }
  | { kind: 'arms_legs' | 'chest_row'; plugs: [] }
  | { kind: 'unknown'; plugs: [] }

const PLUG = /^(RA|LA|LL|RL|V[1-6])$/

/** `RA/LA`, `RA>LA>LL` (each plug on the next one's site), `arms/legs`, `V1>V6` (the whole row). */
export function swapOf(id: string): Swap {
  if (id === 'arms/legs') return { kind: 'arms_legs', plugs: [] }
  if (id === 'V1>V6') return { kind: 'chest_row', plugs: [] }
  for (const [sign, kind] of [['/', 'pair'], ['>', 'turned']] as const) {
    const plugs = id.split(sign)
    if (plugs.length === (kind === 'pair' ? 2 : 3) && plugs.every((plug) => PLUG.test(plug))) return { kind, plugs }
  }
  return { kind: 'unknown', plugs: [] }
}

const UNITS: readonly [suffix: string, unit: string, decimals: number | null][] = [
  ['_per_min', '次/min', 0],
  ['_ms', 'ms', 0],
  ['_mv', 'mV', 2],
  ['_uv', 'µV', 0],
  ['_deg', '°', 0],
  ['_mms', 'mm·s', 3],
]

/** `st_v2_mv` → parts st, v2; unit mV; text −0.12. A name without a known unit keeps three figures. */
export function numberOf(name: string, value: number): { name: string; text: string; unit: string } {
  const found = UNITS.find(([suffix]) => name.endsWith(suffix))
  const decimals = found?.[2] ?? null
  const text = decimals === null ? String(Number(value.toPrecision(3))) : value.toFixed(decimals)
  return {
    name: found ? name.slice(0, -found[0].length) : name,
    text: text.replace(/^-/, '−'),
    unit: found?.[1] ?? '',
  }
}

/** Parts of a number's name as a reader writes them: leads and waves in their own letters. */
export function spelled(name: string): string {
  return name
    .split('_')
    .map((part) => {
      const lead = LEADS.find((each) => each.toLowerCase() === part)
      return lead ?? (/^(st|rr|pr|qt|qrs|qtc|p|q|r|s|t|j|av|r2)$/.test(part) ? part.toUpperCase() : part)
    })
    .join(' ')
}
