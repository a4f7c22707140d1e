/** What a machine found, in the words of the page. Anything unknown is shown as it came. */
import {
  type Analysis,
  byLevel,
  electrodesOf,
  type Fault,
  type FindingWords,
  type Level,
  type MachineStatement,
  numberOf,
  reasons,
  spelled,
  swapOf,
} from '@/shared/findings'
import { addWords, either, language } from '@/shared/i18n'
import { en, zh } from '@/shared/machineWords'

export const machine = addWords('machine', zh, en)

type Rows = FindingWords | null | undefined

function has<T extends object>(words: T, key: string): key is keyof T & string {
  return Object.hasOwn(words, key)
}

/** The statement of a code in the language of the page; the code itself when no row has it. */
export function statementText(words: Rows, code: string): string {
  const row = words?.statements.find((each) => each.code === code)
  return row ? either(row) : code
}

function localUnit(unit: string): string {
  return language() === 'en' ? unit.replace('次/', '/') : unit
}

function numberText(words: Rows, name: string, value: number): string {
  const number = numberOf(name, value)
  const row = words?.measurements.find((each) => each.id === name)
  const label = row ? either(row) : has(zh.numbers, number.name) ? machine(`numbers.${number.name}`) : spelled(number.name)
  return [label, number.text, localUnit(number.unit)].filter(Boolean).join(' ')
}

const ALL_LEADS = 12

/** Rule, leads, numbers; of a station that sends none of them, its own line. */
export function evidenceText(words: Rows, said: MachineStatement): string {
  if (!said.rule) return said.evidence
  const named = said.leads ?? []
  const leads = named.length === ALL_LEADS ? machine('allLeads') : named.join(' ')
  const numbers = Object.entries(said.numbers ?? {}).map(([name, value]) => numberText(words, name, value))
  return [said.rule, leads, ...numbers].filter(Boolean).join(' · ')
}

export interface Line {
  code: string
  text: string
  evidence: string
  level: Level | null
  said: MachineStatement
}

/** The machine's statements, most pressing first. */
export function statementLines(words: Rows, analysis: Analysis | null): Line[] {
  return byLevel(analysis?.statements ?? []).map((said) => ({
    code: said.code,
    text: statementText(words, said.code),
    evidence: evidenceText(words, said),
    level: said.level ?? null,
    said,
  }))
}

/** What set the level, in words; empty where nothing did. */
export function reasonsText(words: Rows, analysis: Analysis): string {
  const texts = reasons(analysis.statements).map((said) => statementText(words, said.code))
  return [...new Set(texts)].join(machine('list'))
}

/** 胸痛 → 升一级; empty where nothing raised it. */
export function raisedText(words: Rows, analysis: Analysis): string {
  const what = (analysis.escalated_by ?? []).map((id) => {
    if (id === 'sbp_low' || id === 'spo2_low') return machine(`triage.${id}`)
    const row = words?.symptoms.find((each) => each.id === id)
    return row ? either(row) : id
  })
  return what.length ? machine('triage.raised', { what: what.join(machine('list')) }) : ''
}

/** Glyph and word of a lead's quality, for its tile. */
export function leadShort(word: string | undefined): string {
  if (!word) return '—'
  return has(zh.lead.short, word) ? machine(`lead.short.${word}`) : `~ ${word}`
}

export function faultText({ word, leads }: Fault): string {
  const key = has(zh.lead.problem, word) ? word : 'unknown'
  return machine(`lead.problem.${key}`, { leads: leads.join(' '), word })
}

/** What to do about it. */
export function faultAdvice({ word, leads }: Fault): string {
  const { limbs, chest } = electrodesOf(leads)
  if (word === 'lead_off') return limbs ? machine('lead.advice.limbs') : machine('lead.advice.lead_off', { leads: chest.join(' ') })
  const key = has(zh.lead.advice, word) ? word : 'unknown'
  return machine(`lead.advice.${key}`, { leads: leads.join(' ') })
}

function cable(plug: string): string {
  return has(zh.cable, plug) ? machine(`cable.${plug}`) : plug
}

/** Which cables look exchanged. */
export function swapText(id: string): string {
  const swap = swapOf(id)
  if (swap.kind === 'unknown') return id
  if (swap.kind === 'arms_legs' || swap.kind === 'chest_row') return machine(`swap.${swap.kind}`)
  const cables = swap.plugs.map(cable)
  if (swap.kind === 'pair') return machine('swap.pair', { a: cables[0], b: cables[1] })
  return cables
    .map((plug, n) => machine('swap.on', { plug, site: cables[(n + 1) % cables.length] }))
    .join(machine('list'))
}

const NOT_EXCLUDED_SHOWN = 6

/** Exchanges the recording cannot rule out besides those found, by their ids; a long list is cut and counted. */
export function notExcludedText(analysis: Analysis): string {
  const all = (analysis.swaps_not_excluded ?? []).filter((id) => !analysis.swaps?.includes(id))
  if (!all.length) return ''
  const shown = all.slice(0, NOT_EXCLUDED_SHOWN).join(machine('list'))
  const rest = all.length > NOT_EXCLUDED_SHOWN ? ` ${machine('swap.more', { n: all.length })}` : ''
  return machine('swap.notExcluded', { list: shown + rest })
}
