/** The open case: exam, trace and draft. One at a time; nothing here opens by itself. */
import { computed, reactive, shallowReactive } from 'vue'
import { ApiError, ask, askBytes } from '@/shared/api'
import { may, session } from '@/shared/session'
import { BlockError, type Block, LEADS, type Lead, unpack } from '@/ecg/block'
import { keepLocally, keyOf, readLocally } from '@/reading/drafts'
import type { Band, ExamView, FieldWords, RecordingView, ReportBody, StatementLine } from '@/reading/types'
import { t } from '@/reading/words'
import { worklist } from '@/reading/worklist'

const LOCAL_MS = 200
const HUB_MS = 1200
const HUB_AGAIN_MS = 3000
const KEPT_BLOCKS = 12

export const words = reactive<FieldWords>({ statements: [], measurements: [], symptoms: [], history: [] })

export function emptyBody(): ReportBody {
  return { findings: '', impression: [], advice: '', conclusion: null, risk: null, measurements: [], recording_id: null }
}

export interface Signed {
  examId: string
  name: string
  reportId: string
  version: number
  atMs: number
}

export const reader = reactive({
  examId: null as string | null,
  exam: null as ExamView | null,
  loading: false,
  failed: null as ApiError | null,
  claiming: null as ApiError | null,
  /** Which attempt is on the paper. */
  recordingId: null as string | null,
  band: 'diagnostic' as 'diagnostic' | 'muscle',
  rawHeld: false,
  waveFailed: null as ApiError | null,
  waveLoading: false,
  seenS: 0,
  body: emptyBody(),
  draft: {
    state: 'none' as 'none' | 'saving' | 'saved' | 'local' | 'refused',
    savedMs: 0,
    reason: '',
  },
  signing: false,
  signStrip: false,
  signFailed: null as ApiError | null,
  lastSigned: null as Signed | null,
})

/** The trace on the paper: not reactive inside, for it has 60,000 numbers. */
export const picture = shallowReactive({ block: null as Block | null, name: '' })

export const recording = computed<RecordingView | null>(
  () => reader.exam?.recordings.find((each) => each.recording_id === reader.recordingId) ?? null,
)
/** Leads whose electrode was off at some time of the attempt on the paper, in the usual order. */
export const leadsOff = computed<Lead[]>(() => {
  const quality = recording.value?.analysis?.lead_quality ?? recording.value?.lead_quality ?? {}
  return LEADS.filter((lead) => quality[lead] === 'lead_off')
})
export const mine = computed(() => {
  const by = reader.exam?.claimed_by
  return !!by && by.id === session.user?.id
})
export const editable = computed(() => mine.value && reader.exam?.can.edit !== false && may('report.write'))
export const durationS = computed(() => recording.value?.duration_s ?? 10)
export const unseenS = computed(() => {
  const all = picture.block ? picture.block.samples / picture.block.rateHz : durationS.value
  return Math.max(0, Math.round((all - reader.seenS) * 10) / 10)
})

const blocks = new Map<string, Block>()
let opening = 0
let localTimer: ReturnType<typeof setTimeout> | undefined
let hubTimer: ReturnType<typeof setTimeout> | undefined
let changes = 0
let saving = false

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  if (error instanceof BlockError) return new ApiError(0, 'E-31', t('paper.damaged'))
  throw error
}

export async function loadWords(): Promise<void> {
  if (words.statements.length) return
  Object.assign(words, await ask<FieldWords>('GET', '/api/words'))
}

/** Open a case and, if it is free and the person may, claim it in the same go. */
export async function open(examId: string): Promise<void> {
  const turn = ++opening
  await leave(examId)
  Object.assign(reader, {
    examId,
    exam: null,
    failed: null,
    claiming: null,
    recordingId: null,
    waveFailed: null,
    seenS: 0,
    body: emptyBody(),
    draft: { state: 'none', savedMs: 0, reason: '' },
    signStrip: false,
    signFailed: null,
    loading: true,
  })
  picture.block = null
  picture.name = ''
  try {
    await loadWords()
    await claimIfFree(examId)
    const exam = await ask<ExamView>('GET', `/api/exams/${examId}`)
    if (turn !== opening) return
    reader.exam = exam
    reader.recordingId = latest(exam)
    await restore(exam)
    if (turn === opening) void loadWaveform()
  } catch (error) {
    if (turn === opening) reader.failed = asApiError(error)
  } finally {
    if (turn === opening) reader.loading = false
  }
}

