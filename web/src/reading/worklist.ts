/** The worklist as the hub pushes it, and how fresh it is. */
import { computed, reactive } from 'vue'
import { ApiError, ask, socketUrl } from '@/shared/api'
import { ring } from '@/shared/sound'
import { session } from '@/shared/session'
import type { CaseRow, WorklistSnapshot } from '@/reading/types'

export type Filter = 'all' | 'urgent' | 'mine'

/** No heartbeat for this long: the list says since when it stands still. */
const FRESH_MS = 3000
const MOST_WAIT_MS = 10_000

export const worklist = reactive({
  items: [] as CaseRow[],
  loaded: false,
  failed: null as ApiError | null,
  denied: false,
  filter: 'all' as Filter,
  /** Hub's clock minus ours, so that waiting times are the hub's. */
  skewMs: 0,
  lastHeardMs: 0,
  nowMs: Date.now(),
  connected: false,
})

export const silentFor = computed(() =>
  worklist.lastHeardMs ? Math.max(0, worklist.nowMs - worklist.lastHeardMs) : 0,
)
export const offline = computed(() => worklist.loaded && silentFor.value > FRESH_MS)

export function isUrgent(row: CaseRow): boolean {
  return row.emergency || row.level === 0 || row.level === 1
}

export const shown = computed(() =>
  worklist.items.filter((row) =>
    worklist.filter === 'all' ? true : worklist.filter === 'urgent' ? isUrgent(row) : row.mine,
  ),
)

/** Seconds a case has waited, by the hub's clock, growing between two snapshots. */
export function waited(row: CaseRow): number {
  const hubNow = worklist.nowMs + worklist.skewMs
  return Math.max(0, (hubNow - row.received_ns / 1e6) / 1000)
}

let socket: WebSocket | null = null
let running = false
let wait = 1000
let ticker: ReturnType<typeof setInterval> | undefined
let again: ReturnType<typeof setTimeout> | undefined

function heard(nowNs: number): void {
  worklist.lastHeardMs = Date.now()
  worklist.nowMs = worklist.lastHeardMs
  worklist.skewMs = nowNs / 1e6 - worklist.lastHeardMs
}

function take(snapshot: WorklistSnapshot): void {
  heard(snapshot.now_ns)
  const known = new Set(worklist.items.map((row) => row.exam_id))
  const critical = snapshot.items.some((row) => row.level === 0 && !known.has(row.exam_id))
  worklist.items = snapshot.items
  if (critical) ring(0)
  worklist.loaded = true
  worklist.failed = null
}

/** Ask once, over HTTP. */
export async function refresh(): Promise<void> {
  try {
    take(await ask<WorklistSnapshot>('GET', '/api/worklist'))
    worklist.denied = false
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    if (error.status === 403) worklist.denied = true
    else worklist.failed = error
  }
}

function connect(): void {
  if (!running) return
  socket = new WebSocket(socketUrl('/api/worklist/live'))
  socket.onopen = () => {
    worklist.connected = true
    wait = 1000
  }
  socket.onmessage = (event: MessageEvent<string>) => {
    const said = JSON.parse(event.data) as { type: string; now_ns: number } & Partial<WorklistSnapshot>
    if (said.type === 'snapshot' && said.items) take({ now_ns: said.now_ns, items: said.items })
    else if (said.type === 'beat') heard(said.now_ns)
  }
  socket.onclose = () => {
    worklist.connected = false
    socket = null
    if (!running) return
    again = setTimeout(reconnect, wait)
    wait = Math.min(MOST_WAIT_MS, wait * 2)
  }
}

async function reconnect(): Promise<void> {
  // A refused socket does not say why; the HTTP answer does: no session, no right, no hub.
  await refresh()
  if (worklist.denied || session.state !== 'in') return stop()
  connect()
}

/** Begin, or begin again after a new log-in. */
export async function start(): Promise<void> {
  if (running) return
  running = true
  ticker = setInterval(() => (worklist.nowMs = Date.now()), 1000)
  await reconnect()
}

export function stop(): void {
  running = false
  clearInterval(ticker)
  clearTimeout(again)
  socket?.close()
  socket = null
  worklist.connected = false
}

/** Nobody's data on the screen of nobody. */
export function clear(): void {
  stop()
  worklist.items = []
  worklist.loaded = false
  worklist.failed = null
  worklist.denied = false
  worklist.lastHeardMs = 0
}
