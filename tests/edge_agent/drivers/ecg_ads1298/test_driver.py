"""The driver over an in-memory pipe to a simulated box: who it is, what it says, how it ends."""

import asyncio
from contextlib import asynccontextmanager

import numpy as np
import pytest

from edge_agent.drivers import load
from edge_agent.drivers.ecg_ads1298 import codec
from edge_agent.drivers.ecg_ads1298.driver import Ads1298Driver
from edge_agent.drivers.events import BadFrame, Battery, BoxInfo, Gone, Samples
from edge_agent.errors import BoxSilent, TransportGone, WrongRate, WrongSerial
from edge_agent.simulator.ecg_ads1298 import Box
from edge_agent.simulator.scenarios import from_scenario
from protocols.station import BoxSettings

QUIET_S = 0.3


class Cable:
    """A cable in memory with a box at its far end; each read is what the box says next."""

    def __init__(self, box: Box | None, pieces: list[bytes | None] | None = None) -> None:
        self.box = box
        self.answers = bytearray()
        self.pieces = pieces
        """What arrives once the box runs; None: the next frame of the box. Empty: silence."""
        self.heard: list[bytes] = []
        self.open = False

    async def read(self, most: int) -> bytes:
        await asyncio.sleep(0)
        if self.answers:
            data, self.answers = bytes(self.answers[:most]), self.answers[most:]
            return data
        if self.box and self.box.interval_s and self.pieces:
            piece = self.pieces.pop(0)
            if piece == b"cut":
                raise TransportGone("pipe", "unplugged")
            return b"".join(self.box.speak()) if piece is None else piece
        await asyncio.Event().wait()
        raise AssertionError

    async def write(self, data: bytes) -> None:
        self.heard.append(data)
        if self.box:
            self.answers += self.box.hear(data)

    @asynccontextmanager
    async def at(self, address: str):
        self.open = True
        try:
            yield self
        finally:
            self.open = False


@pytest.fixture(scope="module")
def strip():
    strips = {}
    return lambda rate_hz: strips.setdefault(rate_hz, from_scenario("sinus", 7, rate_hz, 1.0))


@pytest.fixture
def box(strip) -> Box:
    return Box(strip, serial="BOX-0001", rates_hz=(500, 1000))


def driver(pipe: Cable, *, serial: str = "", rate_hz: int = 500) -> Ads1298Driver:
    settings = BoxSettings(driver="ecg_ads1298", address="pipe:", serial=serial, rate_hz=rate_hz)
    return Ads1298Driver(settings, open_transport=pipe.at, quiet_s=QUIET_S)


async def all_events(pipe: Cable, **settings) -> list:
    async with driver(pipe, **settings) as opened:
        return [event async for event in opened]


def test_the_dictionary_leads_here():
    assert load("ecg_ads1298") is Ads1298Driver


async def test_identity_first_then_every_sample_then_gone(box, strip):
    pipe = Cable(box, [None] * 40 + [b"cut"])
    info, *events, gone = await all_events(pipe, serial="BOX-0001")
    assert info == BoxInfo("BOX-0001", "sim-1", 500, codec.LEADS, 1.0, (500, 1000))
    assert gone == Gone("unplugged")
    samples = [event for event in events if isinstance(event, Samples)]
    assert [event.first_sample for event in samples] == list(range(0, 1000, 25))
    played = np.concatenate([event.counts for event in samples], axis=1)
    np.testing.assert_array_equal(played, strip(500).counts[:, :1000])
    assert sum(isinstance(event, Battery) for event in events) == 2
    assert pipe.heard[-1] == codec.encode_stop()
    assert not pipe.open


async def test_runs_at_the_rate_in_the_settings(box):
    info, *events = await all_events(Cable(box, [None, None, b"cut"]), rate_hz=1000)
    assert info.rate_hz == 1000
    assert {e.counts.shape for e in events if isinstance(e, Samples)} == {(8, 50)}


async def test_another_box_is_refused_before_any_sample(box):
    with pytest.raises(WrongSerial) as caught:
        await all_events(Cable(box, [None] * 3), serial="BOX-0002")
    assert (caught.value.expected, caught.value.found) == ("BOX-0002", "BOX-0001")


async def test_a_rate_the_box_lacks_is_refused(strip):
    box = Box(strip, serial="BOX-0001", rates_hz=(500,))
    with pytest.raises(WrongRate) as caught:
        await all_events(Cable(box), rate_hz=1000)
    assert (caught.value.wanted, caught.value.offered) == (1000, (500,))


async def test_nobody_answers_and_is_asked_again():
    pipe = Cable(None)
    settings = BoxSettings(driver="ecg_ads1298", address="pipe:")
    with pytest.raises(BoxSilent):
        async with Ads1298Driver(settings, open_transport=pipe.at, quiet_s=0.7) as opened:
            _ = [event async for event in opened]
    assert pipe.heard == [codec.encode_get_info()] * 2 + [codec.encode_stop()]


async def test_silence_is_gone(box):
    *_, last = await all_events(Cable(box, [None] * 3))
    assert last == Gone("no samples for 0.3 s")


async def test_noise_without_samples_is_gone_too(box):
    class Noisy(Cable):
        async def read(self, most: int) -> bytes:
            if self.answers or not self.box.interval_s or self.pieces:
                return await super().read(most)
            await asyncio.sleep(0.01)
            return b"\x00" * 200

    *events, last = await all_events(Noisy(box, [None]))
    assert last == Gone("no samples for 0.3 s")
    assert any(isinstance(event, BadFrame) for event in events)


async def test_damage_is_said_and_the_rest_arrives(box):
    pipe = Cable(box, [None, b"\xa5garbage", None, b"cut"])
    events = await all_events(pipe)
    assert [e.first_sample for e in events if isinstance(e, Samples)] == [0, 25]
    assert [e.size for e in events if isinstance(e, BadFrame)] == [8]


async def test_a_box_that_restarts_ends_the_connection(box):
    restarted = codec.encode_info("BOX-0001", "sim-1", 0, [500, 1000], 1.0)
    *_, last = await all_events(Cable(box, [None, restarted, None]))
    assert last == Gone("the box restarted")


async def test_what_an_earlier_connection_left_on_the_line_is_not_ours(box):
    box.hear(codec.encode_start(500))
    pipe = Cable(box, [None, b"cut"])
    pipe.answers += b"".join(frame for _ in range(3) for frame in box.speak())
    info, *events = await all_events(pipe)
    assert isinstance(info, BoxInfo)
    assert [e.first_sample for e in events if isinstance(e, Samples)] == [75]


async def test_cancelling_stops_the_box_and_closes(box):
    pipe = Cable(box, [None] * 2)

    async def run() -> None:
        async with driver(pipe) as opened:
            async for _ in opened:
                pass

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await run()
    assert box.interval_s is None
    assert not pipe.open
