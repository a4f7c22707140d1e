/** Who is signed in on this page. A time-out hides patient data but throws nothing away. */
import { reactive } from 'vue'
import { ApiError, ask, onSessionLost } from '@/shared/api'

export interface User {
  id?: string
  username: string
  name: string
  role: string
  permissions?: string[]
  language?: string
}

interface Me {
  user: User
  expires_s: number
}

export const session = reactive({
  user: null as User | null,
  /** unknown: not asked yet; expired: was signed in, and must do so again to go on. */
  state: 'unknown' as 'unknown' | 'out' | 'in' | 'expired',
})

onSessionLost(() => {
  session.state = session.user ? 'expired' : 'out'
})

function enter(me: Me): void {
  session.user = me.user
  session.state = 'in'
}

/** Find out whether a session is still good. Throws ApiError when the server cannot be asked. */
export async function resume(): Promise<void> {
  try {
    enter(await ask<Me>('GET', '/api/me'))
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error
    session.state = 'out'
  }
}

export async function login(username: string, password: string): Promise<void> {
  enter(await ask<Me>('POST', '/api/login', { username, password }))
}

export async function logout(): Promise<void> {
  try {
    await ask('POST', '/api/logout')
  } finally {
    session.user = null
    session.state = 'out'
  }
}

/** Whether the server lets this person do `word`; the server checks again in any case. */
export function may(word: string): boolean {
  return session.user?.permissions?.includes(word) ?? false
}