function latest(exam: ExamView): string | null {
  const sorted = [...exam.recordings].sort((a, b) => b.attempt - a.attempt)
  return sorted[0]?.recording_id ?? null
}

async function claimIfFree(examId: string): Promise<void> {
  const row = worklist.items.find((item) => item.exam_id === examId)
  if (!may('exam.claim') || !row || (row.claimed_by && !row.mine)) return
  try {
    await ask('POST', `/api/exams/${examId}/claim`)
  } catch (error) {
    // Somebody was faster: the case opens read-only and says who has it.
    if (!(error instanceof ApiError) || error.status !== 409) throw error
  }
}

/** Claim the case that is open read-only, now that it is free. */
export async function claim(): Promise<void> {
  const { examId } = reader
  if (!examId) return
  reader.claiming = null
  try {
    await ask('POST', `/api/exams/${examId}/claim`)
    const exam = await ask<ExamView>('GET', `/api/exams/${examId}`)
    if (reader.examId !== examId) return
    reader.exam = exam
    await restore(exam)
  } catch (error) {
    reader.claiming = asApiError(error)
  }
}

/** Before another case: what was typed is kept under 我的; an untouched claim is given back. */
async function leave(next: string | null): Promise<void> {
  const { examId } = reader
  if (!examId || examId === next) return
  await saveNow()
  if (mine.value && isBlank(reader.body) && reader.exam?.status !== 'reported') {
    await ask('POST', `/api/exams/${examId}/release`).catch(() => undefined) // it runs out by itself
  }
}

export async function close(): Promise<void> {
  opening++
  await leave(null)
  reader.examId = null
  reader.exam = null
  picture.block = null
}

/** Forget the open case without asking the hub: the person has signed out. */
export function drop(): void {
  opening++
  clearTimeout(localTimer)
  clearTimeout(hubTimer)
  Object.assign(reader, { examId: null, exam: null, body: emptyBody(), lastSigned: null, signStrip: false })
  picture.block = null
  blocks.clear()
}

function isBlank(body: ReportBody): boolean {
  return (
    !body.findings && !body.advice && !body.impression.length && !body.conclusion &&
    !body.measurements.some((each) => each.edited_from !== null)
  )
}

/** What the reader had written: here if newer than at the hub, else the hub's, else a fresh start. */
async function restore(exam: ExamView): Promise<void> {
  const user = session.user?.username ?? ''
  const local = await readLocally(user, exam.exam_id).catch(() => null)
  const hub = exam.draft
  if (local && !local.acknowledged && (!hub || local.changedMs > hub.saved_ns / 1e6)) {
    reader.body = { ...emptyBody(), ...local.body }
    reader.draft = { state: 'local', savedMs: local.changedMs, reason: '' }
    scheduleHub(0)
  } else if (hub) {
    reader.body = { ...emptyBody(), ...hub.body }
    reader.draft = { state: 'saved', savedMs: hub.saved_ns / 1e6, reason: '' }
  } else if (exam.report) {
    reader.body = { ...emptyBody(), ...exam.report.body }
  }
  if (!reader.body.measurements.length) reader.body.measurements = machineMeasurements()
}

function machineMeasurements(): ReportBody['measurements'] {
  const machine = recording.value?.analysis?.measurements ?? {}
  return Object.entries(machine).map(([id, value]) => ({ id, value, edited_from: null }))
}

export async function loadWaveform(): Promise<void> {
  const { recordingId } = reader
  if (!recordingId) return
  const band: Band = reader.rawHeld ? 'raw' : reader.band
  const key = `${recordingId}/${band}`
  reader.waveFailed = null
  const ready = blocks.get(key)
  if (ready) return show(recordingId, ready)
  reader.waveLoading = true
  try {
    const block = unpack(await askBytes(`/api/recordings/${recordingId}/waveform?band=${band}`))
    blocks.set(key, block)
    const oldest = blocks.keys().next()
    if (blocks.size > KEPT_BLOCKS && !oldest.done) blocks.delete(oldest.value)
    const wanted: Band = reader.rawHeld ? 'raw' : reader.band
    if (reader.recordingId === recordingId && wanted === band) show(recordingId, block)
  } catch (error) {
    if (reader.recordingId !== recordingId) return
    reader.waveFailed = asApiError(error)
    picture.block = null
  } finally {
    reader.waveLoading = false
  }
}

