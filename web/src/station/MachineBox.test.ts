// The box as the page renders it, from what a station sends; the same words for every reader of it.
import { beforeAll, describe, expect, it } from 'vitest'
import { createSSRApp } from 'vue'
import { renderToString } from 'vue/server-renderer'
import type { Analysis, Attempt } from './types'

const ANALYSIS: Analysis = {
  version: '0.2.0',
  measurements: { heart_rate: 42.4, pr_ms: null, rr_max_ms: 3120, qtc_unsteady: 1, later_ms: 12.5 },
  statements: [
    { code: 'sinus_rhythm', evidence: '', rule: 'sinus.rate', leads: [], numbers: {}, level: null },
    { code: 'later_code', evidence: '', rule: 'later.rule', leads: ['V9'], numbers: { later_x: 2 }, level: 2 },
    { code: 'long_rr', evidence: '', rule: 'pause.long_rr', leads: ['II'], numbers: { rr_max_ms: 3120 }, level: 0 },
  ],
  quality: 'rhythm_only',
  quality_reasons: ['V3:lead_off'],
  lead_quality: { V3: 'lead_off', V4: 'later_word' },
  level: 0,
  escalated_by: ['syncope'],
  wants_longer: true,
  profile: 'maitong 2026-1',
  swaps: ['RA/LA'],
  swaps_not_excluded: ['LA/LL'],
}
const attempt = (analysis: Analysis | null): Attempt => ({
  recording_id: 'r1',
  attempt: 1,
  started_ns: 0,
  duration_s: 10,
  interrupted: false,
  missing_samples: 0,
  analysis,
  analysis_error: null,
  saved_ns: 1,
  sent_ns: null,
  state: 'saved',
  reason: null,
})

let MachineBox: typeof import('./MachineBox.vue').default
let SwapNotice: typeof import('@/shared/SwapNotice.vue').default
let cases: typeof import('./cases').cases
const text = (html: string): string => html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ')
const render = async (analysis: Analysis | null): Promise<string> =>
  renderToString(createSSRApp(MachineBox, { attempt: attempt(analysis) }))

beforeAll(async () => {
  MachineBox = (await import('./MachineBox.vue')).default
  SwapNotice = (await import('@/shared/SwapNotice.vue')).default
  cases = (await import('./cases')).cases
  cases.words = {
    symptoms: [{ id: 'syncope', zh: '晕厥', en: 'Syncope' }],
    history: [],
    statements: [
      { code: 'sinus_rhythm', zh: '窦性心律', en: 'Sinus rhythm' },
      { code: 'long_rr', zh: '长 RR 间期', en: 'Long RR interval' },
    ],
    measurements: [
      { id: 'heart_rate', zh: '心率', en: 'Heart rate', unit: '次/min', decimals: 0 },
      { id: 'pr_ms', zh: 'PR 间期', en: 'PR interval', unit: 'ms', decimals: 0 },
      { id: 'rr_max_ms', zh: '最长 RR', en: 'Longest RR', unit: 'ms', decimals: 0 },
    ],
  }
})

describe('the machine box of the station', () => {
  it('is headed as unconfirmed and lists the critical first, with rule, leads and numbers', async () => {
    const shown = text(await render(ANALYSIS))
    const at = (words: string): number => shown.indexOf(words)
    expect(at('机器分析，未经医师确认')).toBe(1)
    expect(at('pause.long_rr · II · 最长 RR 3120 ms')).toBeGreaterThan(0)
    expect(at('pause.long_rr')).toBeLessThan(at('later_code'))
    expect(at('later_code')).toBeLessThan(at('窦性心律'))
  })

  it('says level, reason, what raised it, the list it follows, and that it wants longer', async () => {
    const shown = text(await render(ANALYSIS))
    for (const words of ['机器分级 危急', '依据：长 RR 间期', '晕厥 → 升一级', '10 秒不足以判断，请再采 60 秒', 'maitong 2026-1']) {
      expect(shown).toContain(words)
    }
  })

  it('shows an undefined number as a dash, the flag in words, and folds the rest', async () => {
    const html = await render(ANALYSIS)
    expect(text(html)).toContain('PR 间期 — ms')
    expect(text(html)).toContain('心率不稳，QTc 参考')
    expect(text(html)).toContain('其余 2 项')
    expect(html).not.toContain('data-measurement="qtc_unsteady"')
  })

  it('says what to do about each fault', async () => {
    const shown = text(await render(ANALYSIS))
    expect(shown).toContain('V3 电极脱落 → 重贴 V3')
    expect(shown).toContain('V4 信号问题(later_word)')
  })

  it('is whole with what an older station sent, and never calls nothing normal', async () => {
    const { version, measurements, quality, quality_reasons, lead_quality } = ANALYSIS
    const old = { version, measurements, quality, quality_reasons, lead_quality }
    const shown = text(await render({ ...old, level: null, statements: [{ code: 'x', evidence: 'HR 30' }] }))
    expect(shown).toContain('未分级，不代表正常')
    expect(shown).toContain('HR 30')
    const nothing = text(await render({ ...old, level: 3, statements: [] }))
    expect(nothing).toContain('不代表正常')
    expect(nothing).not.toContain('常 机器分级')
    expect(nothing).not.toContain(' 正常 ')
    expect(text(await render(null))).toContain('本机分析中')
  })
})

describe('exchanged electrodes', () => {
  const notice = async (analysis: Analysis | null): Promise<string> =>
    text(await renderToString(createSSRApp(SwapNotice, { analysis })))

  it('are named with what to do, the others in small text', async () => {
    const shown = await notice(ANALYSIS)
    for (const words of ['疑似电极接反：右臂(红) 与 左臂(黄)', '请核对后重新采集', '本次记录不能排除：LA/LL']) {
      expect(shown).toContain(words)
    }
  })

  it('are not spoken of where none was found', async () => {
    expect((await notice({ ...ANALYSIS, swaps: [] })).trim()).toBe('')
    expect((await notice(null)).trim()).toBe('')
  })
})
