/**
 * Drafts on this computer, so that a reload, a crash or a lost link costs nobody a word. Each is kept
 * until the hub has it and the person signs out. One database per origin, keyed by user and exam.
 */
import type { ReportBody } from '@/reading/types'

export interface LocalDraft {
  key: string
  user: string
  examId: string
  body: ReportBody
  changedMs: number
  /** The hub has said it holds exactly this. */
  acknowledged: boolean
}

const NAME = 'maitong-drafts'
const STORE = 'drafts'

let opened: Promise<IDBDatabase> | null = null

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('indexedDB'))
  })
}

function database(): Promise<IDBDatabase> {
  if (!opened) {
    const request = indexedDB.open(NAME, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'key' })
    opened = done(request)
    opened.catch(() => (opened = null))
  }
  return opened
}

async function store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  return (await database()).transaction(STORE, mode).objectStore(STORE)
}

export function keyOf(user: string, examId: string): string {
  return `${user}/${examId}`
}

/** Resolves when it is on disk. */
export async function keepLocally(draft: LocalDraft): Promise<void> {
  await done((await store('readwrite')).put(draft))
}

export async function readLocally(user: string, examId: string): Promise<LocalDraft | null> {
  return ((await done((await store('readonly')).get(keyOf(user, examId)))) as LocalDraft | undefined) ?? null
}

export async function forget(user: string, examId: string): Promise<void> {
  await done((await store('readwrite')).delete(keyOf(user, examId)))
}

/** At sign-out: everything the hub holds already. What it does not hold stays. */
export async function forgetAcknowledged(user: string): Promise<void> {
  const all = (await done((await store('readonly')).getAll())) as LocalDraft[]
  for (const draft of all)
    if (draft.user === user && draft.acknowledged) await forget(user, draft.examId)
}
