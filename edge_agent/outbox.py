"""What the station owes the hub, on disk, until the hub says it has committed it.

An `append` that returned survives kill -9 and a power cut. A row leaves only on a receipt that names its
id and its content's hash; the *fact* that it was received stays. The message id follows from sender,
epoch (made with the file) and sequence, so a cloned disk shows itself at the hub as a conflict.

Order is by lane, then by sequence; the wall clock decides nothing. The body lies sealed in a table of its
own, so that marking a row does not write its body again.
"""

import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, Literal

from edge_agent.clock import Clock
from edge_agent.errors import MessageTooLarge, SealBroken
from edge_agent.store import Bell, Store
from protocols import envelope, parts
from protocols.envelope import Stamp
from protocols.messages import LANES, MESSAGES, TYPE_OF, Lane, Message, ReceiptItem

FILE_NAME = "outbox.db"
"""Below the station's data folder."""

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

RowState = Literal["saved", "received", "rejected", "conflict"]
"""saved: P1, owed. received: P2, committed by the hub. rejected, conflict: kept until a person decides."""

SQL_DUE = (
    "SELECT {columns} FROM message WHERE state = 'waiting' AND lane = ? AND seq > ? ORDER BY seq LIMIT 1"
)
SQL_BEGUN = (
    "SELECT {columns} FROM message WHERE state = 'waiting' AND part_bytes IS NOT NULL ORDER BY seq LIMIT ?"
)
SQL_BY_MID = "SELECT {columns} FROM message WHERE mid = ?"
SQL_BY_REF = "SELECT {columns} FROM message WHERE ref = ?"
SQL_WAITING = "SELECT lane, count(*), min(seq), wall_ns FROM message WHERE state = 'waiting' GROUP BY lane"
SQL_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'message'"
SQL_FIRST = "SELECT min(seq) FROM message WHERE state = 'waiting'"
SQL_KEPT = "SELECT count(*) FROM message WHERE state IN ('rejected', 'conflict')"

