// Units run in Node, where nothing remembers the chosen language. Whatever a person sees is tested in a real
// browser (tests/e2e).
import { vi } from 'vitest'

vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => undefined })
