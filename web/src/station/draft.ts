/**
 * What has been typed and where the doctor is, kept on this device so that a reload, a crash, a time-out
 * or a language switch loses nothing. Erased when the case is done and at sign-out.
 */
import { reactive, toRaw, watch } from 'vue'
import type { Complaint, Patient, Sex } from './types'

export type Screen = 'home' | 'patient' | 'complaint' | 'capture' | 'report'
export type Onset = 'now' | '30min' | '1h' | '2h' | 'pick' | 'unknown'
export type PatientMode = 'id' | 'none' | 'find'

interface PatientForm {
  mode: PatientMode
  idNumber: string
  name: string
  phone: string
  reason: string
  sex: Sex | null
  birthDate: string
  /** Digits, for somebody who does not know the date. */
  ageYears: string
  search: string
}

interface ComplaintForm {
  symptoms: string[]
  onset: Onset | null
  /** Wall time of the onset; for 'pick' moved by the steppers, for the rest set when the chip is tapped. */
  onsetNs: number | null
  present: boolean | null
  presentAsked: boolean
  history: string[]
  note: string
}

interface Draft {
  owner: string
  screen: Screen
  patient: Patient | null
  examId: string | null
  patientForm: PatientForm
  complaintForm: ComplaintForm
}

function empty(): Draft {
  return {
    owner: '',
    screen: 'home',
    patient: null,
    examId: null,
    patientForm: { mode: 'id', idNumber: '', name: '', phone: '', reason: '', sex: null, birthDate: '', ageYears: '', search: '' },
    complaintForm: {
      symptoms: [],
      onset: null,
      onsetNs: null,
      present: null,
      presentAsked: false,
      history: [],
      note: '',
    },
  }
}

export const draft = reactive<Draft>(empty())

const SAVE_AFTER_MS = 250
const NAME = 'maitong-station'
const STORE = 'draft'
const KEY = 'current'

function database(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(STORE)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('indexedDB'))
  })
}

async function transact<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await database()
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = db.transaction(STORE, mode)
      const request = act(transaction.objectStore(STORE))
      transaction.oncomplete = () => resolve(request.result)
      transaction.onabort = () => reject(transaction.error ?? new Error('indexedDB'))
    })
  } finally {
    db.close()
  }
}

let timer: ReturnType<typeof setTimeout> | undefined
let keeping = false

function keep(): void {
  clearTimeout(timer)
  timer = setTimeout(() => {
    const plain = JSON.parse(JSON.stringify(toRaw(draft))) as Draft
    // A full or forbidden browser store must not stop a capture: the draft is then only in this page.
    transact('readwrite', (store) => store.put(plain, KEY)).catch(() => undefined)
  }, SAVE_AFTER_MS)
}

/** Bring back what this person left behind, then keep every change. Another person's draft is erased. */
export async function restore(owner: string): Promise<void> {
  const kept = await transact<Draft | undefined>('readonly', (store) => store.get(KEY)).catch(() => undefined)
  if (draft.owner !== owner) {
    Object.assign(draft, empty(), kept?.owner === owner ? kept : {}, { owner })
  }
  if (!keeping) {
    keeping = true
    watch(draft, keep, { deep: true })
  }
}

/** Begin a new case: nothing of the last one stays on the page. */
export function clear(screen: Screen): void {
  Object.assign(draft, empty(), { owner: draft.owner, screen })
}

/** A case taken up again: its complaint stands in the form, so that going back to it changes nothing. */
export function fillComplaint(complaint: Complaint): void {
  const pain = complaint.symptoms.includes('chest_pain')
  Object.assign(draft.complaintForm, {
    symptoms: [...complaint.symptoms],
    onset: complaint.onset_ns !== null ? 'pick' : pain ? 'unknown' : null,
    onsetNs: complaint.onset_ns,
    present: complaint.present,
    presentAsked: complaint.present !== null,
    history: [...complaint.history],
    note: complaint.note,
  } satisfies ComplaintForm)
}

/** Sign-out: nothing of anybody stays on the device. */
export function erase(): void {
  clearTimeout(timer)
  Object.assign(draft, empty())
  clearTimeout(timer)
  transact('readwrite', (store) => store.delete(KEY)).catch(() => undefined)
}
