"""What happens because time has passed: once, in its own transaction, and again after a database outage."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import select
from wire import INVENTORY, NOW_NS, Sender, recording_closed

from fakes import FakeClock
from hub import db, timers
from hub.domain.exam import Exam
from hub.domain.message import MessagePart
from hub.ingest.intake import Incoming, take
from hub.notices import Notices
from hub.services import stations, users, worklist

MINUTE_NS = 60 * 10**9


@pytest.fixture
def county(engine: Engine) -> Engine:
    with db.transaction(engine) as session:
        stations.import_inventory(session, INVENTORY, now_ns=NOW_NS)
    return engine


def call(engine: Engine, name: str, now_ns: int) -> list[tuple[str, str]]:
    with db.transaction(engine) as session:
        return [*timers.TIMERS[name].call(session, now_ns)]


def claimed_exam(engine: Engine) -> str:
    """An exam a reader has taken for fifteen minutes."""
    message = recording_closed()
    said = Sender().say(message)
    take(engine, [Incoming(said.topic(), said.wire)], now_ns=NOW_NS)
    with db.transaction(engine) as session:
        reader = users.create(
            session,
            username="yishi",
            name="王淑芬",
            role="ecg_reader",
            password="correct horse battery",
            now_ns=NOW_NS,
        )
        worklist.claim(session, reader, message.exam_id, claim_minutes=15, now_ns=NOW_NS)
    return message.exam_id


def status(engine: Engine, exam_id: str) -> str:
    with db.reading(engine) as session:
        return session.get_one(Exam, exam_id).status


def test_a_claim_left_lying_goes_back_to_the_list_and_is_announced(county: Engine) -> None:
    exam_id = claimed_exam(county)
    assert call(county, "release_claims", NOW_NS + 14 * MINUTE_NS) == []
    assert status(county, exam_id) == "reading"
    assert call(county, "release_claims", NOW_NS + 15 * MINUTE_NS) == [("worklist", exam_id)]
    assert status(county, exam_id) == "pending_read"
    assert call(county, "release_claims", NOW_NS + 99 * MINUTE_NS) == []


def test_parts_of_a_message_never_completed_are_forgotten_after_a_fortnight(county: Engine) -> None:
    said = Sender().say(recording_closed(), part_bytes=500)
    take(county, [Incoming(said.topic(), said.frames[0])], now_ns=NOW_NS)
    for days, left in ((13, 1), (15, 0)):
        call(county, "sweep_parts", NOW_NS + days * 86_400 * 10**9)
        with db.reading(county) as session:
            assert len(session.exec(select(MessagePart)).all()) == left


def test_sweeping_logins_of_an_empty_database(county: Engine) -> None:
    assert call(county, "sweep_logins", NOW_NS) == []


async def test_the_role_runs_them_and_wakes_the_readers(county: Engine) -> None:
    exam_id = claimed_exam(county)
    notices = Notices(None, "test")
    async with asyncio.TaskGroup() as tasks:
        waker = tasks.create_task(notices.run())
        async with notices.subscribe("worklist") as woken:
            role = tasks.create_task(timers.run(county, FakeClock(NOW_NS + 16 * MINUTE_NS), notices))  # type: ignore[arg-type]
            assert await woken.wait(10)
        role.cancel()
        waker.cancel()
    assert status(county, exam_id) == "pending_read"


async def test_a_database_that_is_away_does_not_end_the_role(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = db.open_engine(f"postgresql+psycopg://hub@/hub?host={tmp_path}")
    async with asyncio.TaskGroup() as tasks:
        role = tasks.create_task(timers.run(gone, FakeClock(), Notices(None, "test")))  # type: ignore[arg-type]
        async with asyncio.timeout(10):
            while "timer sweep_parts: the database is away" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert not role.done()
        role.cancel()
    gone.dispose()
