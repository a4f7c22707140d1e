/** Alarm pulses. Browsers keep silent until a gesture, so the log-in button calls `startSound`. */
import { ref } from 'vue'

export const soundOn = ref(false)

let context: AudioContext | null = null

function pulse(at: number, hertz: number): void {
  if (!context) return
  const tone = context.createOscillator()
  const loudness = context.createGain()
  tone.frequency.value = hertz
  loudness.gain.setValueAtTime(0, at)
  loudness.gain.linearRampToValueAtTime(0.2, at + 0.015)
  loudness.gain.setValueAtTime(0.2, at + 0.13)
  loudness.gain.linearRampToValueAtTime(0, at + 0.15)
  tone.connect(loudness).connect(context.destination)
  tone.start(at)
  tone.stop(at + 0.16)
}

/** To be called from a click or key press; plays one test pulse. */
export async function startSound(): Promise<void> {
  try {
    context ??= new AudioContext()
    await context.resume()
  } catch {
    context = null // no audio device: the strip in words says that sound is off
  }
  soundOn.value = context?.state === 'running'
  if (context && soundOn.value) pulse(context.currentTime + 0.05, 660)
}

/** Level 0: 3 + 2 pulses, twice; level 1: 3 pulses. */
export function ring(level: 0 | 1): void {
  if (!context || context.state !== 'running') return
  const offsets = level === 0 ? [0, 0.25, 0.5, 0.95, 1.2, 2.2, 2.45, 2.7, 3.15, 3.4] : [0, 0.4, 0.8]
  for (const offset of offsets) pulse(context.currentTime + 0.05 + offset, level === 0 ? 880 : 660)
}
