"""One SQLite file of the station: durable when awaited, sealed at rest, replaced when damaged.

A file has one writer thread. What several tasks ask for at the same moment is committed together
(group commit), each in its own savepoint, and each is answered only after the commit reached the disk:
`journal_mode=WAL` with `synchronous=FULL`, since NORMAL may roll back at a power cut.
"""

import asyncio
import contextlib
import logging
import os
import queue
import secrets
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge_agent.errors import (
    SealBroken,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreTooNew,
    WrongKey,
)

T = TypeVar("T")

logger = logging.getLogger(__name__)

APPLICATION_ID = 0x4D54_4544  # "MTED": file(1) and fsck tools know whose file it is
BATCH_MOST = 64
"""Jobs in one commit: bounds how long the first of them waits."""

SPARE_PAGES = 256
"""Above the quota, for what makes room: a receipt notes a fact before the pages of its row are free."""
GIVE_BACK_AT_OPEN_PAGES = 4096
"""16 MiB: what was free when the file was closed goes back to the disk, and the start stays short."""
_GIVE_BACK_PAGES = 256
LOOK_S = 2.0
"""How often an idle file is looked at for what another process did to it: the operator's requeue."""

_SEAL_VERSION = b"\x01"
_NONCE_BYTES = 12
SEAL_PROOF = b"maitong"
"""Lies sealed in every file: whoever opens it has the right key."""
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Bell:
    """Wakes everybody who waits for a change. A ring between two waits is not missed."""

    def __init__(self) -> None:
        self.rung = 0
        """How often so far: what `wait` is told to have been seen."""
        self._event = asyncio.Event()

    def ring(self) -> None:
        self.rung += 1
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seen: int, timeout_s: float | None = None) -> int:
        """Return as soon as it has rung more than `seen` times, or after `timeout_s`; the count by then."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.rung == seen:
                    await self._event.wait()
        return self.rung


@dataclass(frozen=True, slots=True)
class Quota:
    """How large a file may become, and what it holds, in an operator's words."""

    holds: str
    megabytes: int

    def pages(self, page_bytes: int) -> int:
        return self.megabytes * 1024 * 1024 // page_bytes


