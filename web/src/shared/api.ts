/**
 * The one way to ask our own server. Failures come back as ApiError with words a person can act on;
 * a lost session is announced once to `onSessionLost` and thrown like any other failure.
 */
import { language, shared } from '@/shared/i18n'

export class ApiError extends Error {
  readonly status: number
  /** The server's word for it; "offline" when there was no answer at all. */
  readonly code: string
  readonly detail: Record<string, unknown>

  constructor(status: number, code: string, message: string, detail: Record<string, unknown> = {}) {
    super(message)
    this.status = status
    this.code = code
    this.detail = detail
  }

  get offline(): boolean {
    return this.code === 'offline'
  }
}

interface Refusal {
  code?: string
  message_zh?: string
  message_en?: string
  detail?: Record<string, unknown>
}

let sessionLost: () => void = () => undefined

export function onSessionLost(listener: () => void): void {
  sessionLost = listener
}

async function refusal(response: Response): Promise<ApiError> {
  let body: Refusal = {}
  try {
    body = (await response.json()) as Refusal
  } catch {
    // No JSON: a proxy or a crash answered; the status is all there is to say.
  }
  const said = language() === 'en' ? body.message_en : body.message_zh
  const words =
    said ??
    (response.status === 403 ? shared('error.refused') : shared('error.unexpected', { status: response.status }))
  const detail = body.detail && typeof body.detail === 'object' ? body.detail : {}
  return new ApiError(response.status, body.code ?? `http_${response.status}`, words, detail)
}

async function send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { 'X-Maitong': '1' }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  let response: Response
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal,
    })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError(0, 'offline', shared('error.offline'))
  }
  if (response.ok) return response
  const error = await refusal(response)
  if (response.status === 401 && error.code !== 'bad_login') sessionLost()
  throw error
}

/** Ask for JSON. Throws ApiError. */
export async function ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await send(method, path, body, signal)
  if (response.status === 204) return undefined as T
  const text = await response.text()
  return (text ? JSON.parse(text) : undefined) as T
}

/** Ask for bytes: a waveform. Throws ApiError. */
export async function askBytes(path: string, signal?: AbortSignal): Promise<ArrayBuffer> {
  return (await send('GET', path, undefined, signal)).arrayBuffer()
}

/** Address of a websocket of our own server. */
export function socketUrl(path: string): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${path}`
}
