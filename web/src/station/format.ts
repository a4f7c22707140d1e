/** Small pieces of writing the station's screens share. */
import { either, language } from '@/shared/i18n'

/** The word of an id in the language of the page; the id itself when this version has no word for it. */
export function word(rows: readonly { id: string; zh: string; en: string }[] | undefined, id: string): string {
  const row = rows?.find((r) => r.id === id)
  return row ? either(row) : id
}

export function list(parts: readonly string[]): string {
  return parts.join(language() === 'en' ? ', ' : '、')
}

export function bytes(n: number): string {
  return n < 1024 ? `${n} B` : n < 1_048_576 ? `${(n / 1024).toFixed(1)} KB` : `${(n / 1_048_576).toFixed(1)} MB`
}

/** A unit as the language of the page writes it. */
export function unit(text: string): string {
  return language() === 'en' ? text.replace('次/', '/') : text
}
