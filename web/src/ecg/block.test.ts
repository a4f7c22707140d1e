import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { BlockError, MISSING, MONITORING, unpack } from '@/ecg/block'

/** The layout of protocols/live.py, written out again by hand so that the two can disagree. */
function packed(leads: number[], rows: number[][], { rate = 500, uv = 1, first = 0n, flags = 0 } = {}): ArrayBuffer {
  const start = Math.ceil((24 + leads.length) / 4) * 4
  const samples = rows[0]?.length ?? 0
  const data = new ArrayBuffer(start + 2 * leads.length * samples)
  const view = new DataView(data)
  for (const [i, c] of [...'MTB1'].entries()) view.setUint8(i, c.charCodeAt(0))
  view.setUint8(4, flags)
  view.setUint8(5, leads.length)
  view.setUint16(6, rate, true)
  view.setFloat32(8, uv, true)
  view.setBigUint64(12, first, true)
  view.setUint32(20, samples, true)
  leads.forEach((lead, i) => view.setUint8(24 + i, lead))
  rows.forEach((row, r) => row.forEach((v, i) => view.setInt16(start + 2 * (r * samples + i), v, true)))
  return data
}

describe('unpack', () => {
  it('reads every field', () => {
    const block = unpack(
      packed([1, 6, 11], [[1, -2], [MISSING, 32767], [-32767, 0]], { rate: 1000, uv: 2.5, first: 9_000_000_000n, flags: MONITORING }),
    )
    expect(block.leads).toEqual(['II', 'V1', 'V6'])
    expect(block.counts.map((row) => [...row])).toEqual([[1, -2], [MISSING, 32767], [-32767, 0]])
    expect([block.rateHz, block.uvPerCount, block.firstSample, block.samples, block.flags]).toEqual([
      1000, 2.5, 9_000_000_000, 2, MONITORING,
    ])
  })

  it('refuses what is no block, whatever is cut or changed', () => {
    const good = packed([0, 1], [[1, 2, 3], [4, 5, 6]])
    for (let length = 0; length < good.byteLength; length++)
      expect(() => unpack(good.slice(0, length))).toThrow(BlockError)
    const wrong: [number, number][] = [[0, 0x58], [5, 0], [24, 12], [6, 0]]
    for (const [at, value] of wrong) {
      const bytes = new Uint8Array(good.slice(0))
      bytes[at] = value
      if (at === 6) bytes[7] = 0
      expect(() => unpack(bytes.buffer)).toThrow(BlockError)
    }
  })

  it('never throws anything but BlockError on random bytes', () => {
    let seed = 7
    const random = (): number => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648
    for (let n = 0; n < 2000; n++) {
      const bytes = new Uint8Array(Math.floor(random() * 80)).map(() => Math.floor(random() * 256))
      if (n % 2 && bytes.length > 4) bytes.set([0x4d, 0x54, 0x42, 0x31])
      try {
        unpack(bytes.buffer)
      } catch (error) {
        expect(error).toBeInstanceOf(BlockError)
      }
    }
  })

  const root = resolve(import.meta.dirname, '../../..')
  const python = resolve(root, '.venv/bin/python')
  it.skipIf(!existsSync(python))('agrees with protocols.live, byte for byte', () => {
    const script = [
      'import sys, numpy as np',
      'from protocols.live import Block, pack',
      'counts = (np.arange(12 * 40, dtype=np.int64).reshape(12, 40) * 137 % 60000 - 30000).astype(np.int16)',
      'counts[3, 5] = -32768',
      'from protocols.live import LEADS',
      'sys.stdout.buffer.write(pack(Block(LEADS, 500, 0.5, 123456, counts, 1)))',
    ].join('\n')
    const bytes = execFileSync(python, ['-c', script], { cwd: root })
    const block = unpack(new Uint8Array(bytes).buffer)
    expect([block.rateHz, block.uvPerCount, block.firstSample, block.flags]).toEqual([500, 0.5, 123456, 1])
    for (let lead = 0; lead < 12; lead++)
      for (let i = 0; i < 40; i++)
        expect(block.counts[lead][i]).toBe(lead === 3 && i === 5 ? MISSING : (((lead * 40 + i) * 137) % 60000) - 30000)
  })
})
