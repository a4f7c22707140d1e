"""HANDLERS: message type → what the hub does with it: a service call inside somebody's transaction."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlmodel import Session

from hub.clock import SECOND_NS
from hub.notices import NoticeKind
from hub.services import deliveries, messages, recordings, reports, stations, times
from protocols.envelope import Header
from protocols.messages import (
    Analysis,
    Lane,
    Message,
    Receipt,
    ReceiptItem,
    RecordingClosed,
    ReportOpened,
    StationHello,
    StationStatus,
    TimeFixed,
)

STATION = "station"
"""The kind of receiver a station is."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a message came."""

    station_id: str
    """From the topic, which the broker's rights vouch for."""
    lane: Lane | None
    header: Header
    now_ns: int
    retained: bool = False
    held: list[ReceiptItem] = field(default_factory=list)
    """Filled by a handler: what its sender is told about other messages."""


Notice = tuple[NoticeKind, str]


def recording_closed(session: Session, arrival: Arrival, message: Message) -> list[Notice]:
    """An ECG: the record's bytes, the patient, the exam, its place in the worklist."""
    assert isinstance(message, RecordingClosed)
    assert arrival.lane is not None
    message = message.model_copy(update={"analysis": _finite(message.analysis)})
    exam = recordings.store(
        session,
        arrival.station_id,
        message,
        lane=arrival.lane,
        clock_quality=arrival.header.stamp.quality,
        now_ns=arrival.now_ns,
    )
    return [("worklist", exam.id), ("exam", exam.id)]


def report_opened(session: Session, arrival: Arrival, message: Message) -> list[Notice]:
    """The village doctor has opened the report: 已签收."""
    assert isinstance(message, ReportOpened)
    reports.opened(session, arrival.station_id, message, now_ns=arrival.now_ns)
    return [("exam", message.exam_id), ("worklist", message.exam_id)]


def time_fixed(session: Session, arrival: Arrival, message: Message) -> list[Notice]:
    """A station has learned the true time: what it stamped before in this boot gets a corrected time."""
    assert isinstance(message, TimeFixed)
    corrected = times.fixed(session, arrival.station_id, message, now_ns=arrival.now_ns)
    return [("exam", exam_id) for exam_id in dict.fromkeys(corrected)]


def station_hello(session: Session, arrival: Arrival, message: Message) -> list[Notice]:
    """A station is back: what it is owed is sent now, not when its time comes, and what we have of that
    which it owes is said before it is sent again."""
    assert isinstance(message, StationHello)
    station_ns = arrival.header.stamp.wall_ns
    stations.hello(session, arrival.station_id, message, now_ns=arrival.now_ns, station_ns=station_ns)
    arrival.held.extend(messages.held(session, arrival.station_id, message.owed))
    notices: list[Notice] = [("station", arrival.station_id)]
    if deliveries.due_at_once(session, STATION, arrival.station_id):
        notices.append(("delivery", arrival.station_id))
    return notices


def station_status(session: Session, arrival: Arrival, message: Message) -> list[Notice]:
    """What a station says of itself; retained, so it may be an old word said again."""
    assert isinstance(message, StationStatus)
    said_ns = arrival.now_ns
    if arrival.retained and message.at_ns is not None:
        said_ns = min(said_ns, message.at_ns)
    stations.status(session, arrival.station_id, message, now_ns=said_ns)
    return [("station", arrival.station_id)]


def receipt(session: Session, arrival: Arrival, message: Message) -> list[Notice]:
    """A station says what it did with what we sent."""
    assert isinstance(message, Receipt)
    changed: list[Notice] = []
    for item in message.items:
        if item.st in ("committed", "duplicate"):
            known = deliveries.confirm(
                session, item.mid, item.h8, receiver_id=arrival.station_id, now_ns=arrival.now_ns
            )
        elif item.st in ("reject", "conflict"):
            code = item.code or item.st
            known = deliveries.refuse(session, item.mid, code, receiver_id=arrival.station_id)
        elif item.st == "retry":
            known = _postpone(session, arrival, item.mid, item.after_s, item.code)
        else:  # parts: on its way
            known = False
        if known:
            changed.append(("delivery", arrival.station_id))
    return changed[:1]


def _postpone(session: Session, arrival: Arrival, mid: bytes, after_s: float, code: str) -> bool:
    row = deliveries.by_mid(session, mid)
    if row is None or row.id is None or row.receiver_id != arrival.station_id:
        return False
    next_try_ns = arrival.now_ns + int(max(after_s, 1.0) * SECOND_NS)
    deliveries.retry(session, [row.id], code or "retry", next_try_ns=next_try_ns)
    return True


def _finite(analysis: Analysis | None) -> Analysis | None:
    """NaN and infinity in a measurement are None: undefined. PostgreSQL's JSON knows no NaN, and an
    ECG is not refused for a number nobody could compute."""
    if analysis is None:
        return None
    measured = {
        id_: value if value is not None and math.isfinite(value) else None
        for id_, value in analysis.measurements.items()
    }
    return analysis.model_copy(update={"measurements": measured})


Handler = Callable[[Session, Arrival, Message], list[Notice]]

HANDLERS: dict[str, Handler] = {
    "recording.closed": recording_closed,
    "report.opened": report_opened,
    "time.fixed": time_fixed,
    "station.hello": station_hello,
    "station.status": station_status,
    "receipt": receipt,
}
