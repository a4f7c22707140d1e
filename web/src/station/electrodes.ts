/**
 * Electrodes and the leads that fall with them: what a person needs to find the right one on the chest.
 * Which lead is off is the station's judgement (`lead_quality`); here it only gets its words and its place.
 */
import { type Fault, faults } from '@/shared/findings'
import type { BoxNow, Quality } from './types'

export const LEADS = ['I', 'II', 'III', 'aVR', 'aVL', 'aVF', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6'] as const
export type Lead = (typeof LEADS)[number]

export const ELECTRODES = ['RA', 'LA', 'RL', 'LL', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6'] as const
export type Electrode = (typeof ELECTRODES)[number]

/** IEC marking as printed on the cable; the colour is named in words (key `electrode.<id>.colour`). */
export const IEC_MARK: Record<Electrode, string> = {
  RA: 'R',
  LA: 'L',
  RL: 'N',
  LL: 'F',
  V1: 'C1',
  V2: 'C2',
  V3: 'C3',
  V4: 'C4',
  V5: 'C5',
  V6: 'C6',
}

/** Where each sits on the drawing of the chest (viewBox 0 0 200 170; the patient's right is on our left). */
export const PLACE: Record<Electrode, { x: number; y: number }> = {
  RA: { x: 38, y: 44 },
  LA: { x: 162, y: 44 },
  RL: { x: 68, y: 152 },
  LL: { x: 132, y: 152 },
  V1: { x: 91, y: 72 },
  V2: { x: 109, y: 72 },
  V3: { x: 119, y: 82 },
  V4: { x: 128, y: 93 },
  V5: { x: 137, y: 95 },
  V6: { x: 146, y: 95 },
}

function isElectrode(name: string): name is Electrode {
  return (ELECTRODES as readonly string[]).includes(name)
}

/** Leads off now, in the usual order: what the station says, per lead. */
export function leadsOff(quality: Record<string, Quality>): Lead[] {
  return LEADS.filter((lead) => quality[lead] === 'lead_off')
}

/**
 * The electrodes to press, limbs first. The box names them; when it only knows leads (a derived
 * verdict), a chest lead names its own electrode and nothing is guessed about the limbs.
 */
export function electrodesToPress(box: BoxNow | null, quality: Record<string, Quality>): Electrode[] {
  const named = (box?.electrodes_off ?? []).filter(isElectrode)
  const chest = leadsOff(quality).filter((lead): lead is Extract<Lead, Electrode> => isElectrode(lead))
  const limbIsOff = named.some((electrode) => !electrode.startsWith('V'))
  const off = new Set<Electrode>(limbIsOff ? named : [...named, ...chest])
  return ELECTRODES.filter((electrode) => off.has(electrode))
}

/** The worst thing wrong now and the leads it is wrong with; null when all is well or nothing is known. */
export function worstProblem(quality: Record<string, Quality>): Fault | null {
  return faults(quality)[0] ?? null
}
