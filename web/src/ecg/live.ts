/**
 * The live sweep: fixed paper, an erase gap of 10 mm and a cursor travelling over it, two columns of
 * six leads. A gap in the data is a blank with its duration; a lead that is off is a hatched row with
 * no line. The render clock runs a little behind arrival so that jitter on the way is not seen.
 */
import { type Block, type Lead, MISSING, MONITORING } from '@/ecg/block'
import { drawGrid, drawHatch, type Ink, inkOf, traceWidth } from '@/ecg/ink'
import { LEAST_PX_PER_MM } from '@/ecg/paper'

const COLUMNS: Lead[][] = [
  ['I', 'II', 'III', 'aVR', 'aVL', 'aVF'],
  ['V1', 'V2', 'V3', 'V4', 'V5', 'V6'],
]
const ROWS = 6
const MIN_ROW_MM = 28
const MIN_COLUMN_MM = 104
const SIDE_MM = 2
const ERASE_MM = 10
const BASELINE = 0.54
/** How far the picture runs behind what has arrived. */
const DELAY_S = 0.4
/** Nothing for this long: the old trace is wiped, for it is not now. */
const STALL_S = 1.5
const CAPACITY_S = 16

export interface LiveWords {
  missing: (seconds: string) => string
  leadOff: (lead: string) => string
}

interface LiveCell {
  lead: Lead
  x: number
  y: number
  w: number
  h: number
  zero: number
}

interface Gap {
  lead: Lead
  from: number
  to: number
}

export class LiveSweep {
  /** Called when the one-way filter comes on or goes off: 监护模式，不判 ST. */
  onMonitoring: (on: boolean) => void = () => undefined
  /** Called when the signal stops (true) and when it comes back (false). */
  onStall: (stalled: boolean) => void = () => undefined

