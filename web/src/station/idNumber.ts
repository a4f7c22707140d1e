/**
 * Resident identity number (GB 11643-1999), checked while it is typed.
 * The same rules as `protocols/patient.py`; the station repeats the check before it stores anything.
 */

// §4.2.2, ISO 7064 MOD 11-2: weight of each of the first 17 digits, check character of each remainder.
const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
const CHECK_CHARACTERS = '10X98765432'

export type IdProblem = 'digits' | 'birth_date' | 'check_digit'

export type IdCheck =
  | { state: 'empty' }
  | { state: 'short'; missing: number }
  | { state: 'wrong'; problem: IdProblem }
  | { state: 'good'; number: string; birthDate: string; sex: 'male' | 'female' }

/** What a reader, a paste or a keypad may add: spaces and dashes go, x becomes X, no more than 18. */
export function tidyIdNumber(text: string): string {
  return text
    .replace(/[\s-]/g, '')
    .toUpperCase()
    .slice(0, 18)
}

function isDay(year: number, month: number, day: number): boolean {
  if (year < 1 || month < 1 || month > 12 || day < 1) return false
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  return day <= (days[month - 1] ?? 0)
}

/** Judge what has been typed so far. A problem is told at the first character that proves it. */
export function checkIdNumber(text: string): IdCheck {
  const number = tidyIdNumber(text)
  if (number === '') return { state: 'empty' }
  if (!/^[0-9]{0,17}$/.test(number) && !/^[0-9]{17}[0-9X]$/.test(number)) {
    return { state: 'wrong', problem: 'digits' }
  }
  if (number.length >= 14) {
    const year = Number(number.slice(6, 10))
    const month = Number(number.slice(10, 12))
    const day = Number(number.slice(12, 14))
    if (!isDay(year, month, day)) return { state: 'wrong', problem: 'birth_date' }
  }
  if (number.length < 18) return { state: 'short', missing: 18 - number.length }
  const sum = WEIGHTS.reduce((total, weight, i) => total + weight * Number(number[i]), 0)
  if (number[17] !== CHECK_CHARACTERS[sum % 11]) return { state: 'wrong', problem: 'check_digit' }
  return {
    state: 'good',
    number,
    birthDate: `${number.slice(6, 10)}-${number.slice(10, 12)}-${number.slice(12, 14)}`,
    sex: Number(number[16]) % 2 === 1 ? 'male' : 'female',
  }
}

/** Digits as typed → YYYY-MM-DD as far as it goes. */
export function tidyDate(text: string): string {
  const digits = text.replace(/\D/g, '').slice(0, 8)
  return [digits.slice(0, 4), digits.slice(4, 6), digits.slice(6)].filter((part) => part !== '').join('-')
}

/** Up to three digits, no more than 130. */
export function tidyAge(text: string): string {
  const digits = text.replace(/\D/g, '').slice(0, 3)
  return digits !== '' && Number(digits) > 130 ? digits.slice(0, 2) : digits
}

/** Whether YYYY-MM-DD names a day that exists and is not after `today` (same form). */
export function isBirthDate(text: string, today: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  if (!match) return false
  return Number(match[1]) >= 1880 && isDay(Number(match[1]), Number(match[2]), Number(match[3])) && text <= today
}
