/** Times as people read them. Servers speak nanoseconds since 1970, UTC. */
import { shared } from '@/shared/i18n'

const two = (n: number): string => String(Math.floor(n)).padStart(2, '0')

export function toDate(ns: number): Date {
  return new Date(ns / 1e6)
}

/** 10:14:20 */
export function clock(at: Date): string {
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** 2026-11-22 */
export function day(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
}

/** 2026-11-22 10:14:20; the time alone when it is of today. */
export function moment(ns: number | null | undefined, now: Date = new Date()): string {
  if (ns === null || ns === undefined) return '—'
  const at = toDate(ns)
  return day(at) === day(now) ? clock(at) : `${day(at)} ${clock(at)}`
}

/** mm:ss, or h:mm:ss from an hour on. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds))
  const rest = `${two((s % 3600) / 60)}:${two(s % 60)}`
  return s < 3600 ? rest : `${Math.floor(s / 3600)}:${rest}`
}

/** Age in years, months below two years, days below two months. */
export function age(birthDate: string | null, years: number | null, now: Date = new Date()): string {
  if (birthDate) {
    const [y, m, d] = birthDate.split('-').map(Number)
    const days = Math.floor((now.getTime() - new Date(y, m - 1, d).getTime()) / 86_400_000)
    const months = (now.getFullYear() - y) * 12 + now.getMonth() + 1 - m - (now.getDate() < d ? 1 : 0)
    if (months < 2) return shared('age.days', { n: days })
    if (months < 24) return shared('age.months', { n: months })
    return shared('age.years', { n: Math.floor(months / 12) })
  }
  return years === null || years === undefined ? shared('age.unknown') : shared('age.years', { n: years })
}
