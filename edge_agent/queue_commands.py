"""What an operator does with the queue: look, check, send again, carry away.

All of it works beside a running agent: the files are in WAL mode, reading waits for nobody, and the one
command that writes (`requeue`) is a short transaction of its own. The agent looks every
`edge_agent.store.LOOK_S` seconds for what others have written, and sends.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge_agent import outbox_rows as rows
from edge_agent.outbox_rows import OutboxRow
from edge_agent.store import SEAL_PROOF, unseal
from protocols import envelope, parts
from protocols.bundle import Entry
from protocols.messages import LANES, Lane

Shown = dict[str, Any]

SQL_NO_BODY = "SELECT seq, ref FROM message WHERE seq NOT IN (SELECT seq FROM body)"
SQL_NO_MESSAGE = "SELECT seq FROM body WHERE seq NOT IN (SELECT seq FROM message)"
SQL_TWICE = "SELECT ref FROM message WHERE ref IN (SELECT ref FROM received)"
SQL_WHOLE = "SELECT {columns}, sealed FROM message JOIN body USING (seq) WHERE seq = ?"


def ls(files: Iterable[Path]) -> list[Shown]:
    """What has not been received, the most pressing first, without the key."""
    found = []
    for path in files:
        with _reading(path) as db:
            found += rows.listed(db)
    found.sort(key=lambda row: LANES.index(row.lane))
    return [rows.describe(row) for row in found]


def stat(path: Path) -> Shown:
    """How much waits per lane, what is kept, what was received, in one file; without the key."""
    with _reading(path) as db:
        waiting = rows.waiting(db)
        received, last_ns = db.execute("SELECT count(*), max(received_ns) FROM received").fetchone()
        return {
            "file": path.name,
            "epoch": rows.epoch(db).hex(),
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


def fsck(path: Path, key: bytes, sender: str) -> Iterator[Shown]:
    """Everything that is wrong with one file, one finding each, then a summary with their number.

    Every page is checked, every body unsealed and hashed. Nothing is written.
    """
    findings, bodies, read_bytes = 0, 0, 0
    try:
        with _reading(path) as db:
            cipher: AESGCM | None = AESGCM(key)
            for finding in _structure(db):
                findings += 1
                yield {"file": path.name, **finding}
            if not _is_key_of(db, AESGCM(key)):
                findings += 1
                yield {"file": path.name, "finding": "key", "detail": "sealed with another storage key"}
                cipher = None
            epoch = rows.epoch(db)
            for (seq,) in db.execute("SELECT seq FROM message ORDER BY seq").fetchall():
                values = db.execute(SQL_WHOLE.format(columns=rows.COLUMNS), (seq,)).fetchone()
                if values is None:
                    continue  # received meanwhile, or without a body, which was said above
                bodies, read_bytes = bodies + 1, read_bytes + len(values[-1])
                for name, detail in _row_findings(values, cipher, sender, epoch):
                    findings += 1
                    yield {"file": path.name, "finding": name, "ref": values[2], "detail": detail}
    except sqlite3.Error as error:
        findings += 1
        yield {"file": path.name, "finding": "unreadable", "detail": str(error)}
    yield {"file": path.name, "bodies": bodies, "bytes": read_bytes, "findings": findings}


def requeue(path: Path, refs: Collection[str] | None) -> int:
    """Make rejected rows of one file wait again (None: all of them); how many. Durable on return."""
    with closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        again = rows.requeue(db, refs)
        db.execute("COMMIT")
        return again


@dataclass
class Exported:
    """What went into a bundle, counted while it is written."""

    messages: int = 0
    frames: int = 0
    bytes: int = 0
    damaged: int = 0
    """Bodies that do not open: they are not in it."""


def owed(
    files: Iterable[Path], key: bytes, sender: str, lanes: Collection[Lane], count: Exported
) -> Iterator[Entry]:
    """All that is owed, and what was rejected, as whole messages; it stays owed until the hub says so.

    Also the parts the hub was said to hold: it forgets the parts of what stays unfinished. Rows in conflict
    are left out: a person must decide.
    """
    cipher = AESGCM(key)
    for path in files:
        with _reading(path) as db:
            epoch = rows.epoch(db)
            for row in rows.listed(db):
                found = db.execute("SELECT sealed FROM body WHERE seq = ?", (row.seq,)).fetchone()
                if row.lane not in lanes or row.state == "conflict" or found is None:
                    continue
                body = _body(cipher, found[0], row.sha256)
                if body is None:
                    count.damaged += 1
                    continue
                count.messages += 1
                yield from _entries(row, sender, epoch, body, count)


def save(pieces: Iterable[bytes], to: Path) -> None:
    """Write a file that is whole or not there, on the medium when this returns."""
    temporary = to.with_name(to.name + ".new")
    try:
        with temporary.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(to)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.exists():
        raise FileNotFoundError(path)
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as db:
        yield db


def _structure(db: sqlite3.Connection) -> Iterator[Shown]:
    for (said,) in db.execute("PRAGMA integrity_check"):
        if said != "ok":
            yield {"finding": "integrity", "detail": said}
    for seq, ref in db.execute(SQL_NO_BODY):
        yield {"finding": "no_body", "ref": ref, "detail": f"row {seq} has no body"}
    for (seq,) in db.execute(SQL_NO_MESSAGE):
        yield {"finding": "no_message", "detail": f"body {seq} belongs to no row"}
    for (ref,) in db.execute(SQL_TWICE):
        yield {"finding": "twice", "ref": ref, "detail": "owed and received"}


def _is_key_of(db: sqlite3.Connection, cipher: AESGCM) -> bool:
    proof = db.execute("SELECT sealed FROM seal_proof").fetchone()
    return proof is not None and _body(cipher, proof[0], b"") == SEAL_PROOF


def _row_findings(
    values: Sequence[Any], cipher: AESGCM | None, sender: str, epoch: bytes
) -> Iterator[tuple[str, str]]:
    seq, mid, _, lane, _, state, size, sha256, *_ = values
    part_bytes, parts_held, sealed = values[12], values[13], values[-1]
    if mid != envelope.message_id(sender, epoch, seq):
        yield "mid", "the message id does not follow from sender, epoch and sequence"
    if lane not in range(len(LANES)):
        yield "lane", f"lane {lane} is none"
    if state not in rows.STATE_NAMES:
        yield "state", f"state {state!r} is none"
    count = parts.count(size, part_bytes or parts.PART_BYTES)
    if not _are_parts(parts_held, count):
        yield "parts_held", f"{parts_held} are not parts of {count}"
    if cipher is None:
        return
    body = _body(cipher, sealed, sha256)
    if body is None:
        yield "damaged", "the body does not open"
    elif len(body) != size or hashlib.sha256(body).digest() != sha256:
        yield "hash", "the body is not what was hashed"


def _are_parts(held: str, count: int) -> bool:
    try:
        numbers = json.loads(held)
    except ValueError:
        return False
    return isinstance(numbers, list) and all(type(k) is int and 0 <= k < count for k in numbers)


def _body(cipher: AESGCM, sealed: bytes, about: bytes) -> bytes | None:
    try:
        return unseal(cipher, sealed, about)
    except InvalidTag:
        return None


def _entries(row: OutboxRow, sender: str, epoch: bytes, body: bytes, count: Exported) -> Iterator[Entry]:
    for _, frame in rows.frames(row, sender, epoch, body, ()):
        count.frames += 1
        count.bytes += len(frame)
        yield Entry(row.lane, frame)
