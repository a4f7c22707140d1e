/** What the agent on this device says (JSON of `edge_agent/station`). Times are ns since 1970, as numbers: only ever shown. */

import type { Analysis } from '@/shared/findings'

export type { Analysis }
export type Sex = 'male' | 'female' | 'unknown'
/** A word of ecg/quality.py LEAD_WORDS; one this page does not know is shown as it came. */
export type Quality = string

export interface User {
  username: string
  name: string
  role: string
}

export interface BoxNow {
  name: string
  state: string
  detail: string
  serial: string
  rate_hz: number | null
  battery_percent: number | null
  electrodes_off: string[]
  bad_frames: number
}

export interface RecordingNow {
  exam_id: string
  recording_id: string
  attempt: number
  elapsed_s: number
  planned_s: number
}

/** What is wrong with the link; '' if nothing is known to be. */
export type Trouble =
  | ''
  | 'name'
  | 'network'
  | 'silent'
  | 'portal'
  | 'clock'
  | 'expired'
  | 'stranger'
  | 'refused'
  | 'hub'

export interface StationNow {
  station: { id: string; name: string; duty_phone: string }
  now_ns: number
  link: { online: boolean; since_ns: number | null; trouble: Trouble }
  box: BoxNow | null
  queue: { waiting: number; oldest_ns: number | null; rejected: number }
  heart_rate: number | null
  lead_quality: Record<string, Quality>
  recording: RecordingNow | null
  disk: { free_bytes: number; low: boolean }
  /** Grows when an exam, a report or the queue has changed. */
  revision: number
}

export interface Patient {
  patient_id: string
  name: string | null
  sex: Sex
  birth_date: string | null
  age_years: number | null
  id_last4: string | null
  temporary: boolean
  /** In answers about patients, not about exams: when this station last took an ECG of them. */
  last_exam_ns?: number | null
}

export interface Complaint {
  symptoms: string[]
  onset_ns: number | null
  present: boolean | null
  history: string[]
  note: string
}

export type AttemptState = 'sealing' | 'saved' | 'received' | 'rejected' | 'conflict'

export interface Attempt {
  recording_id: string
  attempt: number
  started_ns: number
  duration_s: number
  interrupted: boolean
  missing_samples: number
  analysis: Analysis | null
  analysis_error: string | null
  saved_ns: number | null
  sent_ns: number | null
  state: AttemptState
  reason: string | null
}

export interface SignedReport {
  report_id: string
  version: number
  signed_by: string
  signed_ns: number
  opened_ns: number | null
  report: {
    findings: string
    impression: { code: string | null; text: string }[]
    advice: string
    conclusion: string | null
    risk: 'critical' | 'major_positive' | 'abnormal' | 'normal' | null
    measurements: { id: string; value: number | null; edited_from: number | null }[]
    recording_id: string | null
  }
}

export type ExamStatus = 'ordered' | 'captured' | 'queued' | 'received' | 'reported' | 'delivered'

export interface Exam {
  exam_id: string
  patient: Patient
  complaint: Complaint
  created_ns: number
  status: ExamStatus
  attempts: Attempt[]
  report: SignedReport | null
}

export interface QueueItem {
  ref: string
  type: string
  lane: string
  size: number
  created_ns: number
  attempts: number
  state: string
  last_error: string | null
}

export interface Words {
  symptoms: { id: string; zh: string; en: string }[]
  history: { id: string; zh: string; en: string }[]
  statements: { code: string; zh: string; en: string; critical?: boolean }[]
  measurements: { id: string; zh: string; en: string; unit: string; decimals: number }[]
}
