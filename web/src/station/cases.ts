/** Cases of this station: today's list, the one being worked on, and every act on it. */
import { reactive } from 'vue'
import { ApiError, ask } from '@/shared/api'
import { clear, draft, fillComplaint, type Screen } from './draft'
import type { Complaint, Exam, Patient, Sex, Words } from './types'
import { t } from './words'

export const cases = reactive({
  today: null as Exam[] | null,
  todayFailed: '',
  exam: null as Exam | null,
  examFailed: '',
  words: null as Words | null,
})

const REFUSALS = ['box_gone', 'wrong_serial', 'wrong_rate', 'lead_off', 'busy', 'disk_full'] as const
type Refusal = (typeof REFUSALS)[number]

/** A failure in words: what happened, what is safe, what to do. */
export function explain(error: unknown): string {
  if (!(error instanceof ApiError)) throw error
  if (error.offline) return t('error.network')
  const refusal = REFUSALS.find((code): code is Refusal => code === error.code)
  return refusal ? t(`error.${refusal}`) : error.message || t('error.generic', { code: error.code })
}

export async function loadWords(): Promise<void> {
  if (!cases.words) cases.words = await ask<Words>('GET', '/api/words')
}

export async function loadToday(): Promise<void> {
  try {
    cases.today = (await ask<{ items: Exam[] }>('GET', '/api/exams?day=today')).items
    cases.todayFailed = ''
  } catch (error) {
    cases.todayFailed = explain(error)
  }
}

/** Read the current case again. An answer for a case that was left meanwhile is thrown away. */
export async function loadExam(): Promise<void> {
  const id = draft.examId
  if (!id) return
  try {
    const exam = await ask<Exam>('GET', `/api/exams/${id}`)
    if (draft.examId === id) adopt(exam)
    cases.examFailed = ''
  } catch (error) {
    cases.examFailed = explain(error)
    if (error instanceof ApiError && error.status === 404) leave()
  }
}

function adopt(exam: Exam): void {
  cases.exam = exam
  draft.examId = exam.exam_id
  draft.patient = exam.patient
}

export function go(screen: Screen): void {
  draft.screen = screen
}

export function startNew(): void {
  cases.exam = null
  clear('patient')
}

/** Back home; the case itself is safe at the station. */
export function leave(): void {
  cases.exam = null
  clear('home')
}

export function open(exam: Exam): void {
  clear(exam.attempts.length > 0 || exam.report ? 'report' : 'capture')
  fillComplaint(exam.complaint)
  adopt(exam)
}

export async function emergency(sex: Sex, ageYears: number | null): Promise<void> {
  const exam = await ask<Exam>('POST', '/api/exams', {
    emergency: true,
    sex,
    ...(ageYears === null ? {} : { age_years: ageYears }),
    complaint: { symptoms: [], onset_ns: null, present: null, history: [], note: '' },
  })
  clear('capture')
  adopt(exam)
}

export async function findPatients(query: string, signal?: AbortSignal): Promise<Patient[]> {
  return (await ask<{ items: Patient[] }>('POST', '/api/patients/search', { q: query }, signal)).items
}

export interface NewPatient {
  name: string
  sex: Sex
  birth_date: string | null
  age_years: number | null
  id_type: 'resident_id' | 'none'
  id_number: string | null
  no_id_reason: string | null
  phone: string | null
}

export async function register(patient: NewPatient): Promise<Patient> {
  return ask<Patient>('POST', '/api/patients', patient)
}

/** The patient of this case is `patient`: kept in the draft, and told to the station if the case exists. */
export async function choose(patient: Patient): Promise<void> {
  if (draft.examId && draft.patient?.patient_id !== patient.patient_id) {
    adopt(await ask<Exam>('PATCH', `/api/exams/${draft.examId}`, { patient_id: patient.patient_id }))
  }
  draft.patient = patient
}

/** Order the ECG, or correct the complaint of one ordered before. */
export async function order(complaint: Complaint): Promise<void> {
  if (!draft.patient) return
  adopt(
    draft.examId
      ? await ask<Exam>('PATCH', `/api/exams/${draft.examId}`, { complaint })
      : await ask<Exam>('POST', '/api/exams', { patient_id: draft.patient.patient_id, complaint }),
  )
}

export async function startCapture(leadOffReason: string | null): Promise<void> {
  await ask('POST', `/api/exams/${draft.examId}/capture`, leadOffReason ? { lead_off_reason: leadOffReason } : {})
}

export async function cancelCapture(): Promise<void> {
  await ask('POST', `/api/exams/${draft.examId}/capture/cancel`)
}

export async function openReport(): Promise<void> {
  await ask('POST', `/api/exams/${draft.examId}/report/open`)
  await loadExam()
}
