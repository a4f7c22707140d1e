/** The machine statement under the pointer or the focus: its leads and samples are lit on the paper. */
import { shallowRef } from 'vue'
import type { Mark } from '@/ecg/mark'
import type { MachineStatement } from '@/shared/findings'

export const lit = shallowRef<Mark | null>(null)

export function light(said: MachineStatement): void {
  const leads = said.leads ?? []
  const range = said.start != null && said.end != null && said.end > said.start
  if (!leads.length && !range) lit.value = null
  else lit.value = { leads, samples: range ? [said.start as number, said.end as number] : null }
}

export function unlight(): void {
  lit.value = null
}