SQL_RECEIVED = (
    "SELECT seq, mid, lane, type, size, sha256, wall_ns, attempts, received_ns FROM received WHERE ref = ?"
)
SQL_BODY = "SELECT sealed FROM message JOIN body USING (seq) WHERE seq = ? AND state = 'waiting'"
COLUMNS = (
    "seq, mid, ref, lane, type, state, size, sha256, wall_ns, quality, boot, mono_ns, part_bytes, "
    "parts_held, attempts, code"
)
_STATE_NAMES: dict[str, RowState] = {"waiting": "saved", "rejected": "rejected", "conflict": "conflict"}


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message owed, without its body."""

    seq: int
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


@dataclass(frozen=True, slots=True)
class Extent:
    """Which numbers this file has given out, and from which on something is still owed."""

    epoch: bytes
    first_seq: int
    """Of the first row that is owed; one past `last_seq` if none is."""
    last_seq: int
    """Of the last row ever appended; 0 before the first."""


class Outbox:
    """The messages of one station. `sender` is the station's id."""

    def __init__(self, store: Store, clock: Clock, sender: str) -> None:
        self._store = store
        self._clock = clock
        self._sender = sender
        self._not_before: dict[int, int] = {}
        """seq → monotonic time the hub asked to wait for; of this process only."""

    @property
    def changed(self) -> Bell:
        """Rings after each append, receipt or other change."""
        return self._store.changed

    async def epoch(self) -> bytes:
        """8 random bytes made with this file."""
        return await self._store.run(_epoch)

    async def append(self, message: Message, lane: Lane, ref: str) -> OutboxRow:
        """Save a message; when this returns it is durable (P1) and will be sent.

        The same `ref` again returns the row there is, whatever the message. Raises MessageTooLarge,
        StoreFull or StoreError; then nothing was saved. ValueError for a type that has no receipt.
        """
        type_name = TYPE_OF[type(message)]
        if not MESSAGES[type_name].durable or MESSAGES[type_name].direction == "down":
            raise ValueError(f"{type_name} does not go through the outbox")
        body = envelope.encode_body(message)
        if len(body) > envelope.MAX_BODY_BYTES:
            raise MessageTooLarge(len(body), envelope.MAX_BODY_BYTES)
        sha256 = hashlib.sha256(body).digest()
        sealed = self._store.seal(body, sha256)
        clock = self._clock
        stamp = Stamp(clock.wall_ns(), clock.quality, clock.boot, clock.mono_ns())

        def work(db: sqlite3.Connection) -> OutboxRow:
            if (there := _find(db, ref)) is not None:
                return there
            seq = _last_seq(db) + 1
            mid = envelope.message_id(self._sender, _epoch(db), seq)
            db.execute(
                "INSERT INTO message (seq, mid, ref, lane, type, state, size, sha256, wall_ns, quality, boot,"
                " mono_ns) VALUES (?, ?, ?, ?, ?, 'waiting', ?, ?, ?, ?, ?, ?)",
                (seq, mid, ref, LANES.index(lane), type_name, len(body), sha256, *astuple(stamp)),
            )
            db.execute("INSERT INTO body VALUES (?, ?)", (seq, sealed))
            return OutboxRow(seq, mid, ref, lane, type_name, "saved", len(body), sha256, stamp)

        return await self._store.run(work)

    # --- for the sender ---

    async def next_to_send(
        self,
        *,
        skip: Collection[int] = (),
        lanes: Sequence[Lane] = LANES,
        part_bytes: int = parts.PART_BYTES,
    ) -> OutboxRow | None:
        """The most pressing row that is due: by lane, then the oldest; None if there is none.

        `skip`: sequence numbers already on their way. The first time a row is handed out it is fixed,
        durably, that it is cut into slices of `part_bytes`.
        """
        now = self._clock.mono_ns()
        self._not_before = {seq: due for seq, due in self._not_before.items() if due > now}
        held_back = frozenset(skip) | self._not_before.keys()

        def work(db: sqlite3.Connection) -> OutboxRow | None:
            for lane in lanes:
                after = 0
                while (row := _one(db, SQL_DUE, LANES.index(lane), after)) is not None:
                    if row.seq not in held_back:
                        return row if row.part_bytes else _fix_parts(db, row, part_bytes)
                    after = row.seq
            return None

        return await self._store.run(work)

    def next_due_s(self) -> float | None:
        """Seconds until a row the hub asked to send later is due; None if there is no such row."""
        if not self._not_before:
            return None
        return max(0.0, (min(self._not_before.values()) - self._clock.mono_ns()) / 1e9)

    async def frames(self, row: OutboxRow) -> list[tuple[int, bytes]]:
        """The parts the hub does not hold yet, as (k, MQTT payload).

        Empty if the row is not owed any more. A body that was changed on disk turns the row to rejected
        with the code "damaged", so that it cannot block its lane; empty as well.
        """

        def work(db: sqlite3.Connection) -> tuple[bytes, bytes] | None:
            found = db.execute(SQL_BODY, (row.seq,)).fetchone()
            return None if found is None else (_epoch(db), found[0])

        found = await self._store.run(work)
        if found is None:
            return []
        epoch, sealed = found
        try:
            body = self._store.unseal(sealed, row.sha256)
        except SealBroken:
            await self._keep(row.seq, "rejected", "damaged")
            return []
        header = envelope.Header(row.type, self._sender, epoch, row.seq, row.stamp, row.sha256)
        size, n = row.part_bytes or parts.PART_BYTES, row.part_count
        return [
            (k, envelope.encode(header, parts.cut(body, k, size), k, n))
            for k in parts.missing(n, row.parts_held)
        ]

    async def begun(self, most: int) -> list[OutboxRow]:
        """Owed, and handed out for sending: the hub may have got it without our knowing. The oldest first."""

        def work(db: sqlite3.Connection) -> list[OutboxRow]:
            return [_row(values) for values in db.execute(SQL_BEGUN.format(columns=COLUMNS), (most,))]

        return await self._store.run(work)

    async def mark_sent(self, row: OutboxRow) -> None:
        """It was handed to the broker whole, once more. It stays owed."""
        await self._store.run(
            lambda db: db.execute("UPDATE message SET attempts = attempts + 1 WHERE seq = ?", (row.seq,))
        )

    async def apply_receipt(self, item: ReceiptItem) -> None:
        """What the hub says about one message; see `apply_receipts`."""
        await self.apply_receipts((item,))

    async def apply_receipts(self, items: Iterable[ReceiptItem]) -> list[OutboxRow]:
        """What the hub says about several messages, in one transaction; the rows concerned, as they were.

        A committed or duplicate row leaves if the hash agrees, else it is in conflict. Rejected rows and
        conflicts are kept. An id that is not owed (a repeated receipt) is passed over.
        """
        said, received_ns = tuple(items), self._clock.wall_ns()

        def work(db: sqlite3.Connection) -> list[tuple[ReceiptItem, OutboxRow]]:
            concerned = []
            for item in said:
                row = _one(db, SQL_BY_MID, item.mid)
                if row is not None and (row.state == "saved" or _is_late_yes(row, item)):
                    _apply(db, row, item, received_ns)
                    concerned.append((item, row))
            return concerned

        concerned = await self._store.run(work)
        for item, row in concerned:
            if item.st == "retry":
                self._not_before[row.seq] = self._clock.mono_ns() + int(max(0.0, item.after_s) * 1e9)
        return [row for _, row in concerned]

    # --- for the room, the page and the operator ---

    async def waiting(self) -> Waiting:
        """How much is owed, per lane."""
        return await self._store.run(_waiting)

    async def extent(self) -> Extent:
        """What the hub needs to find out what it has not got."""
        return await self._store.run(_extent)

    async def rows(self, most: int = 500) -> list[OutboxRow]:
        """All that has not been received, the most pressing first: what the queue sheet shows."""
        return await self._store.run(lambda db: _rows(db, most))

    async def state_of(self, ref: str) -> Fate | None:
        """What became of the message with this `ref`; None if none was ever appended."""
        return (await self.states_of((ref,))).get(ref)

    async def states_of(self, refs: Iterable[str]) -> dict[str, Fate]:
        """The same for several; unknown ones are absent."""
        wanted = tuple(refs)

        def work(db: sqlite3.Connection) -> dict[str, Fate]:
            return {ref: fate for ref in wanted if (fate := _fate(db, ref)) is not None}

        return await self._store.run(work)

    async def requeue(self, refs: Collection[str] | None = None) -> int:
        """Send rejected rows again, and what the hub asked to send later at once; how many were rejected.

        `refs`: only these. A row in conflict stays: two disks claim one id, and a person must decide.
        """
        self._not_before.clear()

        def work(db: sqlite3.Connection) -> int:
            rejected = [r.ref for r in _rows(db, -1) if r.state == "rejected" and r.code != "damaged"]
            again = [ref for ref in rejected if refs is None or ref in refs]
            db.executemany(
                "UPDATE message SET state = 'waiting', code = '', parts_held = '[]' WHERE ref = ?",
                [(ref,) for ref in again],
            )
            return len(again)

        again = await self._store.run(work)
        self.changed.ring()
        return again

    async def _keep(self, seq: int, state: Literal["rejected", "conflict"], code: str) -> None:
        await self._store.run(lambda db: _set_state(db, seq, state, code))


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


