/**
 * What the station is doing now, as told over the page's one websocket: state once a second and on change,
 * live blocks ten times a second. When it falls silent the page says so; it never shows old as new.
 */
import { reactive } from 'vue'
import { ask, socketUrl } from '@/shared/api'
import { unpack, type Block } from '@/ecg/block'
import type { StationNow } from './types'

/** State comes every second: after three without it the page has lost the agent. */
const SILENT_MS = 3000
const RECONNECT_MS = 1000
/** Close code: the session has run out. */
const NOT_LOGGED_IN = 4401

export const station = reactive({
  now: null as StationNow | null,
  /** Seconds since the agent was last heard; 0 while all is well. */
  silentS: 0,
  /** Blocks that could not be read: dropped, counted, shown. */
  badBlocks: 0,
})

type BlockListener = (block: Block) => void
const listeners = new Set<BlockListener>()

/** Hear every live block until the returned function is called. */
export function onBlock(listener: BlockListener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

let socket: WebSocket | null = null
let heardAt = 0
let watch: ReturnType<typeof setInterval> | undefined
let again: ReturnType<typeof setTimeout> | undefined

function heard(): void {
  heardAt = performance.now()
  station.silentS = 0
}

function take(data: string | ArrayBuffer): void {
  heard()
  if (typeof data === 'string') {
    const message = JSON.parse(data) as { type: string } & StationNow
    if (message.type === 'state') station.now = message
    return
  }
  try {
    const block = unpack(data)
    for (const listener of listeners) listener(block)
  } catch {
    station.badBlocks += 1
  }
}

function connect(): void {
  const mine = new WebSocket(socketUrl('/api/live'))
  mine.binaryType = 'arraybuffer'
  mine.onmessage = (event: MessageEvent<string | ArrayBuffer>) => take(event.data)
  mine.onclose = (event: CloseEvent) => {
    if (socket !== mine) return
    if (event.code === NOT_LOGGED_IN) {
      // Asking anything makes the shared client announce the lost session to the whole page.
      ask('GET', '/api/me').catch(() => undefined)
      return
    }
    again = setTimeout(connect, RECONNECT_MS)
  }
  socket = mine
}

function look(): void {
  const silent = performance.now() - heardAt
  station.silentS = silent > SILENT_MS ? Math.floor(silent / 1000) : 0
}

/** Start listening; to be called once somebody is signed in. */
export function listen(): void {
  silence()
  heardAt = performance.now()
  connect()
  watch = setInterval(look, 500)
}

/** Stop listening: signed out or timed out. */
export function silence(): void {
  clearInterval(watch)
  clearTimeout(again)
  const old = socket
  socket = null
  old?.close()
  station.silentS = 0
}
