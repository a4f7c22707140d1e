/** What the hub says to the console. No patient data in any of it. Times are ns since 1970. */

export interface BoxState {
  name: string
  state: string
  detail: string
  serial: string
  battery_percent: number | null
  bad_frames: number
}

export interface StationItem {
  id: string
  name: string
  organisation: { id: string; name: string; name_en: string; kind: string; travel_minutes: number }
  online: boolean
  last_seen_ns: number | null
  /** As last known. */
  waiting: number
  oldest_ns: number | null
  rejected: number
  /** Saved there when it spoke last, and not here; null: it does not say. */
  missing: number | null
  missing_oldest_ns: number | null
  said_ns: number | null
  boxes: BoxState[]
  version: string
}

export interface StationList {
  now_ns: number
  items: StationItem[]
}

export interface QuarantineItem {
  id: number
  station_id: string | null
  topic: string
  type: string
  code: string
  reason: string
  size: number
  received_ns: number
}

export interface QuarantineList {
  now_ns: number
  total: number
  items: QuarantineItem[]
}

export const ROLES = ['village_doctor', 'ecg_reader', 'network_ops', 'sys_admin'] as const
export type Role = (typeof ROLES)[number]

export interface UserItem {
  id: string
  username: string
  name: string
  role: Role
  organisation_id: string | null
  enabled: boolean
  language: string
  created_ns: number
  last_login_ns: number | null
}

export interface UserList {
  items: UserItem[]
}