  private readonly g: CanvasRenderingContext2D
  private readonly ground = document.createElement('canvas')
  private ink: Ink
  private cells: LiveCell[] = []
  private off: ReadonlySet<string> = new Set()
  private rings = new Map<Lead, Float32Array>()
  private rateHz = 0
  private capacity = 0
  /** Next sample to arrive, and the sample the cursor stands at (a fraction between two). */
  private received = 0
  private head = 0
  private base = 0
  private pxPerMm = 0
  private dpr = 1
  private windowS = 0
  private frame = 0
  private lastFrame = 0
  private lastData = 0
  private stalled = true
  private monitoring = false
  private gaps: Gap[] = []
  private readonly frameTimes: number[] = []

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private words: LiveWords,
    private readonly speed = 25,
    private readonly gain = 10,
  ) {
    const g = canvas.getContext('2d')
    if (!g) throw new Error('no 2d canvas')
    this.g = g
    this.ink = inkOf(canvas)
  }

  /** Fit to a frame of CSS px; also call when the language or the device pixel ratio has changed. */
  resize(cssWidth: number, cssHeight: number, words: LiveWords = this.words): void {
    this.words = words
    this.ink = inkOf(this.canvas)
    this.dpr = window.devicePixelRatio || 1
    const width = Math.round(cssWidth * this.dpr)
    const height = Math.round(cssHeight * this.dpr)
    if (!width || !height) return
    for (const canvas of [this.canvas, this.ground]) {
      canvas.width = width
      canvas.height = height
    }
    this.canvas.style.width = `${width / this.dpr}px`
    this.canvas.style.height = `${height / this.dpr}px`
    const fits = Math.min(width / (2 * MIN_COLUMN_MM), height / (ROWS * MIN_ROW_MM))
    this.pxPerMm = Math.max(Math.floor(fits * 5) / 5, Math.ceil(LEAST_PX_PER_MM * this.dpr * 5) / 5)
    const side = SIDE_MM * this.pxPerMm
    const w = width / 2
    const h = height / ROWS
    this.windowS = (w - 2 * side) / this.pxPerMm / this.speed
    this.cells = COLUMNS.flatMap((leads, column) =>
      leads.map((lead, row) => ({
        lead,
        x: column * w + side,
        y: Math.round(row * h),
        w: w - 2 * side,
        h: Math.round(h),
        zero: Math.round((row + BASELINE) * h),
      })),
    )
    this.repaint()
  }

  /** Take what has just arrived, whatever its leads; a jump in sample numbers becomes a gap. */
  feed(block: Block): void {
    const now = performance.now()
    this.lastData = now
    const end = block.firstSample + block.samples
    if (block.rateHz !== this.rateHz || block.firstSample < this.received || this.stalled) this.restart(block)
    if (block.firstSample > this.received) this.blank(this.received, block.firstSample)
    block.leads.forEach((lead, row) => {
      const ring = this.rings.get(lead) ?? new Float32Array(this.capacity).fill(Number.NaN)
      this.rings.set(lead, ring)
      const counts = block.counts[row]
      for (let i = 0; i < block.samples; i++) {
        const count = counts[i]
        ring[(block.firstSample + i) % this.capacity] = count === MISSING ? Number.NaN : count * block.uvPerCount
      }
    })
    this.received = end
    const monitoring = (block.flags & MONITORING) !== 0
    if (monitoring !== this.monitoring) {
      this.monitoring = monitoring
      this.onMonitoring(monitoring)
    }
  }

  /** Leads whose electrode is off now: hatched at once, with no line until they are back. */
  setOff(off: ReadonlySet<string>): void {
    const changed = this.cells.filter((cell) => off.has(cell.lead) !== this.off.has(cell.lead))
    this.off = new Set(off)
    if (changed.length) this.repaint()
  }

  start(): void {
    this.lastFrame = performance.now()
    this.frame ||= requestAnimationFrame(this.tick)
  }

  stop(): void {
    cancelAnimationFrame(this.frame)
    this.frame = 0
    Reflect.deleteProperty(window, '__ecg')
  }

  private restart(block: Block): void {
    this.rateHz = block.rateHz
    this.capacity = CAPACITY_S * block.rateHz
    this.rings = new Map()
    this.received = block.firstSample
    this.base = block.firstSample
    this.head = block.firstSample
    this.gaps = []
    if (this.stalled) this.onStall(false)
    this.stalled = false
    this.repaint()
  }

  private blank(from: number, to: number): void {
    const start = Math.max(from, to - this.capacity)
    for (const ring of this.rings.values()) for (let i = start; i < to; i++) ring[i % this.capacity] = Number.NaN
  }

  private readonly tick = (now: number): void => {
    const started = performance.now()
    const dt = Math.min(0.25, Math.max(0, (now - this.lastFrame) / 1000))
    this.lastFrame = now
    if (!this.stalled && now - this.lastData > STALL_S * 1000) {
      this.stalled = true
      this.repaint()
      this.onStall(true)
    }
    if (!this.stalled && this.rateHz && this.cells.length) this.advance(dt)
    this.frameTimes.push(performance.now() - started)
    if (this.frameTimes.length > 240) this.frameTimes.shift()
    this.publish()
    this.frame = requestAnimationFrame(this.tick)
  }

  private advance(dt: number): void {
    const before = this.head
    const lag = (this.received - this.head) / this.rateHz
    if (lag > DELAY_S * 4) this.head = this.received - DELAY_S * this.rateHz
    else {
      // Hold the delay by running a few percent faster or slower, never in steps.
      const pace = 1 + Math.max(-0.2, Math.min(0.2, (lag - DELAY_S) * 0.5))
      this.head = Math.min(this.received, this.head + dt * this.rateHz * pace)
    }
    if (this.head > before) for (const column of this.columns()) this.sweep(column, before, this.head)
  }

  private xOf(cell: LiveCell, sample: number): number {
    const seconds = ((sample - this.base) / this.rateHz) % this.windowS
    return cell.x + seconds * this.speed * this.pxPerMm
  }

  private columns(): LiveCell[][] {
    return COLUMNS.map((leads) => this.cells.filter((cell) => leads.includes(cell.lead)))
  }

  /** Erase ahead of the cursor over the whole column, then draw: a tall wave may reach into other rows. */
  private sweep(column: LiveCell[], from: number, to: number): void {
    const [cell] = column
    const perSample = (this.speed * this.pxPerMm) / this.rateHz
    const cursor = 2 * this.dpr
    const x0 = this.xOf(cell, from) - cursor
    const length = (to - from) * perSample + cursor + ERASE_MM * this.pxPerMm
    const right = cell.x + cell.w
    this.restore(x0, Math.min(length, right - x0))
    if (x0 + length > right) this.restore(cell.x, x0 + length - right)
    const live = column.filter((each) => !this.off.has(each.lead))
    // Start a little earlier, for the strip just erased held the cursor and the end of the line; but draw
    // only inside that strip: ink over ink would darken the trace.
    const wrapped = this.xOf(cell, to) < x0
    this.g.save()
    this.g.beginPath()
    this.g.rect(Math.floor(x0), 0, Math.ceil(length), this.ground.height)
    if (wrapped) this.g.rect(0, 0, Math.ceil(x0 + length - right + cell.x), this.ground.height)
    this.g.clip()
    for (const each of live) this.stroke(each, Math.max(this.base, from - (4 * cursor) / perSample), to)
    this.g.restore()
    for (const each of live) {
      this.markGaps(each, from, to)
      this.g.fillStyle = this.ink.cursor
      this.g.fillRect(this.xOf(each, to), each.y + each.h * 0.12, cursor, each.h * 0.76)
    }
  }

  private stroke(cell: LiveCell, from: number, to: number): void {
    const ring = this.rings.get(cell.lead)
    if (!ring) return
    const g = this.g
    g.strokeStyle = this.ink.trace
    g.lineWidth = traceWidth(this.pxPerMm, this.dpr)
    g.lineJoin = 'round'
    g.lineCap = 'round'
    g.beginPath()
    let pen = false
    let last = Number.NEGATIVE_INFINITY
    for (let i = Math.max(0, Math.ceil(from)); i < to; i++) {
      const uv = ring[i % this.capacity]
      const x = this.xOf(cell, i)
      if (Number.isNaN(uv)) pen = false
      else {
        const y = cell.zero - (uv / 1000) * this.gain * this.pxPerMm
        if (pen && x >= last) g.lineTo(x, y)
        else g.moveTo(x, y)
        pen = true
      }
      last = x
    }
    g.stroke()
  }

  /** Where missing data ends, write how long it was. */
  private markGaps(cell: LiveCell, from: number, to: number): void {
    const ring = this.rings.get(cell.lead)
    if (!ring) return
    const open = this.gaps.find((gap) => gap.lead === cell.lead)
    for (let i = Math.ceil(from); i < to; i++) {
      const missing = Number.isNaN(ring[i % this.capacity])
      const gap = this.gaps.find((each) => each.lead === cell.lead)
      if (missing && gap) gap.to = i + 1
      else if (missing) this.gaps.push({ lead: cell.lead, from: i, to: i + 1 })
      else if (gap) {
        this.gaps = this.gaps.filter((each) => each !== gap)
        this.writeGap(cell, gap)
      }
    }
    // A gap longer than the window has wiped the row; its length is written when it ends.
    if (open && (open.to - open.from) / this.rateHz > 3600) this.gaps = this.gaps.filter((gap) => gap !== open)
  }

  private writeGap(cell: LiveCell, gap: Gap): void {
    const seconds = (gap.to - gap.from) / this.rateHz
    this.g.font = `${12 * this.dpr}px ${this.ink.font}`
    this.g.fillStyle = this.ink.caption
    this.g.textAlign = 'right'
    const text = this.words.missing(seconds < 0.1 ? seconds.toFixed(3) : seconds.toFixed(1))
    const x = Math.max(this.xOf(cell, gap.to - 1), cell.x + this.g.measureText(text).width)
    this.g.fillText(text, x, cell.y + cell.h - 4 * this.dpr)
    this.g.textAlign = 'left'
  }

  /** Grid, labels and hatches: everything that stands still. */
  private paintGround(): void {
    const g = this.ground.getContext('2d')
    if (!g) return
    drawGrid(g, this.ink, this.pxPerMm, this.dpr, this.ground.width, this.ground.height)
    g.textAlign = 'left'
    for (const cell of this.cells) {
      const off = this.off.has(cell.lead)
      const half = 3 * this.pxPerMm
      if (off) {
        g.fillStyle = this.ink.qualTint
        g.fillRect(cell.x, cell.zero - half, cell.w, 2 * half)
        drawHatch(g, this.ink.qual, cell.x, cell.zero - half, cell.w, 2 * half, this.dpr)
      }
      g.font = `600 ${15 * this.dpr}px ${this.ink.font}`
      g.fillStyle = off ? this.ink.qual : this.ink.text
      g.fillText(off ? this.words.leadOff(cell.lead) : cell.lead, cell.x + this.pxPerMm, cell.zero - 9.6 * this.pxPerMm)
    }
  }

  private restore(x: number, w: number): void {
    const left = Math.max(0, Math.floor(x))
    const width = Math.min(this.ground.width, Math.ceil(x + w)) - left
    const height = this.ground.height
    if (width > 0) this.g.drawImage(this.ground, left, 0, width, height, left, 0, width, height)
  }

  /** Everything again from the ring: after a resize, a restart, a stall. */
  private repaint(): void {
    if (!this.cells.length) return
    this.paintGround()
    this.g.drawImage(this.ground, 0, 0)
    if (this.stalled || !this.rateHz) return
    const kept = (this.windowS - ERASE_MM / this.speed) * this.rateHz
    const from = Math.max(this.base, this.head - kept)
    this.gaps = []
    for (const cell of this.cells) {
      if (this.off.has(cell.lead)) continue
      this.stroke(cell, from, this.head)
      this.markGaps(cell, from, this.head)
    }
  }

  private publish(): void {
    const view = {
      live: true,
      pxPerMm: this.pxPerMm,
      dpr: this.dpr,
      speed: this.speed,
      gain: this.gain,
      rateHz: this.rateHz,
      windowSeconds: this.windowS,
      receivedSample: this.received,
      headSample: this.head,
      stalled: this.stalled,
      monitoring: this.monitoring,
      off: [...this.off],
      frameTimes: this.frameTimes,
      cells: this.cells,
    }
    Object.defineProperty(window, '__ecg', { value: Object.freeze(view), configurable: true })
  }
}
