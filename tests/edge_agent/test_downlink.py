"""Received messages lead to what the station does."""

import asyncio

import pytest

from edge_agent import downlink
from edge_agent.errors import StoreFull
from edge_agent.inbox import MIGRATIONS, Inbox
from edge_agent.store import Store
from fakes import FakeClock, until
from protocols import envelope
from protocols.envelope import HUB, Frame, Stamp
from protocols.messages import MESSAGES, ReportShow
from protocols.report import Report


class Shelf:
    """A room that keeps reports, and fails as often as it is told to."""

    def __init__(self, failures=0):
        self.kept = []
        self.failures = failures

    async def keep_report(self, message):
        if self.failures:
            self.failures -= 1
            raise StoreFull("room.db")
        self.kept.append(message.report_id)


@pytest.fixture
async def inbox(tmp_path):
    async with Store.open(tmp_path / "inbox.db", bytes(32), MIGRATIONS) as store:
        yield Inbox(store, FakeClock())


async def arrive(inbox, seq):
    message = ReportShow(
        report_id=f"r{seq}",
        exam_id="e",
        version=1,
        report=Report.model_construct(),
        signed_by="x",
        signed_ns=1,
        pdf=b"",
    )
    body = envelope.encode_body(message)
    header = envelope.header_for(message, body, sender=HUB, epoch=bytes(8), seq=seq, stamp=Stamp(1))
    await inbox.accept(Frame(header, 0, 1, body))


def test_every_downward_type_has_a_handler():
    downward = {name for name, row in MESSAGES.items() if row.durable and row.direction != "up"}
    assert downward == downlink.HANDLERS.keys()


async def test_a_report_is_shown_once(inbox):
    shelf = Shelf()
    await arrive(inbox, 1)
    await arrive(inbox, 1)
    assert await downlink.act(inbox, shelf) == 0
    assert await downlink.act(inbox, shelf) == 0
    assert shelf.kept == ["r1"]


async def test_what_failed_stays_and_comes_again(inbox):
    shelf = Shelf(failures=1)
    await arrive(inbox, 1)
    await arrive(inbox, 2)
    assert await downlink.act(inbox, shelf) == 1
    assert shelf.kept == ["r2"]
    assert await downlink.act(inbox, shelf) == 0
    assert shelf.kept == ["r2", "r1"]


async def test_it_acts_on_what_was_there_and_on_what_arrives(inbox):
    shelf = Shelf(failures=1)
    await arrive(inbox, 1)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(downlink.run(inbox, shelf, retry_s=0.01))
        await until(lambda: shelf.kept == ["r1"], "what was there")
        await arrive(inbox, 2)
        await until(lambda: shelf.kept == ["r1", "r2"], "what arrived")
        task.cancel()
