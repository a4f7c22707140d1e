import { describe, expect, it } from 'vitest'
import { boxTrouble } from './box'
import type { StationNow } from './types'

function now(state: string | null): StationNow {
  const box = state && {
    name: 'ecg',
    state,
    detail: '',
    serial: '',
    rate_hz: 500,
    battery_percent: null,
    electrodes_off: [],
    bad_frames: 0,
  }
  return {
    station: { id: 'MT-0001', name: '', duty_phone: '' },
    now_ns: 0,
    link: { online: false, since_ns: null, trouble: 'network' },
    box: box || null,
    queue: { waiting: 0, oldest_ns: null, rejected: 0 },
    heart_rate: null,
    lead_quality: {},
    recording: null,
    disk: { free_bytes: 0, low: false },
    revision: 0,
  }
}

describe('what is wrong with the box', () => {
  it('is nothing only while its signal really arrives', () => {
    expect(boxTrouble(now('streaming'), false)).toBeNull()
    expect(boxTrouble(now('streaming'), true)).toBe('silent')
  })

  it('has words for every state of the station', () => {
    for (const state of ['connecting', 'gone', 'wrong_serial', 'wrong_rate', 'faulted'] as const) {
      expect(boxTrouble(now(state), false)).toBe(state)
    }
    expect(boxTrouble(now(null), false)).toBe('none')
    expect(boxTrouble(null, false)).toBe('connecting')
  })

  it('takes a state it does not know for a fault, never for silence', () => {
    expect(boxTrouble(now('upgrading'), false)).toBe('faulted')
  })
})
