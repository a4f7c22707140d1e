import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import type { Analysis } from './findings'
import { en, zh } from './machineWords'

const ROOT = join(import.meta.dirname, '../../..')
const WORDS = {
  symptoms: [{ id: 'chest_pain', zh: '胸痛', en: 'Chest pain' }],
  statements: [{ code: 'long_rr', zh: '长 RR 间期', en: 'Long RR interval' }],
  measurements: [{ id: 'rr_max_ms', zh: '最长 RR', en: 'Longest RR', unit: 'ms', decimals: 0 }],
}
const analysis = (over: Partial<Analysis> = {}): Analysis => ({
  version: '0.1.0',
  measurements: {},
  statements: [],
  quality: 'diagnostic',
  quality_reasons: [],
  lead_quality: {},
  level: null,
  ...over,
})

let machine: typeof import('./machine')
let i18n: typeof import('./i18n')
beforeAll(async () => {
  machine = await import('./machine')
  i18n = await import('./i18n')
  // Choosing a language names it on the page; put there after Vue is loaded, which would take Node for a browser.
  vi.stubGlobal('document', { documentElement: {} })
  i18n.setLanguage('zh-CN')
})

describe('the words of a lead', () => {
  it('are there for every word the station may say, in both languages, with what to do', () => {
    const source = readFileSync(join(ROOT, 'ecg/quality.py'), 'utf8')
    const list = /LEAD_WORDS = \((.*?)\)/s.exec(source)?.[1] ?? ''
    const words = [...list.matchAll(/"(\w+)"/g)].map((match) => match[1])
    expect(words).toContain('loose')
    for (const language of [zh, en]) {
      const { short, problem, advice } = language.lead
      for (const word of words) {
        expect(short).toHaveProperty(word)
        if (word === 'good') continue
        expect(problem).toHaveProperty(word)
        expect(advice).toHaveProperty(word)
      }
    }
  })

  it('say what to do', () => {
    expect(machine.faultText({ word: 'lead_off', leads: ['V3'] })).toBe('V3 电极脱落')
    expect(machine.faultAdvice({ word: 'lead_off', leads: ['V3'] })).toBe('重贴 V3')
    expect(machine.faultAdvice({ word: 'lead_off', leads: ['I', 'II', 'V3'] })).toBe('检查四肢电极和导线，重贴脱落的一处')
    expect(machine.faultAdvice({ word: 'loose', leads: ['V2'] })).toContain('重贴 V2')
  })

  it('let a word of a newer station through', () => {
    expect(machine.leadShort('later_word')).toBe('~ later_word')
    expect(machine.leadShort(undefined)).toBe('—')
    expect(machine.faultText({ word: 'later_word', leads: ['V1'] })).toBe('V1 信号问题(later_word)')
    expect(machine.faultAdvice({ word: 'later_word', leads: ['V1'] })).toBe(zh.lead.advice.unknown)
    expect(machine.leadShort('toString')).toBe('~ toString')
  })
})

describe('statements', () => {
  const said = {
    code: 'long_rr',
    evidence: 'line',
    rule: 'pause.long_rr',
    leads: ['II'],
    numbers: { rr_max_ms: 3120, st_v2_mv: -0.12, rate_per_min: 42 },
    start: 100,
    end: 1700,
    level: 0 as const,
  }

  it('carry rule, leads and numbers in words', () => {
    const [line] = machine.statementLines(WORDS, analysis({ statements: [said] }))
    expect(line.text).toBe('长 RR 间期')
    expect(line.evidence).toBe('pause.long_rr · II · 最长 RR 3120 ms · ST V2 −0.12 mV · 心率 42 次/min')
    i18n.setLanguage('en')
    expect(machine.evidenceText(WORDS, said)).toContain('rate 42 /min')
    i18n.setLanguage('zh-CN')
  })

  it('keep a code nobody here knows, and the line of a station that sends no rule', () => {
    const [line] = machine.statementLines(WORDS, analysis({ statements: [{ code: 'later_code', evidence: 'HR 30' }] }))
    expect(line).toMatchObject({ text: 'later_code', evidence: 'HR 30', level: null })
    expect(machine.statementLines(null, null)).toEqual([])
  })
})

describe('the level', () => {
  it('says who raised it', () => {
    expect(machine.raisedText(WORDS, analysis({ escalated_by: ['chest_pain', 'spo2_low'] }))).toBe('胸痛、血氧低 → 升一级')
    expect(machine.raisedText(WORDS, analysis({ escalated_by: ['later'] }))).toBe('later → 升一级')
    expect(machine.raisedText(WORDS, analysis())).toBe('')
  })
})

describe('exchanged electrodes', () => {
  it('name the cables with their colours', () => {
    expect(machine.swapText('RA/LA')).toBe('右臂(红) 与 左臂(黄)')
    expect(machine.swapText('RA>LA>LL')).toBe('右臂(红)接到了左臂(黄)处、左臂(黄)接到了左腿(绿)处、左腿(绿)接到了右臂(红)处')
    expect(machine.swapText('V1>V6')).toBe('V1–V6 整排顺序颠倒')
    expect(machine.swapText('later')).toBe('later')
  })

  it('cut a long list of what is not excluded, and count it', () => {
    expect(machine.notExcludedText(analysis({ swaps_not_excluded: ['LA/LL'] }))).toBe('本次记录不能排除：LA/LL')
    expect(machine.notExcludedText(analysis({ swaps: ['RA/LA'], swaps_not_excluded: ['RA/LA'] }))).toBe('')
    const many = Array.from({ length: 9 }, (_, n) => `V${n}`)
    expect(machine.notExcludedText(analysis({ swaps_not_excluded: many }))).toMatch(/V5 等 9 种$/)
    expect(machine.notExcludedText(analysis())).toBe('')
  })
})
