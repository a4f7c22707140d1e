"""The live picture: blocks, gaps, heart rate, quality, slow pages."""

import numpy as np
import pytest

from ecg import simulate
from ecg.leads import BOX_LEADS, LEADS
from edge_agent.capture.live import LivePicture
from edge_agent.drivers.events import Samples
from protocols import live

RATE = 500
ROWS = [LEADS.index(lead) for lead in BOX_LEADS]


def heart(seconds: float, scenario: str = "sinus") -> np.ndarray:
    return np.rint(simulate.simulate(scenario, seconds, RATE, 7).samples[ROWS]).astype(np.int32)


def samples(counts: np.ndarray, first: int, off: frozenset[str] = frozenset()) -> Samples:
    return Samples(first, RATE, BOX_LEADS, counts, 1.0, off)


def feed(
    picture: LivePicture, counts: np.ndarray, n: int = 25, first: int = 0, **more: frozenset[str]
) -> None:
    for at in range(0, counts.shape[1], n):
        picture.feed(samples(counts[:, at : at + n], first + at, **more))


def blocks(queue: object) -> list[live.Block]:
    found = []
    while not queue.empty():  # type: ignore[attr-defined]
        found.append(live.unpack(queue.get_nowait()))  # type: ignore[attr-defined]
    return found


async def test_ten_blocks_a_second_of_twelve_leads() -> None:
    picture = LivePicture()
    with picture.watch() as queue:
        feed(picture, heart(2))
        found = blocks(queue)
    assert len(found) == 20
    assert {block.leads for block in found} == {LEADS}
    assert [block.first_sample for block in found] == list(range(0, 1000, 50))
    assert all(block.counts.shape == (12, 50) and block.flags == 0 for block in found)
    whole = np.hstack([block.counts for block in found]).astype(int)
    # Each count is rounded by itself, so Einthoven holds to one count.
    assert np.abs(whole[2] - (whole[1] - whole[0])).max() <= 1


async def test_the_monitor_band_is_marked() -> None:
    picture = LivePicture()
    with picture.watch("monitor") as queue:
        feed(picture, heart(1))
        assert {block.flags for block in blocks(queue)} == {live.MONITORING}


async def test_a_gap_shows_in_the_numbers() -> None:
    picture = LivePicture()
    with picture.watch() as queue:
        feed(picture, heart(0.2))
        feed(picture, heart(0.2), first=400)
        found = blocks(queue)
    assert [(block.first_sample, block.counts.shape[1]) for block in found] == [
        (0, 50),
        (50, 50),
        (400, 50),
        (450, 50),
    ]


async def test_a_page_that_lags_loses_the_oldest_only() -> None:
    picture = LivePicture()
    with picture.watch() as slow:
        feed(picture, heart(10))
        found = blocks(slow)
    assert len(found) == 20
    assert found[-1].first_sample == 4950


async def test_the_live_lane_gets_the_sampled_leads_while_somebody_looks() -> None:
    published: list[bytes] = []
    picture = LivePicture(published.append)
    feed(picture, heart(1))
    assert published == []
    with picture.watch("monitor"):
        feed(picture, heart(1), first=500)
    assert len(published) == 10
    assert live.unpack(published[0]).leads == BOX_LEADS
    feed(picture, heart(1), first=1000)
    assert len(published) == 10


@pytest.mark.parametrize(
    ("scenario", "low", "high"), [("sinus:72", 70, 74), ("sinus:40", 38, 42), ("sinus:150", 147, 153)]
)
async def test_heart_rate(scenario: str, low: int, high: int) -> None:
    picture = LivePicture()
    feed(picture, heart(12, scenario))
    assert picture.heart_rate is not None
    assert low <= picture.heart_rate <= high
    assert set(picture.lead_quality.values()) == {"good"}


async def test_no_heart_rate_without_beats_and_none_after_they_stop() -> None:
    picture = LivePicture()
    feed(picture, heart(8))
    assert picture.heart_rate is not None
    feed(picture, np.zeros((8, 6 * RATE), dtype=np.int32), first=8 * RATE)
    assert picture.heart_rate is None


async def test_quality_follows_within_a_second() -> None:
    picture = LivePicture()
    feed(picture, heart(8))
    feed(picture, heart(1.1), first=8 * RATE, off=frozenset({"V2"}))
    assert picture.lead_quality["V2"] == "lead_off"
    assert picture.lead_quality["V3"] == "good"
    assert picture.electrodes_off == {"V2"}
    feed(picture, heart(1.1), first=8 * RATE + 550)
    assert picture.lead_quality["V2"] != "lead_off"


async def test_when_the_box_is_gone_nothing_is_said() -> None:
    picture = LivePicture()
    feed(picture, heart(8), off=frozenset({"V1"}))
    picture.clear()
    assert (picture.heart_rate, picture.lead_quality, picture.electrodes_off) == (None, {}, frozenset())
    feed(picture, heart(8), first=0)  # its numbering may begin anew
    assert picture.heart_rate is not None
