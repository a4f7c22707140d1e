import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const SOURCE = join(import.meta.dirname, '..')
const TELEPORTS = /El(Select|Dropdown|Popover|Popconfirm|Tooltip|Dialog|Drawer|Message|MessageBox|Notification)\b/

function files(folder: string): string[] {
  return readdirSync(join(SOURCE, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(SOURCE, folder, name))
    .filter((name) => /\.(vue|ts|css)$/.test(name) && !name.endsWith('.test.ts'))
}

function breaking(names: string[], pattern: RegExp): string[] {
  return names.filter((name) => pattern.test(readFileSync(name, 'utf8'))).map((name) => relative(SOURCE, name))
}

describe('the rules of the house', () => {
  it('has nothing that lies over a trace in the reader and at the station', () => {
    expect(breaking([...files('reading'), ...files('station'), ...files('ecg')], TELEPORTS)).toEqual([])
  })

  it('has no style attribute: the content security policy refuses it', () => {
    expect(breaking(files('.').filter((name) => name.endsWith('.vue')), /<[^>]*\sstyle="/)).toEqual([])
  })

  it('has no literal colour outside tokens.css', () => {
    const others = files('.').filter((name) => !name.endsWith('tokens.css'))
    expect(breaking(others, /(?<![&\w])#[0-9a-f]{3,8}\b(?!\/)|\brgba?\(|\bhsla?\(/i)).toEqual([])
  })

  it('has English in every English word but the name of the other language', () => {
    const tables = files('.').filter((name) => /[wW]ords\.ts$/.test(name))
    const chinese = tables.flatMap((name) => {
      const [, english = ''] = readFileSync(name, 'utf8').split(/^(?:export )?const en\b/m)
      expect(english, `${name} has an English table`).not.toBe('')
      return english.split('\n').filter((line) => /\p{Script=Han}/u.test(line))
    })
    expect(chinese.map((line) => line.trim())).toEqual(["language: '中文',"])
  })

  it('fetches nothing from outside the county', () => {
    expect(breaking(files('.'), /https?:\/\/(?!www\.w3\.org)/)).toEqual([])
  })
})
