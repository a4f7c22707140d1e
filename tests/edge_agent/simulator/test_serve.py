"""The simulator behind real addresses, spoken to by the real driver."""

import asyncio
from contextlib import asynccontextmanager
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edge_agent.drivers.ecg_ads1298.driver import Ads1298Driver
from edge_agent.drivers.events import BadFrame, BoxInfo, Gone, Samples
from edge_agent.simulator import serve as serving
from edge_agent.simulator.ecg_ads1298 import Box
from edge_agent.simulator.scenarios import from_scenario
from edge_agent.simulator.serve import Faults, parse_faults, serve
from protocols.station import BoxSettings

SPEED = 20.0


@pytest.fixture(scope="module")
def strip():
    made = from_scenario("sinus", 7, 500, 1.0)
    return lambda rate_hz: made


@asynccontextmanager
async def simulator(strip, address: str, faults: Faults = Faults(), log: BytesIO | None = None):
    box = Box(strip, serial="BOX-0001", rates_hz=(500,), sent_log=log)
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(serve(box, address, faults=faults, speed=SPEED, ready=listening.set_result))
        yield await asyncio.wait_for(listening, 2)
        task.cancel()


async def listen(address: str, most_samples: int, quiet_s: float = 3.0) -> list:
    events, heard = [], 0
    settings = BoxSettings(driver="ecg_ads1298", address=address)
    async with asyncio.timeout(10), Ads1298Driver(settings, quiet_s=quiet_s) as driver:
        async for event in driver:
            events.append(event)
            heard += event.counts.shape[1] if isinstance(event, Samples) else 0
            if heard >= most_samples:
                break
    return events


@pytest.fixture(params=["tcp", "pty"])
def address(request, tmp_path: Path) -> str:
    return "tcp:127.0.0.1:0" if request.param == "tcp" else f"pty:{tmp_path}/box"


async def test_every_sample_sent_is_every_sample_heard_across_connections(strip, address):
    log = BytesIO()
    async with simulator(strip, address, log=log) as real:
        connections = [await listen(real, 500) for _ in range(2)]
    sent = np.frombuffer(log.getvalue(), dtype="<i4").reshape(-1, 8)
    last = -1
    for events in connections:
        assert isinstance(events[0], BoxInfo)
        for event in events:
            if isinstance(event, Samples):
                assert event.first_sample > last
                last = event.first_sample + event.counts.shape[1] - 1
                np.testing.assert_array_equal(event.counts.T, sent[event.first_sample : last + 1])
    assert last >= 999


async def test_the_log_holds_what_was_lost_too(strip):
    log = BytesIO()
    async with simulator(strip, "tcp:127.0.0.1:0", Faults(lost=0.3, seed=3), log) as real:
        samples = [e for e in await listen(real, 1000) if isinstance(e, Samples)]
    gaps = [b.first_sample - a.first_sample - 25 for a, b in pairwise(samples)]
    assert sum(gap > 0 for gap in gaps) > 3
    sent = np.frombuffer(log.getvalue(), dtype="<i4").reshape(-1, 8)
    for event in samples:
        np.testing.assert_array_equal(event.counts.T, sent[event.first_sample :][:25])


async def test_garbage_is_heard_as_bad_frames_and_no_sample_is_wrong(strip):
    log = BytesIO()
    async with simulator(strip, "tcp:127.0.0.1:0", Faults(garbage=0.2, seed=1), log) as real:
        events = await listen(real, 1000)
    assert any(isinstance(event, BadFrame) for event in events)
    sent = np.frombuffer(log.getvalue(), dtype="<i4").reshape(-1, 8)
    for event in events:
        if isinstance(event, Samples):
            np.testing.assert_array_equal(event.counts.T, sent[event.first_sample :][:25])


async def test_a_pulled_cable_is_gone_and_comes_back(strip, address, monkeypatch):
    monkeypatch.setattr(serving, "_UNPLUGGED_S", 0.2)
    async with simulator(strip, address, Faults(cut_after_s=0.1)) as real:
        assert isinstance((await listen(real, 10**9))[-1], Gone)
        await asyncio.sleep(0.3)
        assert isinstance((await listen(real, 100))[0], BoxInfo)


async def test_a_silent_box_is_gone(strip):
    async with simulator(strip, "tcp:127.0.0.1:0", Faults(silent_after_s=0.05)) as real:
        assert (await listen(real, 10**9, 0.5))[-1] == Gone("no samples for 0.5 s")


def test_faults_as_written():
    assert parse_faults(["cut", "lost:0.1", "garbage"], 7) == Faults(0.02, 0.1, 5.0, None, 7)
    assert parse_faults(["silent:2"], 0) == Faults(silent_after_s=2.0)
    with pytest.raises(ValueError, match="is no fault"):
        parse_faults(["fire"], 0)


async def test_an_address_nobody_can_listen_on_is_refused(strip):
    box = Box(strip, serial="B", rates_hz=(500,))
    for address in ("serial:/dev/ttyUSB0", "tcp:7001", "pty:"):
        with pytest.raises(ValueError, match="listen on"):
            await serve(box, address, faults=Faults(), speed=1, ready=print)
