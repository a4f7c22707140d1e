"""The rows of one outbox file: its tables, and what is asked and done inside a transaction.

Every function takes a connection and knows nothing of threads, keys or other files. The body lies sealed in
a table of its own, so that marking a row does not write its body again.
"""

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any, Literal

from protocols import envelope, parts
from protocols.envelope import Stamp
from protocols.messages import LANES, Lane, Numbers, ReceiptItem

MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE identity (epoch BLOB NOT NULL);
    INSERT INTO identity VALUES (randomblob(8));
    CREATE TABLE message (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        mid BLOB NOT NULL UNIQUE,
        ref TEXT NOT NULL UNIQUE,
        lane INTEGER NOT NULL,       -- place in LANES: 0 is the most pressing
        type TEXT NOT NULL,
        state TEXT NOT NULL,         -- waiting, rejected, conflict
        size INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        wall_ns INTEGER NOT NULL,
        quality TEXT NOT NULL,
        boot TEXT NOT NULL,
        mono_ns INTEGER NOT NULL,
        part_bytes INTEGER,          -- fixed when first sent
        parts_held TEXT NOT NULL DEFAULT '[]',
        attempts INTEGER NOT NULL DEFAULT 0,
        code TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX message_due ON message (state, lane, seq, wall_ns);
    CREATE TABLE body (seq INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE, sealed BLOB NOT NULL);
    CREATE TABLE received (
        ref TEXT PRIMARY KEY,
        mid BLOB NOT NULL UNIQUE,
        seq INTEGER NOT NULL,
        type TEXT NOT NULL,
        lane INTEGER NOT NULL,
        size INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        wall_ns INTEGER NOT NULL,
        received_ns INTEGER NOT NULL,
        attempts INTEGER NOT NULL
    ) WITHOUT ROWID;
    """,
)

KEEP_LEAST_DAYS = 90
"""A fact is kept at least so long, whatever the settings say: a station may be offline for a season."""
_DAY_NS = 86_400 * 10**9

RowState = Literal["saved", "received", "rejected", "conflict"]
"""saved: P1, owed. received: P2, committed by the hub. rejected, conflict: kept until a person decides."""

SQL_DUE = (
    "SELECT {columns} FROM message WHERE state = 'waiting' AND lane = ? AND seq > ? ORDER BY seq LIMIT 1"
)
SQL_BEGUN = (
    "SELECT {columns} FROM message WHERE state = 'waiting' AND part_bytes IS NOT NULL ORDER BY seq LIMIT ?"
)
SQL_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'message'"
SQL_FIRST = "SELECT min(seq) FROM message WHERE state = 'waiting'"
SQL_BY_MID = "SELECT {columns} FROM message WHERE mid = ?"
SQL_BY_REF = "SELECT {columns} FROM message WHERE ref = ?"
SQL_WAITING = "SELECT lane, count(*), min(seq), wall_ns FROM message WHERE state = 'waiting' GROUP BY lane"
SQL_KEPT = "SELECT count(*) FROM message WHERE state IN ('rejected', 'conflict')"

SQL_RECEIVED = (
    "SELECT seq, mid, lane, type, size, sha256, wall_ns, attempts, received_ns FROM received WHERE ref = ?"
)
SQL_NEWEST_RECEIVED = "SELECT max(received_ns) FROM received"
SQL_THIN = "DELETE FROM received WHERE received_ns < ?"
SQL_BODY = "SELECT sealed FROM message JOIN body USING (seq) WHERE seq = ? AND state = 'waiting'"
COLUMNS = (
    "seq, mid, ref, lane, type, state, size, sha256, wall_ns, quality, boot, mono_ns, part_bytes, "
    "parts_held, attempts, code"
)
STATE_NAMES: dict[str, RowState] = {"waiting": "saved", "rejected": "rejected", "conflict": "conflict"}


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message owed, without its body."""

    seq: int
    """Names the row in this process: its number in outbox.db, or minus its number in urgent.db."""
    mid: bytes
    ref: str
    """Given by who appended: a recording_id, `opened-<report_id>` …; appending it again is a no-op."""
    lane: Lane
    type: str
    state: RowState
    size: int
    """Bytes of the body."""
    sha256: bytes
    stamp: Stamp
    part_bytes: int | None = None
    """How the body is cut; None until it is first sent."""
    parts_held: frozenset[int] = frozenset()
    """Parts the hub says it has."""
    attempts: int = 0
    """How often it was sent whole."""
    code: str = ""
    """Why it was rejected, or is in conflict."""

    @property
    def number(self) -> int:
        """Its sequence number in the file it lies in, as in its envelope."""
        return abs(self.seq)

    @property
    def part_count(self) -> int:
        return parts.count(self.size, self.part_bytes or parts.PART_BYTES)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a message, for the room and the screen."""

    state: RowState
    saved_ns: int
    received_ns: int | None
    attempts: int
    code: str


@dataclass(frozen=True, slots=True)
class LaneWaiting:
    count: int
    oldest_ns: int
    """Wall time of the longest waiting, by the station's clock then."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much is owed."""

    lanes: dict[Lane, LaneWaiting] = field(default_factory=dict)
    """Lanes with nothing waiting are absent."""
    rejected: int = 0
    """Rejected and in conflict."""

    @property
    def total(self) -> int:
        return sum(lane.count for lane in self.lanes.values())

    @property
    def oldest_ns(self) -> int | None:
        return min((lane.oldest_ns for lane in self.lanes.values()), default=None)


def describe(row: OutboxRow) -> dict[str, Any]:
    """A row as the queue sheet and the command line show it; nothing about a patient."""
    return {
        "ref": row.ref,
        "type": row.type,
        "lane": row.lane,
        "size": row.size,
        "created_ns": row.stamp.wall_ns,
        "attempts": row.attempts,
        "state": row.state,
        "last_error": row.code,
    }


def epoch(db: sqlite3.Connection) -> bytes:
    """8 random bytes made with the file."""
    found: bytes = db.execute("SELECT epoch FROM identity").fetchone()[0]
    return found


def last_seq(db: sqlite3.Connection) -> int:
    """Number of the last row ever appended; 0 before the first."""
    last: int = db.execute(SQL_LAST).fetchone()[0]
    return last


def numbers(db: sqlite3.Connection) -> Numbers:
    """Which numbers the file has given out, and from which on something is still owed."""
    last = last_seq(db)
    first: int | None = db.execute(SQL_FIRST).fetchone()[0]
    return Numbers(epoch=epoch(db), first_seq=last + 1 if first is None else first, last_seq=last)


def begun(db: sqlite3.Connection, most: int) -> list[OutboxRow]:
    """Rows owed that were handed out for sending, the oldest first."""
    return [as_row(values) for values in db.execute(SQL_BEGUN.format(columns=COLUMNS), (most,))]


def as_row(values: Sequence[Any]) -> OutboxRow:
    seq, mid, ref, lane, type_name, state, size, sha256 = values[:8]
    wall_ns, quality, boot, mono_ns, part_bytes, parts_held, attempts, code = values[8:]
    stamp = Stamp(wall_ns, quality, boot, mono_ns)
    held = frozenset(json.loads(parts_held))
    return OutboxRow(
        seq, mid, ref, LANES[lane], type_name, STATE_NAMES[state], size, sha256, stamp, part_bytes, held,
        attempts, code,
    )  # fmt: skip


def one(db: sqlite3.Connection, sql: str, *arguments: Any) -> OutboxRow | None:
    """The first row of a query of this module."""
    values = db.execute(sql.format(columns=COLUMNS), arguments).fetchone()
    return None if values is None else as_row(values)


def listed(db: sqlite3.Connection, most: int = -1) -> list[OutboxRow]:
    """What has not been received, the most pressing first; -1: all of it."""
    sql = f"SELECT {COLUMNS} FROM message ORDER BY lane, seq LIMIT ?"  # noqa: S608 - a constant
    return [as_row(values) for values in db.execute(sql, (most,))]


def append(db: sqlite3.Connection, sender: str, new: OutboxRow, sealed: bytes) -> OutboxRow:
    """Keep `new`, whose sequence number and id are given here, with its sealed body."""
    seq = last_seq(db) + 1
    row = replace(new, seq=seq, mid=envelope.message_id(sender, epoch(db), seq))
    db.execute(
        "INSERT INTO message (seq, mid, ref, lane, type, state, size, sha256, wall_ns, quality, boot,"
        " mono_ns) VALUES (?, ?, ?, ?, ?, 'waiting', ?, ?, ?, ?, ?, ?)",
        (seq, row.mid, row.ref, LANES.index(row.lane), row.type, row.size, row.sha256, *astuple(row.stamp)),
    )
    db.execute("INSERT INTO body VALUES (?, ?)", (seq, sealed))
    return row


def due(db: sqlite3.Connection, lanes: Sequence[Lane], held_back: Collection[int]) -> OutboxRow | None:
    """The most pressing waiting row that is not held back: by lane, then the oldest."""
    for lane in lanes:
        after = 0
        while (row := one(db, SQL_DUE, LANES.index(lane), after)) is not None:
            if row.seq not in held_back:
                return row
            after = row.seq
    return None


def frames(
    row: OutboxRow, sender: str, epoch: bytes, body: bytes, have: Collection[int]
) -> list[tuple[int, bytes]]:
    """The parts that are not in `have`, as (k, MQTT payload)."""
    header = envelope.Header(row.type, sender, epoch, row.number, row.stamp, row.sha256)
    size, n = row.part_bytes or parts.PART_BYTES, row.part_count
    return [(k, envelope.encode(header, parts.cut(body, k, size), k, n)) for k in parts.missing(n, have)]


def requeue(db: sqlite3.Connection, refs: Collection[str] | None) -> int:
    """Make rejected rows wait again, from their first part; how many. A damaged one cannot be sent."""
    rejected = [r.ref for r in listed(db) if r.state == "rejected" and r.code != "damaged"]
    again = [ref for ref in rejected if refs is None or ref in refs]
    db.executemany(
        "UPDATE message SET state = 'waiting', code = '', parts_held = '[]' WHERE ref = ?",
        [(ref,) for ref in again],
    )
    return len(again)


def thin(db: sqlite3.Connection, keep_days: int, now_ns: int) -> int:
    """Forget that messages were received more than `keep_days` ago; how many.

    The age is counted from the newest such fact where that is earlier than now: a clock that jumped ahead
    at this start, or a station that was off for a year, forgets nothing. What is rejected or in conflict
    is no such fact and stays.
    """
    newest: int | None = db.execute(SQL_NEWEST_RECEIVED).fetchone()[0]
    if newest is None:
        return 0
    before_ns = min(newest, now_ns) - max(keep_days, KEEP_LEAST_DAYS) * _DAY_NS
    return db.execute(SQL_THIN, (before_ns,)).rowcount


def find(db: sqlite3.Connection, ref: str) -> OutboxRow | None:
    """The row with this ref, owed or received."""
    if (row := one(db, SQL_BY_REF, ref)) is not None:
        return row
    found = db.execute(SQL_RECEIVED, (ref,)).fetchone()
    if found is None:
        return None
    seq, mid, lane, type_name, size, sha256, wall_ns, attempts, _ = found
    stamp = Stamp(wall_ns)
    return OutboxRow(
        seq, mid, ref, LANES[lane], type_name, "received", size, sha256, stamp, attempts=attempts
    )


def fate(db: sqlite3.Connection, ref: str) -> Fate | None:
    """What became of the message with this ref."""
    row = find(db, ref)
    if row is None:
        return None
    received_ns = db.execute(SQL_RECEIVED, (ref,)).fetchone()[-1] if row.state == "received" else None
    return Fate(row.state, row.stamp.wall_ns, received_ns, row.attempts, row.code)


def waiting(db: sqlite3.Connection) -> Waiting:
    """How much of this file is owed."""
    lanes = {LANES[lane]: LaneWaiting(count, wall_ns) for lane, count, _, wall_ns in db.execute(SQL_WAITING)}
    return Waiting(lanes, db.execute(SQL_KEPT).fetchone()[0])


def together(files: Sequence[Waiting]) -> Waiting:
    """How much is owed in several files."""
    lanes: dict[Lane, LaneWaiting] = {}
    for lane, more in (item for file in files for item in file.lanes.items()):
        there = lanes.get(lane, LaneWaiting(0, more.oldest_ns))
        lanes[lane] = LaneWaiting(there.count + more.count, min(there.oldest_ns, more.oldest_ns))
    return Waiting(lanes, sum(file.rejected for file in files))


def fix_parts(db: sqlite3.Connection, row: OutboxRow, part_bytes: int) -> OutboxRow:
    """Fix how the body is cut, for as long as the row is owed."""
    smallest = -(-row.size // envelope.MAX_PARTS)
    size = max(part_bytes, smallest, parts.SMALLEST_PART_BYTES)
    db.execute("UPDATE message SET part_bytes = ? WHERE seq = ?", (size, row.seq))
    fixed = one(db, SQL_BY_MID, row.mid)
    assert fixed is not None
    return fixed


def apply(db: sqlite3.Connection, row: OutboxRow, item: ReceiptItem, received_ns: int) -> None:
    """Do what the hub says about a row."""
    if item.h8 != row.sha256[:8] or item.st == "conflict":
        set_state(db, row.seq, "conflict", item.code or "hash")
    elif item.st in ("committed", "duplicate"):
        db.execute("DELETE FROM message WHERE seq = ?", (row.seq,))  # its body goes with it, and makes room
        db.execute(
            "INSERT INTO received (ref, mid, seq, type, lane, size, sha256, wall_ns, received_ns, attempts)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (row.ref, row.mid, row.seq, row.type, LANES.index(row.lane), row.size, row.sha256,
             row.stamp.wall_ns, received_ns, row.attempts),
        )  # fmt: skip
    elif item.st == "reject":
        set_state(db, row.seq, "rejected", item.code or "rejected")
    elif item.st == "parts":
        held = sorted(k for k in set(item.have) if 0 <= k < row.part_count)
        if len(held) == row.part_count:  # it has all and yet did not commit: from the start
            held = []
        db.execute("UPDATE message SET parts_held = ? WHERE seq = ?", (json.dumps(held), row.seq))


def is_late_yes(row: OutboxRow, item: ReceiptItem) -> bool:
    """The hub has it after all: said of a copy sent before another copy was rejected."""
    return row.state == "rejected" and item.st in ("committed", "duplicate")


def set_state(db: sqlite3.Connection, seq: int, state: str, code: str) -> None:
    """Mark a row."""
    db.execute("UPDATE message SET state = ?, code = ? WHERE seq = ?", (state, code, seq))
