import { describe, expect, it } from 'vitest'
import { searchStatements } from '@/reading/search'
import type { StatementRow } from '@/reading/types'

function row(code: string, zh: string, en: string, pinyin: string): StatementRow {
  return { code, zh, en, pinyin, group: '', aha: '', snomed: '', critical: false }
}

const ROWS = [
  row('sinus_rhythm', '窦性心律', 'Sinus rhythm', 'dxxl'),
  row('atrial_fibrillation', '心房颤动', 'Atrial fibrillation', 'xfcd'),
  row('af_rapid', '心房颤动伴快速心室率', 'Atrial fibrillation with rapid ventricular response', 'xfcdbksxsl'),
  row('stemi_inferior', '急性下壁心肌梗死', 'Acute inferior infarction', 'jxxbxjgs'),
  row('stemi_right', '右心室心肌梗死', 'Right ventricular infarction', 'yxsxjgs'),
  row('rvh', '右心室肥大', 'Right ventricular hypertrophy', 'yxsfd'),
]
const codes = (query: string): string[] => searchStatements(ROWS, query).map((found) => found.code)

describe('searchStatements', () => {
  it('finds by pinyin initials, whole before prefix', () => {
    expect(codes('xfcd')).toEqual(['atrial_fibrillation', 'af_rapid'])
    expect(codes('yxs')).toEqual(['rvh', 'stemi_right'])
    expect(codes('YXS')).toEqual(codes('yxs'))
  })

  it('finds by characters anywhere', () => {
    expect(codes('梗死')).toEqual(['stemi_right', 'stemi_inferior'])
    expect(codes('颤')).toEqual(['atrial_fibrillation', 'af_rapid'])
  })

  it('finds by code and by English words', () => {
    expect(codes('rvh')).toEqual(['rvh'])
    expect(codes('inferior')).toEqual(['stemi_inferior'])
    expect(codes('hypert')).toEqual(['rvh'])
  })

  it('takes full-width letters and spaces from an input method', () => {
    expect(codes(' ｘｆｃｄ ')).toEqual(['atrial_fibrillation', 'af_rapid'])
  })

  it('finds nothing for nothing, and never more than six', () => {
    expect(codes('  ')).toEqual([])
    expect(codes('zzz')).toEqual([])
    const many = Array.from({ length: 20 }, (_, i) => row(`c${i}`, `早搏${i}`, 'beat', 'zb'))
    expect(searchStatements(many, 'zb')).toHaveLength(6)
  })
})
