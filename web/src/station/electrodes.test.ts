import { describe, expect, it } from 'vitest'
import { electrodesToPress, leadsOff, worstProblem } from './electrodes'
import type { BoxNow, Quality } from './types'

const box = (electrodes_off: string[]): BoxNow => ({
  name: 'ecg',
  state: 'streaming',
  detail: '',
  serial: 'BOX-0001',
  rate_hz: 500,
  battery_percent: 82,
  electrodes_off,
  bad_frames: 0,
})
const good: Record<string, Quality> = { I: 'good', II: 'good', V1: 'good', V2: 'good' }

describe('leads off', () => {
  it('names the chest electrode of the lead that is off', () => {
    const quality = { ...good, V2: 'lead_off' as const }
    expect(leadsOff(quality)).toEqual(['V2'])
    expect(electrodesToPress(box(['V2']), quality)).toEqual(['V2'])
    expect(electrodesToPress(box([]), quality)).toEqual(['V2'])
  })

  it('asks for the limb, not for six chest electrodes that fell with it', () => {
    const all: Record<string, Quality> = Object.fromEntries(
      ['I', 'II', 'III', 'aVR', 'aVL', 'aVF', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6'].map((l) => [l, 'lead_off']),
    )
    expect(electrodesToPress(box(['RA']), all)).toEqual(['RA'])
    expect(electrodesToPress(box(['V5', 'LL']), all)).toEqual(['LL', 'V5'])
  })

  it('passes over a name it does not know', () => {
    expect(electrodesToPress(box(['E?']), good)).toEqual([])
  })
})

describe('the worst problem', () => {
  it('is none when nothing is known', () => {
    expect(worstProblem({})).toBeNull()
    expect(worstProblem(good)).toBeNull()
  })

  it('puts a lead that is off before noise', () => {
    expect(worstProblem({ ...good, V5: 'muscle_noise', V2: 'lead_off', II: 'baseline_wander' })).toEqual({
      word: 'lead_off',
      leads: ['V2'],
    })
    expect(worstProblem({ ...good, V5: 'muscle_noise', V6: 'muscle_noise' })).toEqual({
      word: 'muscle_noise',
      leads: ['V5', 'V6'],
    })
  })
})
