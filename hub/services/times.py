"""Corrected times: what a station learned of the true time, applied to what it stamped before.

Nothing is overwritten: captured as stamped, received, and corrected stand beside each other, and no order
or expiry follows any of them.
"""

from sqlmodel import Session, col, select

from hub.domain.clock import TimeFix
from hub.domain.exam import Exam
from hub.domain.recording import Recording
from protocols.messages import TimeFixed

POOR = ("rtc", "floor", "none")
"""Clock qualities nobody vouches for."""


def fixed(session: Session, station_id: str, message: TimeFixed, *, now_ns: int) -> list[str]:
    """A station has learned the true time in this boot; ids of the exams whose times are corrected by it.

    The first fix of a boot stays: what was once shown as corrected does not move.
    """
    if session.get(TimeFix, (station_id, message.boot)) is not None:
        return []
    fix = TimeFix(station_id=station_id, received_ns=now_ns, **message.model_dump())
    session.add(fix)
    session.flush()
    of_this_boot = (
        select(Recording)
        .join(Exam, col(Exam.id) == col(Recording.exam_id))
        .where(
            Exam.station_id == station_id,
            Recording.boot == message.boot,
            col(Recording.clock_quality).in_(POOR),
            col(Recording.mono_ns).is_not(None),
        )
    )
    exams = []
    for recording in session.exec(of_this_boot):
        recording.corrected_ns = _corrected(fix, recording.mono_ns)
        exams.append(recording.exam_id)
    session.flush()
    return exams


def correct(session: Session, station_id: str, recording: Recording) -> None:
    """As `fixed`, for a recording that comes after its fix."""
    if recording.clock_quality in POOR and recording.boot:
        fix = session.get(TimeFix, (station_id, recording.boot))
        recording.corrected_ns = None if fix is None else _corrected(fix, recording.mono_ns)


def _corrected(fix: TimeFix, mono_ns: int | None) -> int | None:
    """None as well for a time no column could keep: a clock that says such things corrects nothing."""
    corrected_ns = None if mono_ns is None else fix.at(mono_ns)
    return corrected_ns if corrected_ns is not None and 0 <= corrected_ns < 2**63 else None
