// Box, table and hint of the reading room as the page renders them, from what a newer station sends.
import { beforeAll, describe, expect, it } from 'vitest'
import { type Component, createSSRApp } from 'vue'
import { renderToString } from 'vue/server-renderer'
import type { Analysis, ExamView } from './types'

const ANALYSIS: Analysis = {
  version: '0.2.0',
  measurements: { heart_rate: 42.4, pr_ms: null, rr_max_ms: 3120, qtc_unsteady: 1, later_ms: 12.5 },
  statements: [
    { code: 'sinus_rhythm', evidence: '', rule: 'sinus.rate', leads: [], numbers: {}, level: null },
    { code: 'later_code', evidence: '', rule: 'later.rule', leads: ['V9'], numbers: { later: 2 }, level: 1, start: 5, end: 9 },
  ],
  quality: 'rhythm_only',
  quality_reasons: ['V3:loose'],
  lead_quality: { V3: 'loose' },
  level: 1,
  escalated_by: ['chest_pain'],
  wants_longer: true,
  profile: 'maitong 2026-1',
  swaps: [],
  swaps_not_excluded: ['LA/LL'],
}

const text = (html: string): string => html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ')
const screens: Record<string, Component> = {}
let lit: typeof import('./lit')
const render = async (name: string): Promise<string> => text(await renderToString(createSSRApp(screens[name])))

beforeAll(async () => {
  const { reader, words } = await import('./reader')
  lit = await import('./lit')
  for (const [name, file] of [
    ['machine', await import('./MachineBox.vue')],
    ['table', await import('./MeasureTable.vue')],
    ['hint', await import('./HintRow.vue')],
  ] as const) screens[name] = file.default
  Object.assign(words, {
    symptoms: [{ id: 'chest_pain', zh: '胸痛', en: 'Chest pain' }],
    statements: [{ code: 'sinus_rhythm', zh: '窦性心律', en: 'Sinus rhythm' }],
    measurements: [
      { id: 'heart_rate', zh: '心率', en: 'Heart rate', unit: '次/min', decimals: 0, low: 60, high: 100 },
      { id: 'rr_max_ms', zh: '最长 RR', en: 'Longest RR', unit: 'ms', decimals: 0, low: null, high: null },
    ],
  })
  const recording = { recording_id: 'r1', attempt: 1, analysis: ANALYSIS, analysis_error: null }
  reader.exam = { exam_id: 'e1', level: 1, recordings: [recording], report: null } as unknown as ExamView
  reader.recordingId = 'r1'
  reader.body.measurements = Object.entries(ANALYSIS.measurements).map(([id, value]) => ({ id, value, edited_from: null }))
})

describe('the reading room', () => {
  it('lists the machine under its heading, the pressing first, a code without a row by its code', async () => {
    const shown = await render('machine')
    const order = ['机器分析，未经医师确认', '机器分级 紧急', '依据：later_code', '胸痛 → 升一级', '10 秒不足以判断',
      'maitong 2026-1', 'later.rule · V9 · later 2', '窦性心律', 'V3 接触不良 →'] // prettier-ignore
    const at = order.map((words) => shown.indexOf(words))
    expect(at).not.toContain(-1)
    expect(at).toEqual([...at].sort((a, b) => a - b))
  })

  it('shows undefined numbers as dashes, the flag in words, and counts what is folded', async () => {
    const shown = await render('table')
    expect(shown).toContain('42↓')
    expect(shown).toContain('—')
    expect(shown).toContain('心率不稳，QTc 参考')
    expect(shown).toContain('其余 2 项')
    expect(shown).not.toContain('qtc_unsteady')
  })

  it('hints at what set the level alone', async () => {
    const shown = await render('hint')
    expect(shown).toContain('疑似紧急')
    expect(shown).toContain('later_code — 机器提示，待医师确认')
    expect(shown).toContain('胸痛 → 升一级 · 10 秒不足以判断，请再采 60 秒')
    expect(shown).not.toContain('窦性心律')
  })

  it('lights the leads and the samples of a statement', () => {
    lit.light(ANALYSIS.statements[1])
    expect(lit.lit.value).toEqual({ leads: ['V9'], samples: [5, 9] })
    lit.light(ANALYSIS.statements[0])
    expect(lit.lit.value).toBeNull()
    lit.light({ code: 'old', evidence: '', leads: ['II'] })
    expect(lit.lit.value).toEqual({ leads: ['II'], samples: null })
    lit.unlight()
    expect(lit.lit.value).toBeNull()
  })
})
