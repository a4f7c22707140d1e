"""A station's queues and its link, for the tests of this folder."""

import asyncio
import contextlib

import pytest

from edge_agent import inbox as inbox_module
from edge_agent import outbox as outbox_module
from edge_agent.clock import Clock
from edge_agent.inbox import Inbox
from edge_agent.outbox import Outbox
from edge_agent.store import Store
from edge_agent.uplink import Timing, Uplink
from protocols.messages import ReportOpened, StationStatus

KEY = bytes(range(32))
STATION = "MT-0001"
QUICK = Timing(
    connect_s=3, puback_s=1.0, receipt_s=0.6, backoff_first_s=0.05, backoff_most_s=0.1, stable_s=60
)


class Station:
    """A station's queues and its link, running."""

    def __init__(self, settings, outbox, inbox, timing, clock):
        self.outbox, self.inbox = outbox, inbox

        async def status():
            return StationStatus(online=True, version="test", waiting=(await outbox.waiting()).total)

        self.uplink = Uplink(settings, outbox, inbox, clock, status, timing)

    async def append(self, ref, lane="clinical", size=10):
        message = ReportOpened(report_id=ref, exam_id="e", opened_by="x" * size, opened_ns=1)
        return await self.outbox.append(message, lane, ref)

    async def received(self, ref, seconds=10):
        await self.comes_to_be(ref, "received", seconds)

    async def comes_to_be(self, ref, state, seconds=10):
        for _ in range(int(seconds / 0.02)):
            if (await self.outbox.state_of(ref)).state == state:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{ref} is not {state}: {await self.outbox.state_of(ref)}")


@pytest.fixture
def station(tmp_path, station_settings):
    @contextlib.asynccontextmanager
    async def make(settings, timing=QUICK, *, run=True, clock=None):
        clock = clock or Clock()
        out_path, in_path = tmp_path / outbox_module.FILE_NAME, tmp_path / inbox_module.FILE_NAME
        async with (
            Store.open(out_path, KEY, outbox_module.MIGRATIONS) as out_store,
            Store.open(in_path, KEY, inbox_module.MIGRATIONS) as in_store,
        ):
            made = Station(
                station_settings(settings),
                Outbox(out_store, clock, STATION),
                Inbox(in_store, clock),
                timing,
                clock,
            )
            async with asyncio.TaskGroup() as group:
                task = group.create_task(made.uplink.run()) if run else None
                try:
                    yield made
                finally:
                    if task is not None:
                        task.cancel()

    return make
