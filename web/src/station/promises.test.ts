import { describe, expect, it } from 'vitest'
import { byAttention, ladder, severity, standing, tally } from './promises'
import type { Analysis, Attempt, Exam, SignedReport } from './types'

// Seconds apart: ns since 1970 do not all fit a double, and the page only ever shows them.
const T = 1_790_000_000_000_000_000
const S = 1_000_000_000

function attempt(over: Partial<Attempt> = {}): Attempt {
  return {
    recording_id: 'r1',
    attempt: 1,
    started_ns: T,
    duration_s: 10,
    interrupted: false,
    missing_samples: 0,
    analysis: null,
    analysis_error: null,
    saved_ns: T + S,
    sent_ns: null,
    state: 'saved',
    reason: null,
    ...over,
  }
}

function report(over: Partial<SignedReport> = {}): SignedReport {
  return {
    report_id: 'p1',
    version: 1,
    signed_by: '甲',
    signed_ns: T + 9 * S,
    opened_ns: null,
    report: {
      findings: '',
      impression: [{ code: null, text: '窦性心律' }],
      advice: '',
      conclusion: null,
      risk: 'normal',
      measurements: [],
      recording_id: 'r1',
    },
    ...over,
  }
}

function exam(over: Partial<Exam> = {}): Exam {
  return {
    exam_id: 'e1',
    patient: { patient_id: 'p', name: '张三', sex: 'male', birth_date: null, age_years: 58, id_last4: null, temporary: false },
    complaint: { symptoms: [], onset_ns: null, present: null, history: [], note: '' },
    created_ns: T,
    status: 'ordered',
    attempts: [],
    report: null,
    ...over,
  }
}

const states = (e: Exam) => ladder(e).map((rung) => rung.state)

describe('the ladder of promises', () => {
  it('promises nothing before the store has it', () => {
    expect(states(exam())).toEqual(['todo', 'todo', 'todo', 'todo'])
    expect(states(exam({ attempts: [attempt({ state: 'sealing', saved_ns: null })] }))).toEqual(['now', 'todo', 'todo', 'todo'])
  })

  it('says 已送达县级 only after the hub has receipted, whatever the exam status reads', () => {
    expect(states(exam({ status: 'received', attempts: [attempt()] }))).toEqual(['done', 'now', 'todo', 'todo'])
    expect(states(exam({ attempts: [attempt({ state: 'received', sent_ns: T + 2 * S })] }))).toEqual(['done', 'done', 'now', 'todo'])
  })

  it('says 已签收 only once the report was opened here', () => {
    const sent = [attempt({ state: 'received', sent_ns: T + 2 * S })]
    expect(states(exam({ status: 'delivered', attempts: sent, report: report() }))).toEqual(['done', 'done', 'done', 'now'])
    expect(states(exam({ attempts: sent, report: report({ opened_ns: T + 20 * S }) }))).toEqual(['done', 'done', 'done', 'done'])
  })

  it('stands on the last attempt: a re-capture starts the climb again', () => {
    const again = exam({
      attempts: [attempt({ state: 'received', sent_ns: T + 2 * S }), attempt({ recording_id: 'r2', attempt: 2 })],
    })
    expect(states(again)).toEqual(['done', 'now', 'todo', 'todo'])
    expect(standing(again)).toBe('waiting')
  })

  it('shows a refusal as one, and promises nothing after it', () => {
    const refused = exam({ attempts: [attempt({ state: 'rejected', reason: 'bad_hash' })] })
    expect(states(refused)).toEqual(['done', 'failed', 'todo', 'todo'])
    expect(standing(refused)).toBe('refused')
  })
})

describe('rows', () => {
  const analysis = (over: Partial<Analysis>): Analysis => ({
    version: '0.1.0',
    measurements: {},
    statements: [],
    quality: 'diagnostic',
    quality_reasons: [],
    lead_quality: {},
    level: null,
    ...over,
  })

  it('lets a machine raise a case, never lower it', () => {
    expect(severity(exam({ attempts: [attempt({ analysis: analysis({ level: 0 }) })] }))).toEqual({ level: 0, by: 'machine' })
    expect(severity(exam({ attempts: [attempt({ analysis: analysis({ level: 3 }) })] }))).toEqual({ level: null, by: null })
    expect(severity(exam({ report: report() }))).toEqual({ level: 3, by: 'doctor' })
  })

  it('puts newest attention first', () => {
    const critical = exam({ exam_id: 'critical', created_ns: T, attempts: [attempt({ analysis: analysis({ level: 0 }) })] })
    const returned = exam({ exam_id: 'returned', created_ns: T + S, attempts: [attempt({ state: 'rejected' })] })
    const unread = exam({ exam_id: 'unread', created_ns: T + 2 * S, attempts: [attempt({ state: 'received' })], report: report() })
    const waiting = exam({ exam_id: 'waiting', created_ns: T + 3 * S, attempts: [attempt()] })
    const newer = exam({ exam_id: 'newer', created_ns: T + 4 * S, attempts: [attempt()] })
    const done = exam({
      exam_id: 'done',
      created_ns: T + 5 * S,
      attempts: [attempt({ state: 'received' })],
      report: report({ opened_ns: T + 20 * S }),
    })
    const sorted = [done, waiting, newer, unread, returned, critical].sort(byAttention)
    expect(sorted.map((e) => e.exam_id)).toEqual(['critical', 'returned', 'unread', 'newer', 'waiting', 'done'])
  })

  it('counts cases by how far they have got', () => {
    const sent = attempt({ state: 'received', sent_ns: T })
    expect(
      tally([
        exam(),
        exam({ attempts: [attempt()] }),
        exam({ attempts: [sent] }),
        exam({ attempts: [sent], report: report({ opened_ns: T }) }),
      ]),
    ).toEqual({ saved: 3, sent: 2, delivered: 1 })
  })
})
