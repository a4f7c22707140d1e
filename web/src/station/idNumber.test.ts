import { describe, expect, it } from 'vitest'
import { checkIdNumber, isBirthDate, tidyAge, tidyDate, tidyIdNumber } from './idNumber'

describe('checkIdNumber', () => {
  it('accepts the two examples of the standard', () => {
    expect(checkIdNumber('11010519491231002X')).toEqual({
      state: 'good',
      number: '11010519491231002X',
      birthDate: '1949-12-31',
      sex: 'female',
    })
    expect(checkIdNumber('440524188001010014')).toMatchObject({ state: 'good', birthDate: '1880-01-01', sex: 'male' })
  })

  it('takes a small x and spaces', () => {
    expect(checkIdNumber('110105 19491231 002x')).toMatchObject({ state: 'good', number: '11010519491231002X' })
  })

  it('names the 18th place for every other check character', () => {
    for (const last of '0123456789') {
      expect(checkIdNumber('11010519491231002' + last)).toEqual({ state: 'wrong', problem: 'check_digit' })
    }
  })

  it('finds every single wrong digit', () => {
    const good = '440524188001010014'
    for (let i = 0; i < 17; i++) {
      for (const digit of '0123456789') {
        if (digit === good[i]) continue
        const typed = good.slice(0, i) + digit + good.slice(i + 1)
        expect(checkIdNumber(typed).state, typed).toBe('wrong')
      }
    }
  })

  it('counts what is missing while typing', () => {
    expect(checkIdNumber('')).toEqual({ state: 'empty' })
    expect(checkIdNumber('110105')).toEqual({ state: 'short', missing: 12 })
    expect(checkIdNumber('11010519491231002')).toEqual({ state: 'short', missing: 1 })
  })

  it('says at once that a day does not exist or a letter is none of ours', () => {
    expect(checkIdNumber('11010519490230')).toEqual({ state: 'wrong', problem: 'birth_date' })
    expect(checkIdNumber('11010519001332')).toEqual({ state: 'wrong', problem: 'birth_date' })
    expect(checkIdNumber('1101051949X')).toEqual({ state: 'wrong', problem: 'digits' })
    expect(checkIdNumber('张三')).toEqual({ state: 'wrong', problem: 'digits' })
  })
})

describe('writing numbers and days', () => {
  it('tidies', () => {
    expect(tidyIdNumber('110105-19491231-002X-9')).toBe('11010519491231002X')
    expect(tidyDate('19680312')).toBe('1968-03-12')
    expect(tidyDate('1968-03-12')).toBe('1968-03-12')
    expect(tidyAge('58 岁')).toBe('58')
    expect(tidyAge('580')).toBe('58')
    expect(tidyDate('196803')).toBe('1968-03')
  })

  it('knows days that are none', () => {
    expect(isBirthDate('2024-02-29', '2026-11-22')).toBe(true)
    expect(isBirthDate('2023-02-29', '2026-11-22')).toBe(false)
    expect(isBirthDate('2026-11-23', '2026-11-22')).toBe(false)
  })
})
