"""Corrected times: what a station learns late, applied to what it stamped early, whatever comes first."""

from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import col, select
from wire import STATION, recording_closed

from edge_agent import outbox as outbox_module
from edge_agent.clock import Clock
from edge_agent.outbox import Outbox
from edge_agent.store import Store
from fakes import START_NS, FakeMachine
from hub import db
from hub.domain.message import ReceivedMessage
from hub.domain.recording import Recording
from hub.ingest.intake import Incoming, take
from hub.services import recordings, times
from protocols import topics
from protocols.messages import RecordingClosed, TimeFixed

SECOND = 10**9
YEAR = 365 * 86_400 * SECOND
IN_1970 = 90 * SECOND
FIX = TimeFixed(boot="b1", mono_ns=500 * SECOND, wall_ns=START_NS, err_ns=SECOND)


def _recording(recording_id: str, **changes: object) -> RecordingClosed:
    said = {"started_ns": IN_1970, "started_quality": "none", "started_boot": "b1"} | changes
    return recording_closed(recording_id=recording_id, **({"started_mono_ns": 80 * SECOND} | said))


def _store(engine: Engine, message: RecordingClosed, station: str = STATION) -> None:
    with db.transaction(engine) as session:
        recordings.store(session, station, message, lane="clinical", clock_quality="hub", now_ns=START_NS)


def _fix(engine: Engine, fix: TimeFixed = FIX, station: str = STATION) -> list[str]:
    with db.transaction(engine) as session:
        return times.fixed(session, station, fix, now_ns=START_NS)


def _rows(engine: Engine) -> dict[str, Recording]:
    with db.reading(engine) as session:
        return {row.id: row for row in session.exec(select(Recording))}


def test_what_was_stamped_before_the_time_was_known_is_corrected_whichever_comes_first(
    county: Engine,
) -> None:
    early = _recording("early")
    _store(county, early)
    assert _rows(county)["early"].corrected_ns is None
    assert _fix(county) == [early.exam_id]
    _store(county, _recording("late", started_mono_ns=700 * SECOND))
    rows = _rows(county)
    assert rows["early"].corrected_ns == START_NS - 420 * SECOND
    assert rows["late"].corrected_ns == START_NS + 200 * SECOND
    for row in rows.values():  # three times, kept apart
        assert (row.started_ns, row.clock_quality, row.received_ns) == (IN_1970, "none", START_NS)
    assert _fix(county, FIX.model_copy(update={"wall_ns": START_NS + YEAR})) == []
    assert _rows(county)["early"].corrected_ns == START_NS - 420 * SECOND, "corrected once"


@pytest.mark.parametrize(
    "changes",
    [
        {"started_quality": "ntp"},
        {"started_quality": "hub"},
        {"started_quality": None},  # then as in the envelope: hub
        {"started_boot": "b2"},
        {"started_boot": ""},
        {"started_mono_ns": None},
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_else_is_touched(county: Engine, changes: dict[str, object]) -> None:
    _store(county, _recording("a", **changes))
    _store(county, _recording("elsewhere"), "MT-0002")
    assert _fix(county) == []
    _store(county, _recording("b", **changes))
    assert [row.corrected_ns for row in _rows(county).values()] == [None] * 3


def test_a_time_no_column_can_keep_is_none(county: Engine) -> None:
    far = FIX.model_copy(update={"wall_ns": 2**63 - 1, "mono_ns": 0})
    assert _fix(county, far) == []
    _store(county, _recording("a"))
    assert _rows(county)["a"].corrected_ns is None


@pytest.mark.parametrize("off_ns", [-START_NS, 10 * YEAR, -3 * YEAR], ids=["1970", "+10 y", "-3 y"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_box_with_a_wrong_clock_loses_neither_order_nor_count_nor_time(
    county: Engine, tmp_path: Path, off_ns: int
) -> None:
    """Ten captures, the clock set about during some; then the hub is reached; true times within 2 s."""
    machine = FakeMachine(off_ns)
    clock = Clock(tmp_path, machine)
    truth: dict[str, int] = {}
    async with Store.open(tmp_path / "outbox.db", bytes(32), outbox_module.MIGRATIONS) as store:
        outbox = Outbox(store, clock, STATION)
        for k in range(10):
            machine.advance(60)
            truth[f"r{k}"] = machine.true_ns
            message = recording_closed(
                recording_id=f"r{k}",
                started_ns=clock.wall_ns(),
                started_quality=clock.quality,
                started_boot=clock.boot,
                started_mono_ns=clock.mono_ns(),
            )
            machine.advance(10)
            machine.off_ns += (0, YEAR, -2 * YEAR, 3600 * SECOND)[k % 4]  # a step while it is captured
            await outbox.append(message, "clinical", f"r{k}")
        learned = False
        while not learned:
            asked_ns = clock.mono_ns()
            machine.advance(0.9)
            hub_ns = machine.true_ns
            machine.advance(0.3)
            learned = clock.learn(hub_ns, asked_ns)
        known = clock.known()
        assert known is not None
        fixed = TimeFixed(boot=clock.boot, mono_ns=known.mono_ns, wall_ns=known.wall_ns, err_ns=known.err_ns)
        await outbox.append(fixed, "prompt", "time")
        now_ns = machine.true_ns
        while (row := await outbox.next_to_send()) is not None:
            topic = topics.build("up", STATION, row.lane)
            frames = [Incoming(topic, wire) for _, wire in await outbox.frames(row)]
            now_ns += 1
            said = [outcome.receipt for outcome in take(county, frames, now_ns=now_ns)]
            await outbox.apply_receipts(item for item in said if item is not None)
    with db.reading(county) as session:
        numbers = select(ReceivedMessage.seq).order_by(col(ReceivedMessage.received_ns))
        assert list(session.exec(numbers)) == [11, *range(1, 11)], "the fix by its lane, then as captured"
    rows = _rows(county)
    assert rows.keys() == truth.keys()
    for name, row in rows.items():
        assert row.corrected_ns is not None
        assert abs(row.corrected_ns - truth[name]) <= 2 * SECOND
