"""What the station owes the hub, on disk, until the hub says it has committed it.

An `append` that returned survives kill -9 and a power cut. A row leaves only on a receipt that names its
id and its content's hash; the *fact* that it was received stays. The message id follows from sender,
epoch (made with the file) and sequence, so a cloned disk shows itself at the hub as a conflict.

Order is by lane, then by sequence; the wall clock decides nothing. What presses lies in a file of its own
with a quota of its own: continuous recordings that fill theirs never refuse an urgent ECG, and damage to one
file leaves the other one going.
"""

import hashlib
import logging
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from edge_agent import outbox_rows as rows
from edge_agent.clock import Clock
from edge_agent.errors import MessageTooLarge, SealBroken, StoreError
from edge_agent.outbox_rows import (
    MIGRATIONS,
    Fate,
    LaneWaiting,
    OutboxRow,
    RowState,
    Waiting,
    describe,
)
from edge_agent.store import Bell, Store
from protocols import envelope, parts
from protocols.envelope import Stamp
from protocols.messages import LANES, MESSAGES, TYPE_OF, Lane, Message, Numbers, ReceiptItem

__all__ = [
    "FILES",
    "FILE_NAME",
    "MIGRATIONS",
    "URGENT_FILE_NAME",
    "Fate",
    "LaneWaiting",
    "Outbox",
    "OutboxRow",
    "RowState",
    "Waiting",
    "describe",
]

logger = logging.getLogger(__name__)

FILE_NAME = "outbox.db"
"""Below the station's data folder: clinical and bulk, and whatever an earlier version put there."""
URGENT_FILE_NAME = "urgent.db"
"""Beside it: urgent and prompt."""
FILES = (URGENT_FILE_NAME, FILE_NAME)
URGENT_LANES: tuple[Lane, ...] = ("urgent", "prompt")


