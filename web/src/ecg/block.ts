/**
 * Reads the live block of protocols/live.py: a moment of live signal, or a whole stored trace.
 * It is a picture, never the record.
 */
export const LEADS = ['I', 'II', 'III', 'aVR', 'aVL', 'aVF', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6'] as const
export type Lead = (typeof LEADS)[number]

/** No data at this sample: a gap with its duration, never a line. */
export const MISSING = -32768
/** The clip rails: what did not fit stays here. */
export const RAIL = 32767
/** Flag: a one-way filter is on; ST may not be read (监护模式，不判 ST). */
export const MONITORING = 1

const HEAD_BYTES = 24
const MAGIC = 0x3142544d // "MTB1", little endian

/** The bytes are no live block. */
export class BlockError extends Error {}

export interface Block {
  leads: Lead[]
  rateHz: number
  uvPerCount: number
  /** Running number of the first sample; a jump is a gap. */
  firstSample: number
  samples: number
  /** One row per lead, MISSING where there is no data. */
  counts: Int16Array[]
  flags: number
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

function rowOf(data: ArrayBuffer, start: number, samples: number): Int16Array {
  if (LITTLE_ENDIAN && start % 2 === 0) return new Int16Array(data, start, samples)
  const view = new DataView(data)
  return Int16Array.from({ length: samples }, (_, i) => view.getInt16(start + 2 * i, true))
}

/** Bytes → block. Throws BlockError. */
export function unpack(data: ArrayBuffer): Block {
  if (data.byteLength < HEAD_BYTES) throw new BlockError('shorter than its head')
  const view = new DataView(data)
  if (view.getUint32(0, true) !== MAGIC) throw new BlockError('wrong magic')
  const flags = view.getUint8(4)
  const nLeads = view.getUint8(5)
  const rateHz = view.getUint16(6, true)
  const uvPerCount = view.getFloat32(8, true)
  const firstSample = Number(view.getBigUint64(12, true))
  const samples = view.getUint32(20, true)
  const ids = HEAD_BYTES
  const start = Math.ceil((ids + nLeads) / 4) * 4
  if (data.byteLength !== start + 2 * nLeads * samples) throw new BlockError('length and head disagree')
  if (nLeads === 0 || rateHz === 0) throw new BlockError('no leads or no rate')
  if (!(uvPerCount > 0) || !Number.isFinite(uvPerCount)) throw new BlockError('no scale')
  const leads: Lead[] = []
  const counts: Int16Array[] = []
  for (let row = 0; row < nLeads; row++) {
    const lead = LEADS[view.getUint8(ids + row)]
    if (lead === undefined) throw new BlockError('unknown lead')
    leads.push(lead)
    counts.push(rowOf(data, start + 2 * row * samples, samples))
  }
  return { leads, rateHz, uvPerCount, firstSample, samples, counts, flags }
}
