"""What the station has been told by the hub: each message once, on disk, until it was acted on.

Parts are kept as they come, so that a large report goes on after a cut instead of from the start. The id
of a message stays for good: a repetition is answered "duplicate", the same id with other content
"conflict". Bodies lie sealed, as in the outbox.
"""

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.clock import Clock
from edge_agent.errors import SealBroken
from edge_agent.store import Bell, Store
from protocols import envelope, parts
from protocols.envelope import Frame, Header
from protocols.errors import BodyError, HashMismatch, MessageError, UnknownType
from protocols.messages import MESSAGES, Message, ReceiptItem

logger = logging.getLogger(__name__)

FILE_NAME = "inbox.db"
"""Below the station's data folder."""

MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE part (
        mid BLOB NOT NULL, k INTEGER NOT NULL, n INTEGER NOT NULL, sha256 BLOB NOT NULL, sealed BLOB NOT NULL,
        PRIMARY KEY (mid, k)
    ) WITHOUT ROWID;
    CREATE TABLE message (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        mid BLOB NOT NULL UNIQUE,
        type TEXT NOT NULL,
        sha256 BLOB NOT NULL,
        state TEXT NOT NULL,         -- pending, done, refused
        code TEXT NOT NULL DEFAULT '',
        arrived_ns INTEGER NOT NULL,
        done_ns INTEGER
    );
    CREATE INDEX message_pending ON message (id) WHERE state = 'pending';
    CREATE TABLE body (id INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE, sealed BLOB NOT NULL);
    CREATE TABLE conflict (mid BLOB NOT NULL, sha256 BLOB NOT NULL, arrived_ns INTEGER NOT NULL,
                           PRIMARY KEY (mid, sha256)) WITHOUT ROWID;
    CREATE TABLE quarantine (id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT NOT NULL, sealed BLOB NOT NULL,
                             arrived_ns INTEGER NOT NULL);
    """,
)

SQL_PENDING = (
    "SELECT message.mid, message.type, message.sha256, body.sealed FROM message JOIN body USING (id)"
    " WHERE message.state = 'pending' ORDER BY message.id"
)
SQL_REFUSED = (
    "SELECT (SELECT count(*) FROM message WHERE state = 'refused') + (SELECT count(*) FROM conflict)"
    " + (SELECT count(*) FROM quarantine)"
)
SQL_KNOWN = "SELECT sha256, state, code FROM message WHERE mid = ?"


@dataclass(frozen=True, slots=True)
class Received:
    """A message to be acted on."""

    mid: bytes
    type: str
    message: Message


class Inbox:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @property
    def arrived(self) -> Bell:
        """Rings when something new is kept (or an old one is done)."""
        return self._store.changed

    async def accept(self, frame: Frame) -> ReceiptItem | None:
        """Keep a frame durably; what to tell the hub, or None while parts are still expected.

        A whole message is checked before it is confirmed: an unknown type or a body that does not fit is
        kept as refused, with its reason, and rejected.
        """
        header = frame.header
        sealed = self._store.seal(frame.body, header.mid)
        now_ns = self._clock.wall_ns()

        def work(db: sqlite3.Connection) -> ReceiptItem | None:
            if (answer := _known(db, header, now_ns)) is not None:
                return answer
            if frame.n == 1:
                return self._close(db, header, frame.body, now_ns)
            held = _keep_part(db, frame, sealed)
            if len(held) < frame.n:
                # The last part is here and others are not: say which, so that only those come again.
                return _item(header, "parts", have=held) if frame.k == frame.n - 1 else None
            return self._join(db, frame, now_ns)

        return await self._store.run(work)

    async def pending(self) -> list[Received]:
        """What is to be acted on, in the order it arrived whole.

        A body that was changed on disk, or that a newer version does not take any more, turns to refused.
        """

        def work(db: sqlite3.Connection) -> list[tuple[bytes, str, bytes, bytes]]:
            return list(db.execute(SQL_PENDING))

        whole = []
        for mid, type_name, sha256, sealed in await self._store.run(work):
            try:
                message = envelope.decode_body(type_name, self._store.unseal(sealed, sha256))
            except (SealBroken, MessageError) as error:
                await self._refuse(mid, getattr(error, "code", "damaged"))
                continue
            whole.append(Received(mid, type_name, message))
        return whole

    async def done(self, mid: bytes) -> None:
        """It was acted on: the body goes, the id stays."""
        now_ns = self._clock.wall_ns()

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM body WHERE id = (SELECT id FROM message WHERE mid = ?)", (mid,))
            db.execute("UPDATE message SET state = 'done', done_ns = ? WHERE mid = ?", (now_ns, mid))

        await self._store.run(work)

    async def refused(self) -> int:
        """How many messages were refused, in conflict or unreadable: never dropped in silence."""
        return await self._store.run(lambda db: int(db.execute(SQL_REFUSED).fetchone()[0]))

    async def quarantine(self, wire: bytes, code: str) -> None:
        """Keep bytes that are no frame, with the reason, for a person to look at; the newest hundred."""
        sealed, now_ns = self._store.seal(wire), self._clock.wall_ns()

        def work(db: sqlite3.Connection) -> None:
            sql = "INSERT INTO quarantine (code, sealed, arrived_ns) VALUES (?, ?, ?)"
            db.execute(sql, (code, sealed, now_ns))
            db.execute("DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - 100")

        await self._store.run(work)

    async def _refuse(self, mid: bytes, code: str) -> None:
        logger.error("message %s in the inbox cannot be acted on: %s", mid.hex(), code)
        sql = "UPDATE message SET state = 'refused', code = ? WHERE mid = ?"
        await self._store.run(lambda db: db.execute(sql, (code, mid)))

    def _join(self, db: sqlite3.Connection, frame: Frame, now_ns: int) -> ReceiptItem | None:
        header = frame.header
        rows = db.execute("SELECT k, sealed FROM part WHERE mid = ?", (header.mid,))
        sealed_parts = rows.fetchall()
        db.execute("DELETE FROM part WHERE mid = ?", (header.mid,))
        try:
            pieces = {k: self._store.unseal(sealed, header.mid) for k, sealed in sealed_parts}
            body = parts.join(pieces, frame.n, header.sha256)
        except (SealBroken, HashMismatch):
            # One part was wrong (two cuts mixed, or a bad disk) and none says which: all of them again.
            logger.warning(
                "the parts of message %s do not fit together; asking for all again", header.mid.hex()
            )
            return _item(header, "parts")
        return self._close(db, header, body, now_ns)

    def _close(self, db: sqlite3.Connection, header: Header, body: bytes, now_ns: int) -> ReceiptItem:
        code = _refusal(header, body)
        cursor = db.execute(
            "INSERT INTO message (mid, type, sha256, state, code, arrived_ns) VALUES (?, ?, ?, ?, ?, ?)",
            (header.mid, header.type, header.sha256, "refused" if code else "pending", code, now_ns),
        )
        db.execute(
            "INSERT INTO body VALUES (?, ?)", (cursor.lastrowid, self._store.seal(body, header.sha256))
        )
        return _item(header, "reject", code=code) if code else _item(header, "committed")


def _known(db: sqlite3.Connection, header: Header, now_ns: int) -> ReceiptItem | None:
    """The answer to an id that was already whole; None if it is new."""
    found = db.execute(SQL_KNOWN, (header.mid,)).fetchone()
    if found is None:
        return None
    sha256, state, code = found
    if sha256 != header.sha256:
        db.execute("INSERT OR IGNORE INTO conflict VALUES (?, ?, ?)", (header.mid, header.sha256, now_ns))
        return _item(header, "conflict")
    return _item(header, "reject", code=code) if state == "refused" else _item(header, "duplicate")


def _keep_part(db: sqlite3.Connection, frame: Frame, sealed: bytes) -> tuple[int, ...]:
    """Keep one part; which ones are held now. Parts of another cut or another content give way."""
    header = frame.header
    db.execute(
        "DELETE FROM part WHERE mid = ? AND (n <> ? OR sha256 <> ?)", (header.mid, frame.n, header.sha256)
    )
    db.execute(
        "INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?)",
        (header.mid, frame.k, frame.n, header.sha256, sealed),
    )
    rows = db.execute("SELECT k FROM part WHERE mid = ? ORDER BY k", (header.mid,))
    return tuple(row[0] for row in rows)


def _refusal(header: Header, body: bytes) -> str:
    """Why a whole message cannot be acted on, as a code; empty if it can."""
    try:
        envelope.decode_body(header.type, body)
    except (UnknownType, BodyError) as error:
        return error.code
    row = MESSAGES[header.type]
    return "" if row.durable and row.direction != "up" else MessageError.code


def _item(header: Header, st: str, *, have: tuple[int, ...] = (), code: str = "") -> ReceiptItem:
    fields = {"mid": header.mid, "st": st, "h8": header.sha256[:8], "have": have, "code": code}
    return ReceiptItem.model_validate(fields)
