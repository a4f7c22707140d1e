/** The signature: why it cannot be given now, giving it, and going on to the next case. */
import { computed } from 'vue'
import { ask } from '@/shared/api'
import { may, session } from '@/shared/session'
import { clock } from '@/shared/time'
import { forget } from '@/reading/drafts'
import {
  asApiError,
  emptyBody,
  holdSaving,
  mine,
  open,
  picture,
  plainBody,
  reader,
  recording,
  reload,
  saveHere,
  unseenS,
} from '@/reading/reader'
import type { ExamView } from '@/reading/types'
import { t } from '@/reading/words'
import { offline, refresh, worklist } from '@/reading/worklist'

/** Why it cannot be signed now, in words; null when it can. */
export const signRefusal = computed<string | null>(() => {
  const exam = reader.exam
  if (!exam) return null
  if (!may('report.sign')) return t('sign.reason.right')
  if (!['pending_read', 'reading'].includes(exam.status)) return t('sign.reason.state')
  if (exam.claimed_by && !mine.value) return t('sign.reason.claimed', { name: exam.claimed_by.name })
  if (!mine.value) return t('sign.reason.unclaimed')
  if (offline.value)
    return reader.draft.savedMs
      ? t('sign.reason.offline', { time: clock(new Date(reader.draft.savedMs)) })
      : t('sign.reason.offlineNoDraft')
  if (reader.waveFailed || recording.value?.damaged) return t('sign.reason.damaged')
  if (!picture.block) return t('sign.reason.loading')
  if (unseenS.value > 0) return t('sign.reason.unseen', { seconds: unseenS.value.toFixed(1) })
  if (!reader.body.impression.length) return t('sign.reason.empty')
  return null
})

/** The second Enter. Signs, remembers it for the note, and opens the next case that waits. */
export async function sign(): Promise<void> {
  const exam = reader.exam
  if (!exam || reader.signing || signRefusal.value !== null) return
  reader.signing = true
  reader.signFailed = null
  holdSaving()
  try {
    const answer = await ask<{ report_id: string; version: number }>('POST', `/api/exams/${exam.exam_id}/sign`, {
      body: plainBody(),
      confirm: true,
    })
    reader.lastSigned = {
      examId: exam.exam_id,
      name: exam.patient.name ?? '',
      reportId: answer.report_id,
      version: answer.version,
      atMs: Date.now(),
    }
    reader.signStrip = false
    reader.draft.state = 'none'
    await forget(session.user?.username ?? '', exam.exam_id).catch(() => undefined)
    await refresh()
    await onward(exam.exam_id)
  } catch (error) {
    reader.signFailed = asApiError(error)
    await saveHere(false)
    if (reader.signFailed.status === 409) await reload()
  } finally {
    reader.signing = false
  }
}

async function onward(signed: string): Promise<void> {
  const next = nextUnread(signed)
  if (next) await open(next)
  else {
    reader.exam = await ask<ExamView>('GET', `/api/exams/${signed}`)
    reader.body = { ...emptyBody(), ...reader.exam.report?.body }
  }
}

/** The first case in the order of the list that nobody has. */
export function nextUnread(except: string | null): string | null {
  const row = worklist.items.find((item) => item.exam_id !== except && (!item.claimed_by || item.mine))
  return row?.exam_id ?? null
}