def queue_ls(path: Path) -> list[dict[str, Any]]:
    """`queue ls`: the rows of the outbox at `path`, read beside a running agent, without the key."""
    with _read_only(path) as db:
        return [describe(row) for row in _rows(db, -1)]


def queue_stat(path: Path) -> dict[str, Any]:
    """`queue stat`: how much waits per lane, what is kept, what was received; without the key."""
    with _read_only(path) as db:
        waiting = _waiting(db)
        received, last_ns = db.execute("SELECT count(*), max(received_ns) FROM received").fetchone()
        return {
            "epoch": _epoch(db).hex(),
            "waiting": waiting.total,
            "oldest_ns": waiting.oldest_ns,
            "lanes": {
                lane: {"waiting": row.count, "oldest_ns": row.oldest_ns}
                for lane, row in waiting.lanes.items()
            },
            "rejected": waiting.rejected,
            "received": received,
            "last_received_ns": last_ns,
            "bytes": db.execute("SELECT coalesce(sum(size), 0) FROM message").fetchone()[0],
        }


@contextmanager
def _read_only(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.exists():
        raise FileNotFoundError(path)
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as db:
        yield db


def _epoch(db: sqlite3.Connection) -> bytes:
    epoch: bytes = db.execute("SELECT epoch FROM identity").fetchone()[0]
    return epoch


def _last_seq(db: sqlite3.Connection) -> int:
    last: int = db.execute(SQL_LAST).fetchone()[0]
    return last


def _extent(db: sqlite3.Connection) -> Extent:
    last = _last_seq(db)
    first: int | None = db.execute(SQL_FIRST).fetchone()[0]
    return Extent(_epoch(db), last + 1 if first is None else first, last)


def _row(values: Sequence[Any]) -> OutboxRow:
    seq, mid, ref, lane, type_name, state, size, sha256 = values[:8]
    wall_ns, quality, boot, mono_ns, part_bytes, parts_held, attempts, code = values[8:]
    stamp = Stamp(wall_ns, quality, boot, mono_ns)
    held = frozenset(json.loads(parts_held))
    return OutboxRow(
        seq, mid, ref, LANES[lane], type_name, _STATE_NAMES[state], size, sha256, stamp, part_bytes, held,
        attempts, code,
    )  # fmt: skip


def _one(db: sqlite3.Connection, sql: str, *arguments: Any) -> OutboxRow | None:
    values = db.execute(sql.format(columns=COLUMNS), arguments).fetchone()
    return None if values is None else _row(values)


def _rows(db: sqlite3.Connection, most: int) -> list[OutboxRow]:
    sql = f"SELECT {COLUMNS} FROM message ORDER BY lane, seq LIMIT ?"  # noqa: S608 - a constant
    return [_row(values) for values in db.execute(sql, (most,))]


def _find(db: sqlite3.Connection, ref: str) -> OutboxRow | None:
    """The row with this ref, owed or received."""
    if (row := _one(db, SQL_BY_REF, ref)) is not None:
        return row
    found = db.execute(SQL_RECEIVED, (ref,)).fetchone()
    if found is None:
        return None
    seq, mid, lane, type_name, size, sha256, wall_ns, attempts, _ = found
    stamp = Stamp(wall_ns)
    return OutboxRow(
        seq, mid, ref, LANES[lane], type_name, "received", size, sha256, stamp, attempts=attempts
    )


def _fate(db: sqlite3.Connection, ref: str) -> Fate | None:
    row = _find(db, ref)
    if row is None:
        return None
    received_ns = db.execute(SQL_RECEIVED, (ref,)).fetchone()[-1] if row.state == "received" else None
    return Fate(row.state, row.stamp.wall_ns, received_ns, row.attempts, row.code)


def _waiting(db: sqlite3.Connection) -> Waiting:
    lanes = {LANES[lane]: LaneWaiting(count, wall_ns) for lane, count, _, wall_ns in db.execute(SQL_WAITING)}
    return Waiting(lanes, db.execute(SQL_KEPT).fetchone()[0])


def _fix_parts(db: sqlite3.Connection, row: OutboxRow, part_bytes: int) -> OutboxRow:
    smallest = -(-row.size // envelope.MAX_PARTS)
    size = max(part_bytes, smallest, parts.SMALLEST_PART_BYTES)
    db.execute("UPDATE message SET part_bytes = ? WHERE seq = ?", (size, row.seq))
    fixed = _one(db, SQL_BY_MID, row.mid)
    assert fixed is not None
    return fixed


def _apply(db: sqlite3.Connection, row: OutboxRow, item: ReceiptItem, received_ns: int) -> None:
    if item.h8 != row.sha256[:8] or item.st == "conflict":
        _set_state(db, row.seq, "conflict", item.code or "hash")
    elif item.st in ("committed", "duplicate"):
        db.execute(
            "INSERT INTO received SELECT ref, mid, seq, type, lane, size, sha256, wall_ns, ?, attempts"
            " FROM message WHERE seq = ?",
            (received_ns, row.seq),
        )
        db.execute("DELETE FROM message WHERE seq = ?", (row.seq,))  # its body goes with it
    elif item.st == "reject":
        _set_state(db, row.seq, "rejected", item.code or "rejected")
    elif item.st == "parts":
        held = sorted(k for k in set(item.have) if 0 <= k < row.part_count)
        if len(held) == row.part_count:  # it has all and yet did not commit: from the start
            held = []
        db.execute("UPDATE message SET parts_held = ? WHERE seq = ?", (json.dumps(held), row.seq))


def _is_late_yes(row: OutboxRow, item: ReceiptItem) -> bool:
    """The hub has it after all: said of a copy sent before another copy was rejected."""
    return row.state == "rejected" and item.st in ("committed", "duplicate")


def _set_state(db: sqlite3.Connection, seq: int, state: str, code: str) -> None:
    db.execute("UPDATE message SET state = ?, code = ? WHERE seq = ?", (state, code, seq))
