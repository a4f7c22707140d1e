"""Who goes first on a line that carries little, and that nobody stands still."""

import asyncio
import contextlib
from collections import Counter

import pytest

from edge_agent.clock import Clock
from edge_agent.errors import NoReceipt
from edge_agent.outbox import FILE_NAME, MIGRATIONS, Outbox
from edge_agent.store import Store
from edge_agent.uplink.pace import Pace
from edge_agent.uplink.sender import Sender
from fakes import until
from protocols import envelope, topics
from protocols.messages import ReceiptItem, ReportOpened

STATION = "MT-0001"
RATE = 400_000
"""Bytes a second of the line."""
ROUND_TRIP_S = 0.02


class Line:
    """A broker and a hub behind a slow line: parts in order, receipts when a message is whole."""

    def __init__(self) -> None:
        self.frames = []
        """(lane, Frame) as they left the line."""
        self.silent = False
        self.sender = None
        self.held = {}
        self.free_at = 0.0
        self.group = None

    async def publish(self, topic, wire):
        now = asyncio.get_running_loop().time()
        self.free_at = max(self.free_at, now) + len(wire) / RATE
        await asyncio.sleep(self.free_at - now + ROUND_TRIP_S / 2)
        frame = envelope.decode(wire)
        self.frames.append((topics.parse(topic).x, frame))
        held = self.held.setdefault(frame.header.mid, set())
        held.add(frame.k)
        if not self.silent:
            self.group.create_task(self.receipt(frame, sorted(held)))
        await asyncio.sleep(ROUND_TRIP_S / 2)

    async def receipt(self, frame, held):
        await asyncio.sleep(ROUND_TRIP_S)  # later than the broker's own acknowledgement
        st = "committed" if len(held) == frame.n else "parts"
        h8, have = frame.header.sha256[:8], tuple(held) if st == "parts" else ()
        await self.sender.take([ReceiptItem(mid=frame.header.mid, st=st, h8=h8, have=have)])


@pytest.fixture
def link(tmp_path):
    @contextlib.asynccontextmanager
    async def make(receipt_s=5.0):
        line = Line()
        async with Store.open(tmp_path / FILE_NAME, bytes(32), MIGRATIONS) as store:
            outbox = Outbox(store, Clock(), STATION)
            line.sender = Sender(outbox, Clock(), Pace(), STATION, receipt_s, line.publish)
            async with asyncio.TaskGroup() as line.group:
                yield outbox, line

    return make


def opened(ref, size):
    return ReportOpened(report_id=ref, exam_id="e", opened_by="x" * size, opened_ns=1)


async def received(outbox, *refs):
    while any(fate.state != "received" for fate in (await outbox.states_of(refs)).values()):  # noqa: ASYNC110 - as a user would look
        await asyncio.sleep(0.01)


async def test_every_part_is_sent_once_although_receipts_come_late(link):
    async with link() as (outbox, line):
        for i in range(4):
            await outbox.append(opened(f"m{i}", 60_000), "clinical", f"m{i}")
        task = line.group.create_task(line.sender.run())
        await received(outbox, *(f"m{i}" for i in range(4)))
        task.cancel()
    sent = Counter((frame.header.mid, frame.k) for _, frame in line.frames)
    assert set(sent.values()) == {1}


async def test_an_urgent_message_waits_for_a_window_at_most(link):
    async with link() as (outbox, line):
        await outbox.append(opened("large", 400_000), "bulk", "large")
        task = line.group.create_task(line.sender.run())
        await until(lambda: len(line.frames) >= 8, "the large one is under way")
        urgent = await outbox.append(opened("urgent", 6_000), "urgent", "urgent")
        ahead, window = len(line.frames), line.sender.pace.window_bytes
        await received(outbox, "urgent")
        task.cancel()
    first = next(i for i, (_, frame) in enumerate(line.frames) if frame.header.mid == urgent.mid)
    between = sum(len(frame.body) for _, frame in line.frames[ahead:first])
    assert between <= window + 16 * 1024


async def test_bulk_is_never_left_standing_behind_clinical(link):
    async with link() as (outbox, line):
        for i in range(12):
            await outbox.append(opened(f"c{i}", 60_000), "clinical", f"c{i}")
        await outbox.append(opened("b", 120_000), "bulk", "b")
        task = line.group.create_task(line.sender.run())
        await received(outbox, *(f"c{i}" for i in range(12)))
        task.cancel()
    carried = Counter()
    for lane, frame in line.frames:
        carried[lane] += len(frame.body)
    assert 0.05 <= carried["bulk"] / sum(carried.values()) <= 0.2


async def test_a_lane_that_was_idle_has_saved_up_no_turns(link):
    async with link() as (outbox, line):
        for i in range(8):
            await outbox.append(opened(f"c{i}", 60_000), "clinical", f"c{i}")
        task = line.group.create_task(line.sender.run())
        await received(outbox, *(f"c{i}" for i in range(4)))
        await outbox.append(opened("b", 300_000), "bulk", "b")
        ahead = len(line.frames)
        await until(lambda: any(lane == "bulk" for lane, _ in line.frames), "bulk began")
        await received(outbox, *(f"c{i}" for i in range(8)))
        task.cancel()
    run = longest = 0
    for lane, _ in line.frames[ahead:]:
        run = run + 1 if lane == "bulk" else 0
        longest = max(longest, run)
    assert longest <= 4


async def test_a_hub_that_says_nothing_is_left(link):
    async with link(receipt_s=0.3) as (outbox, line):
        line.silent = True
        await outbox.append(opened("a", 100), "clinical", "a")
        with pytest.raises(ExceptionGroup) as raised:
            await line.sender.run()
    assert raised.value.subgroup(NoReceipt)
