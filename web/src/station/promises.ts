/**
 * The ladder of promises. Only three rungs may use the three promised words:
 * 已保存 (in this device's synced store), 已送达县级 (the hub's receipt, after its commit),
 * 已签收 (the report was opened here). A rung is never ahead of the one before it.
 */
import type { Attempt, Exam } from './types'

export type RungId = 'saved' | 'sent' | 'reported' | 'delivered'
export type RungState = 'done' | 'now' | 'todo' | 'failed'

export interface Rung {
  id: RungId
  state: RungState
  atNs: number | null
}

/** The attempt the case stands on: the last one taken. */
export function lastAttempt(exam: Exam): Attempt | null {
  return exam.attempts.reduce<Attempt | null>((best, a) => (!best || a.attempt > best.attempt ? a : best), null)
}

function isSaved(attempt: Attempt | null): boolean {
  return attempt !== null && attempt.state !== 'sealing' && attempt.saved_ns !== null
}

/** The four rungs of a case; 'now' is the one being waited for. */
export function ladder(exam: Exam): Rung[] {
  const attempt = lastAttempt(exam)
  const saved = isSaved(attempt)
  const sent = saved && attempt?.state === 'received'
  const refused = attempt?.state === 'rejected' || attempt?.state === 'conflict'
  // The report answers the case, whichever attempt it was read from: with one in hand the hub has the case.
  const reported = exam.report !== null
  const delivered = reported && exam.report?.opened_ns != null
  const rungs: Rung[] = [
    { id: 'saved', state: saved ? 'done' : 'todo', atNs: saved ? (attempt?.saved_ns ?? null) : null },
    {
      id: 'sent',
      state: refused ? 'failed' : sent ? 'done' : 'todo',
      atNs: sent ? (attempt?.sent_ns ?? null) : null,
    },
    { id: 'reported', state: reported ? 'done' : 'todo', atNs: exam.report?.signed_ns ?? null },
    { id: 'delivered', state: delivered ? 'done' : 'todo', atNs: exam.report?.opened_ns ?? null },
  ]
  if (attempt !== null && !refused) {
    const next = rungs.find((rung) => rung.state === 'todo')
    if (next) next.state = 'now'
  }
  return rungs
}

/** Where a case stands, as one word; every row, ladder and count uses this and nothing else. */
export type Standing =
  | 'ordered'
  | 'sealing'
  | 'waiting'
  | 'received'
  | 'refused'
  | 'reported'
  | 'delivered'

export function standing(exam: Exam): Standing {
  if (exam.report) return exam.report.opened_ns != null ? 'delivered' : 'reported'
  const attempt = lastAttempt(exam)
  if (!attempt) return 'ordered'
  if (attempt.state === 'rejected' || attempt.state === 'conflict') return 'refused'
  if (!isSaved(attempt)) return 'sealing'
  return attempt.state === 'received' ? 'received' : 'waiting'
}

export type Level = 0 | 1 | 2 | 3 | 'q' | null

/** The severity a row shows, and whether a doctor or only the machine says so. */
export function severity(exam: Exam): { level: Level; by: 'doctor' | 'machine' | null } {
  const risk = exam.report?.report.risk ?? null
  if (risk === 'critical') return { level: 0, by: 'doctor' }
  if (risk === 'major_positive') return { level: 1, by: 'doctor' }
  if (risk === 'abnormal') return { level: 2, by: 'doctor' }
  if (risk === 'normal') return { level: 3, by: 'doctor' }
  if (exam.report) return { level: null, by: 'doctor' }
  const analysis = lastAttempt(exam)?.analysis
  if (analysis?.level === 0) return { level: 0, by: 'machine' }
  if (analysis?.level === 1) return { level: 1, by: 'machine' }
  // A machine may raise a case, never lower it: its "normal" is not shown as anything.
  if (analysis?.quality === 'repeat') return { level: 'q', by: 'machine' }
  return { level: null, by: null }
}

const STANDING_ORDER: Record<Standing, number> = {
  refused: 1,
  reported: 2,
  sealing: 3,
  waiting: 3,
  received: 4,
  ordered: 5,
  delivered: 6,
}

/** Newest attention first: critical, returned, report unread, in transit, done; newest within each. */
export function byAttention(a: Exam, b: Exam): number {
  const rank = (exam: Exam): number => {
    const where = standing(exam)
    return severity(exam).level === 0 && where !== 'delivered' ? 0 : STANDING_ORDER[where]
  }
  return rank(a) - rank(b) || b.created_ns - a.created_ns
}

/** Today in numbers, by the three promised words: how many cases have got at least that far. */
export function tally(exams: Exam[]): { saved: number; sent: number; delivered: number } {
  const reached = { saved: 0, sent: 0, delivered: 0 }
  for (const exam of exams) {
    for (const rung of ladder(exam)) {
      if (rung.state === 'done' && rung.id !== 'reported') reached[rung.id] += 1
    }
  }
  return reached
}
