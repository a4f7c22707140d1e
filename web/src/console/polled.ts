/** A list asked for again and again: the last answer stays, greyed and dated, when the next one fails. */
import { onBeforeUnmount, onMounted, reactive } from 'vue'
import { ApiError, ask } from '@/shared/api'
import { session } from '@/shared/session'

export interface Polled<T> {
  data: T | null
  atMs: number
  failed: ApiError | null
}

/** Ask for `path` now and every `everyMs` while the component lives. */
export function polled<T extends object>(path: string, everyMs: number): { state: Polled<T>; again: () => Promise<void> } {
  const state = reactive({ data: null, atMs: 0, failed: null }) as Polled<T>
  let timer: ReturnType<typeof setTimeout> | undefined
  let live = false

  async function again(): Promise<void> {
    clearTimeout(timer)
    try {
      state.data = await ask<T>('GET', path)
      state.atMs = Date.now()
      state.failed = null
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      state.failed = error
    } finally {
      if (live && session.state === 'in') timer = setTimeout(() => void again(), everyMs)
    }
  }

  onMounted(() => {
    live = true
    void again()
  })
  onBeforeUnmount(() => {
    live = false
    clearTimeout(timer)
  })
  return { state, again }
}
