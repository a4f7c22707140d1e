/**
 * Two languages, switched in place. Each screen keeps its words in one file of its own,
 * Chinese first; keys are checked by the compiler, and English must have every one of them.
 */
import { createI18n } from 'vue-i18n'
import { en, zh } from '@/shared/words'

export type Language = 'zh-CN' | 'en'

export interface Words {
  [key: string]: string | Words
}

/** The same keys as T, with other strings. */
export type Translated<T extends Words> = {
  [K in keyof T]: T[K] extends Words ? Translated<T[K]> : string
}

/** Dotted path of every string in T. */
export type Key<T extends Words> = {
  [K in keyof T & string]: T[K] extends Words ? `${K}.${Key<T[K]>}` : K
}[keyof T & string]

export type Translate<T extends Words> = (key: Key<T>, values?: Record<string, string | number>) => string

const STORED = 'maitong.language'

function stored(): Language {
  return localStorage.getItem(STORED) === 'en' ? 'en' : 'zh-CN'
}

export const i18n = createI18n({
  legacy: false,
  locale: stored(),
  fallbackLocale: 'zh-CN',
  messages: { 'zh-CN': { shared: zh }, en: { shared: en } },
})

/** Add a screen's words under `name`; returns its typed, reactive translate function. */
export function addWords<T extends Words>(name: string, zh: T, en: Translated<T>): Translate<T> {
  i18n.global.mergeLocaleMessage('zh-CN', { [name]: zh })
  i18n.global.mergeLocaleMessage('en', { [name]: en })
  return (key, values) => i18n.global.t(`${name}.${key}`, values ?? {})
}

export const shared: Translate<typeof zh> = (key, values) => i18n.global.t(`shared.${key}`, values ?? {})

/** The language now in force; reactive when read in a template or computed. */
export function language(): Language {
  return i18n.global.locale.value as Language
}

const listeners = new Set<(language: Language) => void>()

/** Called with the new language after each switch by the user. */
export function onLanguage(listener: (language: Language) => void): void {
  listeners.add(listener)
}

export function setLanguage(next: Language): void {
  i18n.global.locale.value = next
  localStorage.setItem(STORED, next)
  document.documentElement.lang = next
  for (const listener of listeners) listener(next)
}

/** The text for the language in force of a row that carries both. */
export function either(row: { zh: string; en: string }): string {
  return language() === 'en' ? row.en : row.zh
}
