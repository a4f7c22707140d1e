"""The engine, the one commit, and the migrations, on both databases."""

import asyncio
import re
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlmodel import Session, select

from hub import db, domain
from hub.domain import Organisation
from hub.domain.message import ReceivedMessage
from hub.services import stations
from protocols.envelope import message_id
from protocols.messages import StationHello

HUB = Path(db.__file__).parent


def test_migrations_have_one_head_and_make_what_the_tables_say(engine: Engine) -> None:
    assert len(ScriptDirectory.from_config(db._alembic()).get_heads()) == 1
    assert db.revision(engine) == db.newest_revision()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, domain.metadata) == []


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    with engine.connect() as connection:
        before = connection.execute(text("SELECT epoch FROM hub_identity")).scalar_one()
    db.migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT epoch FROM hub_identity")).scalar_one() == before
    assert len(bytes(before)) == 8


def test_a_county_of_the_first_release_is_upgraded_with_what_is_in_it(database_url: str) -> None:
    """Messages taken before the hub kept their numbers get them; those of a replaced store have none."""
    engine, epoch = db.open_engine(database_url), b"12345678"
    config = db._alembic()
    numbers = [1, 2, 3, 5, 9]
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text("INSERT INTO organisation VALUES ('V1', '一', '', 'village_clinic', NULL, 0)")
        )
        connection.execute(
            text(
                "INSERT INTO station"
                " (id, organisation_id, name, online, waiting, rejected, boxes, epoch, version)"
                " VALUES ('MT-0001', 'V1', '一', :yes, 4, 0, '[]', :epoch, '0.1.0')"
            ),
            {"yes": True, "epoch": epoch},
        )
        for store, seq in [*((epoch, n) for n in numbers), (b"replaced", 4)]:
            connection.execute(
                text(
                    "INSERT INTO received_message (mid, sha256, station_id, type, state, code, received_ns)"
                    " VALUES (:mid, :mid, 'MT-0001', 'recording.closed', 'committed', '', 7)"
                ),
                {"mid": message_id("MT-0001", store, seq)},
            )
    db.migrate(engine)
    with db.reading(engine) as session:
        rows = {row.mid: row for row in session.exec(select(ReceivedMessage))}
    assert len(rows) == 6
    for seq in numbers:
        row = rows[message_id("MT-0001", epoch, seq)]
        assert (row.epoch, row.seq, row.received_ns) == (epoch, seq, 7)
    assert (rows[message_id("MT-0001", b"replaced", 4)].epoch) is None
    hello = StationHello(epoch=epoch, boot="b", version="1", first_seq=4, last_seq=9)
    with db.transaction(engine) as session:
        assert stations.hello(session, "MT-0001", hello, now_ns=1)
    with db.reading(engine) as session:
        (row,) = stations.listing(session, now_ns=1)
    assert row.missing == 4  # 4, 6, 7 and 8
    engine.dispose()


def test_an_unmigrated_database_has_no_revision(database_url: str) -> None:
    engine = db.open_engine(database_url)
    assert db.revision(engine) is None
    engine.dispose()


def test_a_transaction_is_kept_when_the_block_ends_and_undone_when_it_raises(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add(Organisation(id="A", name="甲", kind="village_clinic"))

    def add_and_fail() -> None:
        with db.transaction(engine) as session:
            session.add(Organisation(id="B", name="乙", kind="village_clinic"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_fail()
    with db.reading(engine) as session:
        assert list(session.exec(select(Organisation.id))) == ["A"]


def test_a_locked_row_is_read_anew_and_loses_no_change_of_its_own(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add(Organisation(id="V1", name="一", kind="village_clinic"))
    with Session(engine) as mine:
        held = mine.get_one(Organisation, "V1")
        if engine.dialect.name == "postgresql":  # SQLite lets nobody write between a read and a write
            with db.transaction(engine) as other:
                other.get_one(Organisation, "V1").name = "二"
            assert held.name == "一", "as it was read"
            assert mine.get(Organisation, "V1", with_for_update=True) is held
            assert held.name == "二"
        held.name = "三"
        assert mine.exec(select(Organisation).with_for_update()).one().name == "三"


def test_reading_leaves_nothing_behind(engine: Engine) -> None:
    with db.reading(engine) as session:
        session.add(Organisation(id="A", name="甲", kind="village_clinic"))
        session.flush()
    with db.reading(engine) as session:
        assert session.exec(select(Organisation)).all() == []


def test_sqlite_is_durable_and_reads_beside_a_writer(tmp_path: Path) -> None:
    engine = db.open_engine(f"sqlite:///{tmp_path / 'hub.db'}")
    db.migrate(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    with db.transaction(engine) as writer:
        writer.add(Organisation(id="A", name="甲", kind="village_clinic"))
        writer.flush()
        with db.reading(engine) as reader:
            assert reader.exec(select(Organisation)).all() == []
    engine.dispose()


def test_concurrent_writers_all_get_through(engine: Engine) -> None:
    def add(n: int) -> None:
        with db.transaction(engine) as session:
            session.exec(select(Organisation)).all()
            session.add(Organisation(id=f"O{n}", name="甲", kind="village_clinic"))

    threads = [threading.Thread(target=add, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.reading(engine) as session:
        assert len(session.exec(select(Organisation)).all()) == 12


def test_nobody_commits_but_the_transaction() -> None:
    offenders = [
        str(file.relative_to(HUB))
        for file in HUB.rglob("*.py")
        if file != HUB / "db.py" and re.search(r"\.commit\(", file.read_text(encoding="utf-8"))
    ]
    assert offenders == []


async def test_who_is_cancelled_waits_for_the_work_under_way() -> None:
    begun, go_on, done = asyncio.Event(), threading.Event(), []
    loop = asyncio.get_running_loop()

    def work(word: str) -> str:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(10)
        done.append(word)
        return word

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(db.in_thread(work, "committed"))
        await begun.wait()
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
    assert task.cancelled()
    assert done == ["committed"]


async def test_work_in_a_thread_gives_its_result_or_its_error() -> None:
    assert await db.in_thread(int, "12") == 12
    with pytest.raises(ValueError, match="invalid literal"):
        await db.in_thread(int, "twelve")
