import { describe, expect, it } from 'vitest'
import { byLevel, electrodesOf, faults, foldedIds, numberOf, reasons, spelled, swapOf } from './findings'

const said = (code: string, level: 0 | 1 | 2 | 3 | null): { code: string; level: typeof level } => ({ code, level })

describe('statements', () => {
  const all = [said('rhythm', null), said('late', 2), said('block', 1), said('also', 1)]

  it('stand most pressing first, the rest as the machine said them', () => {
    expect(byLevel(all).map((s) => s.code)).toEqual(['block', 'also', 'late', 'rhythm'])
  })

  it('that set the level are the most pressing ones, and none where none has a level', () => {
    expect(reasons(all).map((s) => s.code)).toEqual(['block', 'also'])
    expect(reasons([said('rhythm', null)])).toEqual([])
    expect(reasons([{ code: 'from an older station' } as { level?: null }])).toEqual([])
  })
})

describe('the fold of the measurements', () => {
  const known = [{ id: 'heart_rate' }, { id: 'rr_ms' }, { id: 'qtc_unsteady' }, { id: 'jt_ms' }]

  it('has known rows in their order, then what only the station knows; never the flag or what stands above', () => {
    expect(foldedIds(['later_ms', 'jt_ms', 'qtc_unsteady', 'heart_rate', 'rr_ms'], known, ['heart_rate'])).toEqual([
      'rr_ms',
      'jt_ms',
      'later_ms',
    ])
  })
})

describe('faults of the leads', () => {
  it('are grouped by word, the worst first and an unknown word last', () => {
    expect(faults({ V6: 'later_word', V5: 'muscle_noise', V3: 'loose', II: 'good', V2: 'lead_off', V1: 'muscle_noise' })).toEqual([
      { word: 'lead_off', leads: ['V2'] },
      { word: 'loose', leads: ['V3'] },
      { word: 'muscle_noise', leads: ['V1', 'V5'] },
      { word: 'later_word', leads: ['V6'] },
    ])
  })

  it('name the limbs, not the chest electrodes that fell with them', () => {
    expect(electrodesOf(['V3', 'V4'])).toEqual({ limbs: false, chest: ['V3', 'V4'] })
    expect(electrodesOf(['I', 'V3'])).toEqual({ limbs: true, chest: [] })
  })
})

describe('exchanged electrodes', () => {
  it('are read from their ids, and an unknown one is no error', () => {
    expect(swapOf('RA/LA')).toEqual({ kind: 'pair', plugs: ['RA', 'LA'] })
    expect(swapOf('V1/V6')).toEqual({ kind: 'pair', plugs: ['V1', 'V6'] })
    expect(swapOf('RA>LL>LA')).toEqual({ kind: 'turned', plugs: ['RA', 'LL', 'LA'] })
    expect(swapOf('arms/legs').kind).toBe('arms_legs')
    expect(swapOf('V1>V6').kind).toBe('chest_row')
    for (const id of ['', 'X/Y', 'RA', 'V7/V8', 'RA/LA/LL']) expect(swapOf(id).kind).toBe('unknown')
  })
})

describe('numbers', () => {
  it('carry the unit of their name', () => {
    expect(numberOf('st_v2_mv', -0.123)).toEqual({ name: 'st_v2', text: '−0.12', unit: 'mV' })
    expect(numberOf('rate_per_min', 151.6)).toEqual({ name: 'rate', text: '152', unit: '次/min' })
    expect(numberOf('p_coherence', 0.41234)).toEqual({ name: 'p_coherence', text: '0.412', unit: '' })
    expect(spelled('st_v2')).toBe('ST V2')
    expect(spelled('reciprocal_avl')).toBe('reciprocal aVL')
  })
})