function show(name: string, block: Block): void {
  picture.name = name
  picture.block = block
}

export function setBand(band: 'diagnostic' | 'muscle'): void {
  reader.band = band
  void loadWaveform()
}

/** Raw while held; the filter comes back when let go. */
export function holdRaw(held: boolean): void {
  if (reader.rawHeld === held || !reader.examId) return
  reader.rawHeld = held
  void loadWaveform()
}

export function showAttempt(recordingId: string): void {
  reader.recordingId = recordingId
  picture.block = null
  reader.seenS = 0
  if (editable.value) {
    reader.body.measurements = machineMeasurements()
    changed()
  }
  void loadWaveform()
}

/** Call after every change of `reader.body`: kept here in ≤ 0.3 s, at the hub in ≤ 2 s. */
export function changed(): void {
  if (!editable.value || !reader.examId) return
  changes++
  reader.signStrip = false
  reader.draft.state = 'saving'
  clearTimeout(localTimer)
  localTimer = setTimeout(() => void saveHere(false), LOCAL_MS)
  scheduleHub(HUB_MS)
}

function scheduleHub(afterMs: number): void {
  clearTimeout(hubTimer)
  hubTimer = setTimeout(() => void saveAtHub(), afterMs)
}

/** The draft as it is sent: with the recording it was read from. */
export function plainBody(): ReportBody {
  const body = JSON.parse(JSON.stringify(reader.body)) as ReportBody
  return { ...body, recording_id: reader.recordingId }
}

export async function saveHere(acknowledged: boolean): Promise<void> {
  const { examId } = reader
  const user = session.user?.username
  if (!examId || !user) return
  const draft = { key: keyOf(user, examId), user, examId, body: plainBody(), changedMs: Date.now(), acknowledged }
  try {
    await keepLocally(draft)
    if (reader.examId === examId && reader.draft.state === 'saving') reader.draft.savedMs = draft.changedMs
  } catch {
    // A browser without a disk for us: the copy at the hub, a second later, is then the only one.
  }
}

async function saveAtHub(): Promise<void> {
  const { examId } = reader
  if (!examId || saving) return
  saving = true
  const upTo = changes
  try {
    const { saved_ns } = await ask<{ saved_ns: number }>('PUT', `/api/exams/${examId}/draft`, { body: plainBody() })
    if (reader.examId !== examId) return
    reader.draft.savedMs = saved_ns / 1e6
    if (changes === upTo) {
      reader.draft.state = 'saved'
      await saveHere(true)
    } else scheduleHub(HUB_MS)
  } catch (error) {
    const refused = asApiError(error)
    const passing = refused.offline || refused.status >= 500 || refused.status === 401
    reader.draft.state = passing ? 'local' : 'refused'
    reader.draft.reason = refused.message
    if (passing) scheduleHub(HUB_AGAIN_MS)
  } finally {
    saving = false
  }
}

/** Before signing: nothing may be saved behind the signature's back. */
export function holdSaving(): void {
  clearTimeout(localTimer)
  clearTimeout(hubTimer)
}

/** Keep what is typed before anything leaves the page. */
export async function saveNow(): Promise<void> {
  if (reader.draft.state !== 'saving' && reader.draft.state !== 'local') return
  clearTimeout(localTimer)
  clearTimeout(hubTimer)
  await saveHere(false)
  await saveAtHub()
}

export function addStatement(line: StatementLine): void {
  if (!editable.value) return
  const known = reader.body.impression.some((each) => each.code !== null && each.code === line.code)
  if (!known) reader.body.impression.push(line)
  changed()
}

/** The case as the hub has it now, without touching what is typed. */
export async function reload(): Promise<void> {
  const { examId } = reader
  if (!examId) return
  try {
    const exam = await ask<ExamView>('GET', `/api/exams/${examId}`)
    if (reader.examId === examId) reader.exam = exam
  } catch (error) {
    if (!(error instanceof ApiError)) throw error // the list says what is wrong with the link
  }
}

/** A claim that ran out or went to a colleague shows at once: the list is pushed, the case is not. */
export function followClaim(): void {
  const row = worklist.items.find((item) => item.exam_id === reader.examId)
  if (!row || !reader.exam || reader.loading) return
  if (row.claimed_by?.id !== reader.exam.claimed_by?.id) reader.exam.claimed_by = row.claimed_by
  if (row.attempt !== reader.exam.attempt) void reload()
}
