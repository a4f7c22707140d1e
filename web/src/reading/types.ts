/** What the hub says to the reading room. Times are ns since 1970. */

import type { Analysis, Level, Verdict } from '@/shared/findings'

export type { Analysis, Level }
export type Sex = 'male' | 'female' | 'unknown'
export type Quality = Verdict
export type Band = 'diagnostic' | 'muscle' | 'raw'

export interface Person {
  id: string
  name: string
}

export interface Organisation {
  name: string
  name_en: string
  travel_minutes: number
}

export interface CaseRow {
  exam_id: string
  level: Level | null
  quality: Quality | null
  status: string
  patient: {
    name: string | null
    sex: Sex
    age_years: number | null
    birth_date: string | null
    id_last4: string | null
    temporary: boolean
  }
  organisation: Organisation
  station_id: string
  symptoms: string[]
  captured_ns: number
  received_ns: number
  waiting_s: number
  claimed_by: Person | null
  mine: boolean
  attempt: number
  emergency: boolean
  has_draft: boolean
  /** Statement codes; null: not analysed. */
  machine_summary: string[] | null
}

export interface WorklistSnapshot {
  now_ns: number
  items: CaseRow[]
}

export interface RecordingView {
  recording_id: string
  attempt: number
  /** As the station stamped it. */
  started_ns: number
  clock_quality: string
  /** By what the station learned later of its clock. */
  corrected_ns: number | null
  duration_s: number
  rate_hz: number
  leads: string[]
  interrupted: boolean
  missing_samples: number
  box_serial: string
  quality: Quality | null
  lead_quality: Record<string, string> | null
  analysis: Analysis | null
  analysis_error: string | null
  lead_off_reason: string | null
  damaged: boolean
}

export interface StatementLine {
  code: string | null
  text: string
}

export interface ReportMeasurement {
  id: string
  value: number | null
  edited_from: number | null
}

export type Conclusion = 'normal' | 'borderline' | 'suspicious' | 'abnormal'

/** protocols.report.Report */
export interface ReportBody {
  findings: string
  impression: StatementLine[]
  advice: string
  conclusion: Conclusion | null
  risk: string | null
  measurements: ReportMeasurement[]
  recording_id: string | null
}

export interface ReportView {
  report_id: string
  version: number
  status: string
  signed_by: string
  signed_ns: number
  opened_ns: number | null
  opened_by: string | null
  body: ReportBody
}

export interface DraftView {
  body: ReportBody
  saved_ns: number
}

export interface ExamView {
  exam_id: string
  status: string
  level: Level | null
  quality: Quality | null
  emergency: boolean
  attempt: number
  station_id: string
  captured_ns: number
  received_ns: number
  patient: {
    patient_id: string
    name: string | null
    sex: Sex
    birth_date: string | null
    age_years: number | null
    id_last4: string | null
    temporary: boolean
  }
  complaint: {
    symptoms: string[]
    onset_ns: number | null
    present: boolean | null
    history: string[]
    note: string
  }
  organisation: Organisation
  recordings: RecordingView[]
  report: ReportView | null
  draft: DraftView | null
  /** Newest first. */
  versions: ReportView[]
  claimed_by: Person | null
  /** `reason` is a code. */
  can: { claim: boolean; sign: boolean; edit: boolean; reason: string | null }
}

export interface StatementRow {
  code: string
  zh: string
  en: string
  pinyin: string
  group: string
  aha: string
  snomed: string
  critical: boolean
}

export interface MeasurementRow {
  id: string
  zh: string
  en: string
  unit: string
  decimals: number
  low: number | null
  high: number | null
}

export interface WordRow {
  id: string
  zh: string
  en: string
}

export interface FieldWords {
  statements: StatementRow[]
  measurements: MeasurementRow[]
  symptoms: WordRow[]
  history: WordRow[]
}
