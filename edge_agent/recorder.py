"""What is being recorded now: events in, actions out. Pure: no I/O, no clock, no disk.

    idle ──Start──► armed ──first Samples──► recording ──planned length──► closing ──Sealed──► idle
                      │                        │ Cancel → Discard
                      └─ Lost, Cancel ─► idle  └ Lost, box restarted → Close(interrupted) ─► closing

Samples are placed by the box's own running number: what never arrived is written as MISSING, in its place.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_agent.drivers.events import Samples
from edge_agent.errors import EdgeError

PLANNED_S = 10
"""Length of a resting ECG."""
MISSING = -(2**31)
"""A sample that never arrived; ecg.record writes it as WFDB's missing value."""


class CaptureRefused(EdgeError):  # noqa: N818 - reads as the fact it states
    """Nothing can be recorded now. `code`: box_gone, wrong_serial, wrong_rate, lead_off, busy, disk_full."""

    def __init__(self, code: str, message: str, detail: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.detail = detail or {}


@dataclass(frozen=True, slots=True)
class Start:
    """The doctor has pressed the button; the box must be streaming."""

    recording_id: str
    exam_id: str
    attempt: int
    planned_s: int = PLANNED_S


@dataclass(frozen=True, slots=True)
class Cancel:
    """The doctor has taken it back: nothing of this attempt is kept."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The box is gone, or is not the same any more. What is there is kept."""

    reason: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """The closed attempt is safe (or was given up by the disk): the next one may begin."""

    recording_id: str


Event = Start | Cancel | Lost | Sealed | Samples


@dataclass(frozen=True, slots=True)
class Open:
    """Begin a spool: everything needed to make a record of the samples that follow."""

    start: Start
    first_sample: int
    rate_hz: int
    leads: tuple[str, ...]
    uv_per_count: float


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """Append these samples: (leads, n) int32, MISSING where there are none."""

    counts: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class NoteElectrodes:
    """From this sample of the recording on, these electrodes have no contact."""

    sample: int
    off: frozenset[str]


@dataclass(frozen=True, slots=True)
class Close:
    """The attempt is over: seal what is in the spool."""

    recording_id: str
    interrupted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Discard:
    """Forget the attempt and its spool."""

    recording_id: str


Action = Open | Write | NoteElectrodes | Close | Discard


@dataclass(frozen=True, slots=True)
class Idle:
    pass


@dataclass(frozen=True, slots=True)
class Armed:
    start: Start


@dataclass(frozen=True, slots=True)
class Recording:
    start: Start
    rate_hz: int
    leads: tuple[str, ...]
    uv_per_count: float
    next_sample: int
    """The box's number of the sample expected next."""
    written: int = 0
    electrodes_off: frozenset[str] = frozenset()

    @property
    def planned(self) -> int:
        return self.start.planned_s * self.rate_hz


@dataclass(frozen=True, slots=True)
class Closing:
    start: Start


State = Idle | Armed | Recording | Closing
Step = tuple[State, tuple[Action, ...]]


def step(state: State, event: Event) -> Step:
    """The next state, and what is to be done, in order. Raises CaptureRefused("busy") for a second Start."""
    match state, event:
        case Idle(), Start():
            return Armed(event), ()
        case _, Start():
            raise CaptureRefused("busy", "an attempt is being recorded or sealed")
        case Armed(start), Samples():
            opened = Recording(start, event.rate_hz, event.leads, event.uv_per_count, event.first_sample)
            state, actions = _take(opened, event)
            first = Open(start, event.first_sample, event.rate_hz, event.leads, event.uv_per_count)
            return state, (first, *actions)
        case Armed(start), Cancel() | Lost():
            return Idle(), (Discard(start.recording_id),)
        case Recording(), Samples():
            return _take(state, event)
        case Recording(start), Cancel():
            return Idle(), (Discard(start.recording_id),)
        case Recording(start), Lost(reason):
            return _cut(start, reason)
        case Closing(start), Sealed(recording_id) if recording_id == start.recording_id:
            return Idle(), ()
        case _:
            return state, ()


def _take(state: Recording, samples: Samples) -> Step:
    if (samples.rate_hz, samples.leads, samples.uv_per_count) != (
        state.rate_hz,
        state.leads,
        state.uv_per_count,
    ):
        return _cut(state.start, "the box changed its rate, leads or gain")
    gap = samples.first_sample - state.next_sample
    if gap < 0:  # its numbering went back: another time base, nothing after this may be joined to it
        return _cut(state.start, "the box restarted")
    actions: list[Action] = []
    room = state.planned - state.written
    if gap:
        lacking = np.full((len(state.leads), min(gap, room)), MISSING, dtype=np.int32)
        actions.append(Write(lacking))
        room -= lacking.shape[1]
    if room and samples.electrodes_off != state.electrodes_off:
        actions.append(NoteElectrodes(state.planned - room, samples.electrodes_off))
    if room and samples.counts.shape[1]:
        actions.append(Write(samples.counts[:, :room]))
        room -= min(room, samples.counts.shape[1])
    if not room:
        actions.append(Close(state.start.recording_id, interrupted=False))
        return Closing(state.start), tuple(actions)
    then = replace(
        state,
        next_sample=samples.first_sample + samples.counts.shape[1],
        written=state.planned - room,
        electrodes_off=samples.electrodes_off,
    )
    return then, tuple(actions)


def _cut(start: Start, reason: str) -> Step:
    return Closing(start), (Close(start.recording_id, interrupted=True, reason=reason),)
