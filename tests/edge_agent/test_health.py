"""The heartbeat says what waits, and says it on change."""

import asyncio
import socket

import pytest

from edge_agent import health
from edge_agent.outbox import MIGRATIONS, Outbox
from edge_agent.store import Store
from fakes import FakeClock
from protocols.messages import BoxState, ReceiptItem, ReportOpened

BOX = BoxState(name="ecg_ads1298", state="streaming", serial="BOX-0001", battery_percent=80)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
async def outbox(tmp_path, clock):
    async with Store.open(tmp_path / "outbox.db", bytes(32), MIGRATIONS) as store:
        yield Outbox(store, clock, "MT-0001")


async def append(outbox, ref):
    message = ReportOpened(report_id=ref, exam_id="e", opened_by="x", opened_ns=1)
    return await outbox.append(message, "prompt", ref)


async def test_status_says_what_waits(outbox, clock):
    first_ns = clock.wall_ns()
    await append(outbox, "a")
    clock.advance(60)
    bad = await append(outbox, "b")
    await outbox.apply_receipt(ReceiptItem(mid=bad.mid, st="reject", h8=bad.sha256[:8]))
    status = await health.Health(outbox, clock, lambda: (BOX,)).status()
    assert status.online
    assert (status.waiting, status.oldest_ns, status.rejected) == (1, first_ns, 1)
    assert (status.epoch, status.first_seq, status.last_seq) == ((await outbox.numbers())[0].epoch, 1, 2)
    assert (status.at_ns, status.boxes, status.version) == (clock.wall_ns(), (BOX,), health.version())


async def test_it_speaks_on_change_and_in_between_only_every_so_often(outbox, clock):
    boxes, said, online = [BOX], [], [True]

    async def publish(status):
        if online[0]:
            said.append(status)
        return online[0]

    async def turns():
        for _ in range(30):
            await asyncio.sleep(0.002)

    async with asyncio.TaskGroup() as group:
        heart = health.Health(outbox, clock, lambda: tuple(boxes))
        task = group.create_task(heart.run(publish, every_s=30, soonest_s=0.001))
        await turns()
        assert len(said) == 1
        await append(outbox, "a")
        await turns()
        assert [status.waiting for status in said] == [0, 1]
        boxes[:] = [BOX.model_copy(update={"bad_frames": 7})]
        await turns()
        assert len(said) == 2  # a counter waits for the heartbeat
        clock.advance(31)
        await turns()
        assert said[-1].boxes[0].bad_frames == 7
        online[0] = False
        boxes[:] = [BOX.model_copy(update={"state": "gone"})]
        await turns()
        assert len(said) == 3
        online[0] = True
        await turns()
        assert said[-1].boxes[0].state == "gone"  # what could not be said is said later
        task.cancel()


async def test_systemd_is_told(tmp_path, monkeypatch):
    health.notify("READY=1")  # no systemd: nothing happens
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(1)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        health.notify("WATCHDOG=1")
        assert listener.recv(100) == b"WATCHDOG=1"
    health.notify("WATCHDOG=1")  # it has gone: a warning, no more
