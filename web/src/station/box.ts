/** What is wrong with the ECG box, as one of a few kinds that each have words saying what to do. */
import type { StationNow } from './types'

const TROUBLES = ['none', 'connecting', 'gone', 'wrong_serial', 'wrong_rate', 'faulted', 'silent'] as const
export type BoxTrouble = (typeof TROUBLES)[number]

/**
 * Null while the box streams and its signal arrives. `stalled`: it says it streams, but nothing has come.
 * A state this page does not know is a fault, never silence.
 */
export function boxTrouble(now: StationNow | null, stalled: boolean): BoxTrouble | null {
  if (!now) return 'connecting'
  if (!now.box) return 'none'
  if (now.box.state === 'streaming') return stalled ? 'silent' : null
  return TROUBLES.find((known) => known === now.box?.state) ?? 'faulted'
}