@dataclass(slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    future: "asyncio.Future[Any]"
    spare: bool
    result: Any = None
    error: BaseException | None = None


class Store:
    """An open file. Made by `Store.open`."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        key: bytes,
        quarantined: Path | None,
        quota: Quota | None = None,
    ) -> None:
        self.path = path
        self.changed = Bell()
        """Rings after each commit that changed something."""
        self.quarantined = quarantined
        """Where the damaged predecessor was put at this start, if there was one."""
        self._connection = connection
        self._quota = quota
        self._cipher = AESGCM(key)
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._write, name=f"store {path.name}", daemon=True)
        self._thread.start()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, path: Path, key: bytes, migrations: Sequence[str], quota: Quota | None = None
    ) -> "AsyncIterator[Store]":
        """Open or create the file at `path`, bring it to the newest of `migrations`, close it at the end.

        `migrations` are SQL scripts in order, only ever appended to; each is applied once, in its own
        transaction. A damaged file is moved to `quarantine/` beside it and a new one is begun. A file that
        has reached its `quota` refuses what would make it larger, and goes on deleting.

        Raises WrongKey, StoreTooNew, StoreFull or StoreError.
        """
        connection, quarantined = await asyncio.to_thread(_open, path, key, migrations)
        store = cls(path, connection, key, quarantined, quota)
        try:
            yield store
        finally:
            store._closed = True
            store._jobs.put(None)
            await asyncio.to_thread(store._thread.join)

    @property
    def quarantine_count(self) -> int:
        """How many damaged predecessors of this file lie in `quarantine/`."""
        return len(_quarantined(self.path))

    async def run(self, work: Callable[[sqlite3.Connection], T], *, spare: bool = False) -> T:
        """Run `work(connection)` in the writer thread, inside a transaction; return after its commit.

        What `work` raises is raised here, and nothing of that job is kept; a full disk or a damaged file
        comes as StoreFull or StoreCorrupt. If the awaiting task is cancelled the work may still be done. It
        may be done twice, the first time undone: when a neighbour in the same commit found no room.
        `spare`: it makes room, and may go a little beyond the quota for it.
        """
        if self._closed:
            raise StoreClosed(self.path)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put(_Job(work, future, spare))
        result: T = await future
        return result

    async def give_back(self) -> None:
        """Give all free pages back to the disk, some in each commit, so that nobody waits long."""

        def work(db: sqlite3.Connection) -> int:
            for _ in range(_GIVE_BACK_PAGES):
                db.execute("PRAGMA incremental_vacuum")  # one page each: Python steps it once
            left: int = db.execute("PRAGMA freelist_count").fetchone()[0]
            return left

        while await self.run(work, spare=True):
            pass

    def seal(self, plain: bytes, about: bytes = b"") -> bytes:
        """AES-256-GCM: version byte, nonce, cipher text. `about` is bound to it and needed to open it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _SEAL_VERSION + nonce + self._cipher.encrypt(nonce, plain, about)

    def unseal(self, sealed: bytes, about: bytes = b"") -> bytes:
        """What was sealed. Raises SealBroken if it was changed, or sealed about something else."""
        try:
            return unseal(self._cipher, sealed, about)
        except InvalidTag:
            raise SealBroken(self.path) from None

    # --- the writer thread ---

    def _write(self) -> None:
        self._set_limit()
        seen = self._version()
        while True:
            try:
                job = self._jobs.get(timeout=LOOK_S)
            except queue.Empty:
                seen, before = self._version(), seen
                if seen != before:
                    self._tell(self.changed.ring)
                continue
            if job is None:
                break
            batch, last = [job], False
            while len(batch) < BATCH_MOST:
                try:
                    more = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                    break
                batch.append(more)
            self._commit(batch)
            if last:
                break
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _commit(self, batch: list[_Job]) -> None:
        batch = [job for job in batch if not job.future.cancelled()]
        before = self._connection.total_changes
        if self._transact(batch) == sqlite3.SQLITE_FULL and len(batch) > 1:
            # SQLite undoes everything for the one that found no room: its neighbours may still fit.
            for job in batch:
                self._transact([job])
        changed = self._connection.total_changes != before
        self._tell(self._answer, batch, changed)

    def _transact(self, batch: list[_Job]) -> int | None:
        """Do the jobs in one transaction; SQLite's primary error code if all of it was lost."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                job.error = None
                self._do(job)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            for job in batch:
                job.error = self._named(error)
            return _primary_code(error)
        return None

    def _tell(self, what: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has gone: nobody waits any more
            self._loop.call_soon_threadsafe(what, *arguments)

    def _version(self) -> int:
        """Changes when another connection has committed (SQLite's data_version)."""
        try:
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            return 0  # whoever works with the file next is told why
        return version

    def _set_limit(self, spare_pages: int = 0) -> None:
        """Let the file grow to its quota; one that is larger by now may stay, and not grow."""
        if self._quota is None:
            return
        page_bytes: int = self._connection.execute("PRAGMA page_size").fetchone()[0]
        most = self._quota.pages(page_bytes) + spare_pages
        self._connection.execute(f"PRAGMA max_page_count = {most}").fetchall()

    def _do(self, job: _Job) -> None:
        """One job in its savepoint. Raises sqlite3.Error if the whole transaction is lost with it."""
        self._connection.execute("SAVEPOINT job")
        if job.spare:
            self._set_limit(SPARE_PAGES)
        try:
            job.result = job.work(self._connection)
        except BaseException as error:  # carried to the task that waits for it
            job.error = self._named(error)
            if isinstance(error, sqlite3.Error) and not self._connection.in_transaction:
                raise
            self._connection.execute("ROLLBACK TO job")
        finally:
            if job.spare:
                self._set_limit()
        self._connection.execute("RELEASE job")

    def _answer(self, batch: list[_Job], changed: bool) -> None:
        for job in batch:
            if job.future.cancelled():
                continue
            if job.error is None:
                job.future.set_result(job.result)
            else:
                job.future.set_exception(job.error)
        if changed:
            self.changed.ring()

    def _named(self, error: BaseException) -> BaseException:
        if not isinstance(error, sqlite3.Error):
            return error
        named = _named(self.path, error)
        if isinstance(named, StoreFull) and self._quota is not None:
            return StoreFull(self.path, self._quota.holds, self._quota.megabytes)
        if isinstance(named, StoreCorrupt):
            _suspect(self.path).touch()  # the next start looks at every page
        return named


def _open(path: Path, key: bytes, migrations: Sequence[str]) -> tuple[sqlite3.Connection, Path | None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    quarantined: Path | None = None
    try:
        connection = _connect(path, key, migrations)
    except StoreCorrupt as error:
        quarantined = _set_aside(path)
        logger.error("%s; it was moved to %s and a new one is begun", error, quarantined)  # noqa: TRY400
        connection = _connect(path, key, migrations)
    _sync_folder(path.parent)
    return connection, quarantined


def _connect(path: Path, key: bytes, migrations: Sequence[str]) -> sqlite3.Connection:
    wal = path.with_name(path.name + "-wal")
    unclean = (wal.exists() and wal.stat().st_size > 0) or _suspect(path).exists()
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        _prepare(connection, path, unclean=unclean)
        _migrate(connection, path, migrations)
        _prove_key(connection, path, key)
    except sqlite3.Error as error:
        connection.close()
        raise _named(path, error) from error
    except BaseException:
        connection.close()
        raise
    _suspect(path).unlink(missing_ok=True)
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, *, unclean: bool) -> None:
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    if owner not in (0, APPLICATION_ID):
        raise StoreCorrupt(path, f"application id {owner:#x}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only has an effect before the first table
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 1000")
    connection.execute(f"PRAGMA journal_size_limit = {8 * 1024 * 1024}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    if unclean:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreCorrupt(path, "quick_check")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    # A script, since a plain execute() steps once and so gives one page back.
    connection.executescript(f"PRAGMA incremental_vacuum({GIVE_BACK_AT_OPEN_PAGES})")


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise StoreTooNew(path, version, len(migrations))
    for number, script in enumerate(migrations[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{script};\nPRAGMA user_version = {number};\nCOMMIT;")


def _prove_key(connection: sqlite3.Connection, path: Path, key: bytes) -> None:
    cipher = AESGCM(key)
    connection.execute("CREATE TABLE IF NOT EXISTS seal_proof (sealed BLOB NOT NULL)")
    row = connection.execute("SELECT sealed FROM seal_proof").fetchone()
    if row is None:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        proof = _SEAL_VERSION + nonce + cipher.encrypt(nonce, SEAL_PROOF, b"")
        connection.execute("INSERT INTO seal_proof VALUES (?)", (proof,))
        return
    try:
        unseal(cipher, row[0], b"")
    except InvalidTag:
        raise WrongKey(path) from None


def unseal(cipher: AESGCM, sealed: bytes, about: bytes) -> bytes:
    """What `Store.seal` sealed. Raises cryptography's InvalidTag."""
    if sealed[:1] != _SEAL_VERSION or len(sealed) < 1 + _NONCE_BYTES + 16:
        raise InvalidTag
    return cipher.decrypt(sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :], about)


def _named(path: Path, error: sqlite3.Error) -> BaseException:
    """The error of the tree that an SQLite error is; a broken constraint is the caller's own business."""
    if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
        return error
    primary = _primary_code(error)
    if primary in _CORRUPT:
        return StoreCorrupt(path, str(error))
    if primary == sqlite3.SQLITE_FULL:
        return StoreFull(path)
    return StoreError(path, str(error))


def _primary_code(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _suspect(path: Path) -> Path:
    return path.with_name(path.name + ".suspect")


def _quarantined(path: Path) -> list[Path]:
    suffixes = ("-wal", "-shm")
    return [p for p in path.parent.glob(f"quarantine/{path.name}.*") if not p.name.endswith(suffixes)]


def _set_aside(path: Path) -> Path:
    """Move the damaged file and what belongs to it to quarantine/<name>.<n>; nothing is deleted."""
    folder = path.parent / "quarantine"
    folder.mkdir(exist_ok=True)
    number = 1
    while (folder / f"{path.name}.{number}").exists():
        number += 1
    target = folder / f"{path.name}.{number}"
    for suffix in ("-wal", "-shm", ""):  # the file last: while it is in place, a cut here is repeated
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(target.with_name(target.name + suffix))
    _suspect(path).unlink(missing_ok=True)
    _sync_folder(folder)
    _sync_folder(path.parent)
    return target


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
