"""The state machine of a capture, event by event."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.drivers.events import Samples
from edge_agent.recorder import (
    MISSING,
    Action,
    Armed,
    Cancel,
    CaptureRefused,
    Close,
    Closing,
    Discard,
    Event,
    Idle,
    Lost,
    NoteElectrodes,
    Open,
    Recording,
    Sealed,
    Start,
    State,
    Write,
    step,
)

LEADS = ("I", "II")
START = Start("r1", "e1", 1, planned_s=1)
RATE = 100


def block(
    first: int, n: int, off: frozenset[str] = frozenset(), *, leads: tuple[str, ...] = LEADS
) -> Samples:
    counts = np.tile(np.arange(first, first + n, dtype=np.int32), (len(leads), 1))
    return Samples(first, RATE, leads, counts, 1.0, off)


def run(*events: Event) -> tuple[State, list[Action]]:
    state: State = Idle()
    done: list[Action] = []
    for event in events:
        state, actions = step(state, event)
        done += actions
    return state, done


def written(actions: list[Action]) -> list[int]:
    return [int(v) for a in actions if isinstance(a, Write) for v in a.counts[0]]


def test_a_capture_takes_exactly_the_planned_samples() -> None:
    state, done = run(START, *(block(7 + i, 30) for i in range(0, 120, 30)))
    assert done[0] == Open(START, 7, RATE, LEADS, 1.0)
    assert written(done) == list(range(7, 107))
    assert done[-1] == Close("r1", interrupted=False)
    assert state == Closing(START)
    assert step(state, Sealed("r1")) == (Idle(), ())


def test_what_never_arrived_is_missing_in_its_place() -> None:
    _, done = run(START, block(0, 10), block(30, 70))
    assert written(done) == [*range(10), *[MISSING] * 20, *range(30, 100)]
    assert done[-1] == Close("r1", interrupted=False)


def test_a_gap_longer_than_the_rest_ends_the_capture_at_its_length() -> None:
    _, done = run(START, block(0, 10), block(5000, 10))
    assert written(done) == [*range(10), *[MISSING] * 90]
    assert done[-1] == Close("r1", interrupted=False)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Lost("unplugged"), "unplugged"),
        (block(3, 10), "the box restarted"),
        (block(50, 10, leads=("I", "V1")), "the box changed its rate, leads or gain"),
    ],
)
def test_a_cut_keeps_what_is_there(event: Event, reason: str) -> None:
    state, done = run(START, block(0, 50), event)
    assert written(done) == list(range(50))
    assert done[-1] == Close("r1", interrupted=True, reason=reason)
    assert state == Closing(START)


@pytest.mark.parametrize("event", [Cancel(), Lost("unplugged")])
def test_before_the_first_sample_nothing_is_kept(event: Event) -> None:
    assert run(START, event) == (Idle(), [Discard("r1")])


def test_cancel_forgets_the_attempt() -> None:
    state, done = run(START, block(0, 50), Cancel())
    assert state == Idle()
    assert done[-1] == Discard("r1")


def test_contact_is_noted_when_it_changes() -> None:
    off = frozenset({"V2"})
    _, done = run(START, block(0, 10, off), block(10, 10, off), block(20, 10), block(30, 10, off))
    assert [a for a in done if isinstance(a, NoteElectrodes)] == [
        NoteElectrodes(0, off),
        NoteElectrodes(20, frozenset()),
        NoteElectrodes(30, off),
    ]


@pytest.mark.parametrize("before", [(START,), (START, block(0, 10)), (START, block(0, 100))])
def test_a_second_start_is_refused(before: tuple[Event, ...]) -> None:
    state, _ = run(*before)
    with pytest.raises(CaptureRefused) as refused:
        step(state, Start("r2", "e1", 2))
    assert refused.value.code == "busy"


def test_events_out_of_place_change_nothing() -> None:
    for event in (block(0, 10), Cancel(), Lost("x"), Sealed("r1")):
        assert step(Idle(), event) == (Idle(), ())
    for event in (block(0, 10), Cancel(), Lost("x"), Sealed("other")):
        assert step(Closing(START), event) == (Closing(START), ())
    assert step(Armed(START), Sealed("r1")) == (Armed(START), ())


@given(st.lists(st.tuples(st.integers(-5, 40), st.integers(0, 40)), max_size=30))
def test_never_more_than_planned_and_never_out_of_place(pieces: list[tuple[int, int]]) -> None:
    events: list[Event] = [START]
    at = 100
    for jump, n in pieces:
        at += jump
        events.append(block(at, n))
        at += n
    state, done = run(*events)
    values = written(done)
    assert len(values) <= 100
    opened = [a for a in done if isinstance(a, Open)]
    if opened:
        first = opened[0].first_sample
        assert all(v in (MISSING, first + place) for place, v in enumerate(values))
    closes = [a for a in done if isinstance(a, Close)]
    assert len(closes) <= 1
    if closes:
        assert closes[0].interrupted or len(values) == 100
    else:
        assert isinstance(state, Armed | Recording)
