/** Finding a statement by pinyin initials, code, characters or English words. Pure. */
import type { StatementRow } from '@/reading/types'

const MOST = 6

/** 0 is best; null does not match. */
function rank(row: StatementRow, query: string): number | null {
  const pinyin = row.pinyin.toLowerCase()
  const code = row.code.toLowerCase()
  if (pinyin === query || code === query || row.zh === query) return 0
  if (pinyin.startsWith(query)) return 1
  if (row.zh.startsWith(query)) return 1
  if (row.zh.includes(query)) return 2
  if (code.startsWith(query) || (row.aha !== '' && row.aha === query)) return 3
  const words = row.en.toLowerCase()
  if (words.startsWith(query)) return 3
  if (words.split(/[^a-z0-9]+/).some((word) => word.startsWith(query))) return 4
  if (code.split(/[_.-]/).some((word) => word.startsWith(query))) return 5
  if (query.length > 1 && pinyin.includes(query)) return 6
  if (query.length > 2 && words.includes(query)) return 7
  return null
}

/** At most six rows, best first; shorter names before longer, else the order of the table. */
export function searchStatements(rows: readonly StatementRow[], typed: string): StatementRow[] {
  const query = typed.normalize('NFKC').trim().toLowerCase()
  if (!query) return []
  return rows
    .map((row, place) => ({ row, place, rank: rank(row, query) }))
    .filter((found): found is { row: StatementRow; place: number; rank: number } => found.rank !== null)
    .sort((a, b) => a.rank - b.rank || a.row.zh.length - b.row.zh.length || a.place - b.place)
    .slice(0, MOST)
    .map((found) => found.row)
}