class Outbox:
    """The messages of one station, `sender` its id; without `urgent` one file holds all lanes."""

    def __init__(self, store: Store, clock: Clock, sender: str, urgent: Store | None = None) -> None:
        self._store = store
        self._urgent = urgent
        if urgent is not None:
            urgent.changed = store.changed  # who waits for a change waits for one of either
        self._clock = clock
        self._sender = sender
        self._not_before: dict[int, int] = {}
        """seq → monotonic time the hub asked to wait for; of this process only."""

    @property
    def changed(self) -> Bell:
        """Rings after each append, receipt or other change."""
        return self._store.changed

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
        store = self._urgent if self._urgent is not None and lane in URGENT_LANES else self._store
        for other in self._stores:
            if other is not store and (there := await self._known(other, ref)) is not None:
                return there
        sha256 = hashlib.sha256(body).digest()
        sealed = store.seal(body, sha256)
        clock = self._clock
        stamp = Stamp(clock.wall_ns(), clock.quality, clock.boot, clock.mono_ns())
        new = OutboxRow(0, b"", ref, lane, type_name, "saved", len(body), sha256, stamp)
        row = await store.run(lambda db: rows.find(db, ref) or rows.append(db, self._sender, new, sealed))
        return self._from(store, row)

    # --- for the sender ---

    async def next_to_send(
        self,
        *,
        skip: Collection[int] = (),
        lanes: Sequence[Lane] = LANES,
        part_bytes: int = parts.PART_BYTES,
    ) -> OutboxRow | None:
        """The most pressing row that is due: by lane, then the oldest; None if there is none.

        `skip`: rows already on their way, by `seq`. The first time a row is handed out it is fixed,
        durably, that it is cut into slices of `part_bytes`.
        """
        now = self._clock.mono_ns()
        self._not_before = {seq: due for seq, due in self._not_before.items() if due > now}
        held_back = frozenset(skip) | self._not_before.keys()
        best: OutboxRow | None = None
        for store in self._stores:
            row = await self._due(store, lanes, held_back)
            # In the same lane outbox.db goes first: an earlier version put it there.
            if row is not None and (best is None or LANES.index(row.lane) < LANES.index(best.lane)):
                best = row
        if best is None or best.part_bytes:
            return best
        store, fixed = self._where(best.seq), replace(best, seq=best.number)
        return self._from(store, await store.run(lambda db: rows.fix_parts(db, fixed, part_bytes)))

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
        store = self._where(row.seq)

        def work(db: sqlite3.Connection) -> tuple[bytes, bytes] | None:
            found = db.execute(rows.SQL_BODY, (row.number,)).fetchone()
            return None if found is None else (rows.epoch(db), found[0])

        found = await store.run(work)
        if found is None:
            return []
        epoch, sealed = found
        try:
            body = store.unseal(sealed, row.sha256)
        except SealBroken:
            await store.run(lambda db: rows.set_state(db, row.number, "rejected", "damaged"))
            return []
        return rows.frames(row, self._sender, epoch, body, row.parts_held)

    async def begun(self, most: int) -> list[OutboxRow]:
        """Owed, and handed out for sending: the hub may have got it without our knowing.

        What presses first, then the oldest.
        """
        found = [
            self._from(store, row)
            for store in reversed(self._stores)
            for row in await store.run(lambda db: rows.begun(db, most))
        ]
        return found[:most]

    async def mark_sent(self, row: OutboxRow) -> None:
        """It was handed to the broker whole, once more. It stays owed."""
        sql = "UPDATE message SET attempts = attempts + 1 WHERE seq = ?"
        await self._where(row.seq).run(lambda db: db.execute(sql, (row.number,)))

    async def apply_receipt(self, item: ReceiptItem) -> None:
        """What the hub says about one message; see `apply_receipts`."""
        await self.apply_receipts((item,))

    async def apply_receipts(self, items: Iterable[ReceiptItem]) -> list[OutboxRow]:
        """What the hub says about several messages, one transaction per file; the rows, as they were.

        A committed or duplicate row leaves if the hash agrees, else it is in conflict. Rejected rows and
        conflicts are kept. An id that is not owed (a repeated receipt) is passed over.
        """
        said, received_ns = tuple(items), self._clock.wall_ns()

        def work(db: sqlite3.Connection) -> list[tuple[ReceiptItem, OutboxRow]]:
            concerned = []
            for item in said:
                row = rows.one(db, rows.SQL_BY_MID, item.mid)
                if row is not None and (row.state == "saved" or rows.is_late_yes(row, item)):
                    rows.apply(db, row, item, received_ns)
                    concerned.append((item, row))
            return concerned

        applied: list[OutboxRow] = []
        for store in self._stores:
            for item, found in await store.run(work, spare=True):
                row = self._from(store, found)
                if item.st == "retry":
                    self._not_before[row.seq] = self._clock.mono_ns() + int(max(0.0, item.after_s) * 1e9)
                applied.append(row)
        return applied

    # --- for the room, the page and the operator ---

    async def waiting(self) -> Waiting:
        """How much is owed, per lane."""
        return rows.together([await store.run(rows.waiting) for store in self._stores])

    async def numbers(self) -> list[Numbers]:
        """What the hub needs to find out what it has not got: of outbox.db, then of urgent.db."""
        return [await store.run(rows.numbers) for store in self._stores]

    async def rows(self, most: int = 500) -> list[OutboxRow]:
        """All that has not been received, the most pressing first: what the queue sheet shows."""
        found = [
            self._from(store, row)
            for store in self._stores
            for row in await store.run(lambda db: rows.listed(db, most))
        ]
        found.sort(key=lambda row: LANES.index(row.lane))  # stable: each file's are in order already
        return found if most < 0 else found[:most]

    async def state_of(self, ref: str) -> Fate | None:
        """What became of the message with this `ref`; None if none was ever appended."""
        return (await self.states_of((ref,))).get(ref)

    async def states_of(self, refs: Iterable[str]) -> dict[str, Fate]:
        """The same for several; unknown ones are absent."""
        wanted = tuple(refs)

        def work(db: sqlite3.Connection) -> dict[str, Fate]:
            return {ref: fate for ref in wanted if (fate := rows.fate(db, ref)) is not None}

        fates: dict[str, Fate] = {}
        for store in self._stores:
            fates |= await store.run(work)
        return fates

    async def requeue(self, refs: Collection[str] | None = None) -> int:
        """Send rejected rows again, and what the hub asked to send later at once; how many were rejected.

        `refs`: only these. A row in conflict stays: two disks claim one id, and a person must decide.
        """
        self._not_before.clear()
        again = sum([await store.run(lambda db: rows.requeue(db, refs)) for store in self._stores])
        self.changed.ring()
        return again

    async def thin(self, keep_days: int) -> int:
        """Forget old facts of receipt (see `outbox_rows.thin`) and give free pages back; how many facts."""
        now_ns, forgotten = self._clock.wall_ns(), 0
        for store in self._stores:
            forgotten += await store.run(lambda db: rows.thin(db, keep_days, now_ns), spare=True)
            await store.give_back()
        return forgotten

    # --- two files, one row of numbers ---

    @property
    def _stores(self) -> tuple[Store, ...]:
        return (self._store,) if self._urgent is None else (self._store, self._urgent)

    def _where(self, seq: int) -> Store:
        return self._urgent if self._urgent is not None and seq < 0 else self._store

    def _from(self, store: Store, row: OutboxRow) -> OutboxRow:
        """A row as this process names it: both files count from 1."""
        return replace(row, seq=-row.seq) if store is self._urgent else row

    async def _known(self, store: Store, ref: str) -> OutboxRow | None:
        """The row with this ref in the file the lane does not go to: an earlier version had one file.

        That file may be damaged: an urgent ECG is saved all the same, and what is said twice the hub knows.
        """
        try:
            found = await store.run(lambda db: rows.find(db, ref))
        except StoreError as error:
            logger.warning("%s was not asked for %s: %s", store.path.name, ref, error)
            return None
        return None if found is None else self._from(store, found)

    async def _due(self, store: Store, lanes: Sequence[Lane], held_back: Collection[int]) -> OutboxRow | None:
        sign = -1 if store is self._urgent else 1
        held = {sign * seq for seq in held_back}
        row = await store.run(lambda db: rows.due(db, lanes, held))
        return None if row is None else self._from(store, row)
