"""The engine, and transaction(): the only commit in the hub, always before the answer."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.orm import ORMExecuteState
from sqlmodel import Session

_logger = logging.getLogger(__name__)
_BUSY_TIMEOUT_MS = 15_000
_READ_ONLY = "maitong_read_only"

P = ParamSpec("P")
T = TypeVar("T")


def open_engine(url: str) -> Engine:
    """The engine of a database URL, set up so that a commit that returned has reached the disk."""
    if make_url(url).get_backend_name() == "sqlite":
        database = make_url(url).database
        if database:
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, pool_size=20, max_overflow=40, pool_timeout=30)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(url, pool_size=10, max_overflow=20, pool_pre_ping=True)


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # NORMAL loses acknowledged rows in a power cut
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A write transaction takes its lock at once: one that read first and upgrades later can fail
    # with "database is locked" however long it would have waited.
    read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@event.listens_for(Session, "do_orm_execute")
def _locked_rows_are_fresh(state: ORMExecuteState) -> None:
    """A row that is locked is also read anew.

    SQLAlchemy keeps the values of an object it has already loaded; whoever locked the row and then decided
    by them would decide by what it was before somebody else's commit.
    """
    if state.is_select and getattr(state.statement, "_for_update_arg", None) is not None:
        state.update_execution_options(populate_existing=True)


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session whose work is committed when the block ends, and undone when it raises."""
    with Session(engine, expire_on_commit=False) as session:
        yield session
        session.commit()


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session that only reads and leaves nothing behind; it does not wait for writers."""
    with Session(engine.execution_options(**{_READ_ONLY: True}), expire_on_commit=False) as session:
        yield session


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of `work` in a thread of its own; who is cancelled meanwhile first waits for its end.

    A thread cannot be stopped. Left behind, it would hold a connection while the engine is being disposed
    of, and commit what nobody hears of any more.
    """
    running = asyncio.get_running_loop().run_in_executor(None, lambda: work(*args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        running.exception()  # seen: nobody is left to hear of it
        raise


def _alembic(url: str = "") -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def migrate(engine: Engine) -> str:
    """Bring the database to the newest revision, in one transaction, and return its name."""
    config = _alembic()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return newest_revision()


def newest_revision() -> str:
    """The one head this program knows."""
    head = ScriptDirectory.from_config(_alembic()).get_current_head()
    assert head is not None, "hub/migrations holds no revision"
    return head


def revision(engine: Engine) -> str | None:
    """The revision the database is at; None: never migrated."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
