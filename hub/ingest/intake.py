"""Bytes and topic → rows, receipt and notices: many messages in one transaction, each in its own savepoint.

Whatever arrives has an outcome: it is stored, or known already, or one part more, or set aside with a
reason. Nothing is answered before the transaction is through (P2).
"""

import contextlib
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, delete
from sqlalchemy.exc import IntegrityError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session, col

from hub import db
from hub.domain.message import MessagePart
from hub.errors import HubError
from hub.ingest.handlers import HANDLERS, Arrival, Notice
from hub.services import messages, stations
from protocols import topics
from protocols.envelope import MAX_BODY_BYTES, Frame, Header, decode_body, encode, peek
from protocols.errors import DecodeError, HashMismatch, MessageError, TopicError
from protocols.messages import MESSAGES, Lane, ReceiptItem, ReceiptState
from protocols.topics import Topic

_logger = logging.getLogger(__name__)

DATABASE_AWAY = (OperationalError, InterfaceError, InternalError, PoolTimeout)
"""Says nothing about the message: try the same again later."""
_ALONE = 3
"""So often a message is tried by itself before it is the message's fault."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One MQTT message."""

    topic: str
    payload: bytes
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it, to be said once it is committed."""

    station_id: str | None = None
    receipt: ReceiptItem | None = None
    notices: tuple[Notice, ...] = ()
    set_aside: str = ""
    """The code of the quarantine row, if one was written."""
    hello_mid: bytes = b""
    """Of a hello, its id: it is answered, with what is `held` of the messages it asks after."""
    held: tuple[ReceiptItem, ...] = ()


class _Refused(Exception):  # noqa: N818 - reads as the fact it states
    """This message cannot be taken; the savepoint is undone and a quarantine row written."""

    def __init__(
        self,
        code: str,
        reason: str,
        *,
        state: ReceiptState = "reject",
        forget: bool = False,
        early: bool = False,
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.state = state
        self.forget = forget
        """Its id stays free: the same id may yet come with a body that fits."""
        self.early = early
        """Refused for its envelope, before its parts were put together."""


def take(engine: Engine, incoming: Sequence[Incoming], *, now_ns: int) -> list[Outcome]:
    """Take messages, in order, and commit; one outcome each.

    Raises one of DATABASE_AWAY if the database cannot be used. The same call may then be made again: what
    was committed nevertheless is known.
    """
    try:
        with db.transaction(engine) as session:
            return [_one(session, message, now_ns) for message in incoming]
    except DATABASE_AWAY:
        if len(incoming) == 1:
            return [_alone(engine, incoming[0], now_ns)]
        # One of them may be what the database chokes on: find out which, and let its neighbours through.
        return [take(engine, [message], now_ns=now_ns)[0] for message in incoming]


def _alone(engine: Engine, message: Incoming, now_ns: int) -> Outcome:
    reason = ""
    for _ in range(_ALONE - 1):
        try:
            with db.transaction(engine) as session:
                return _one(session, message, now_ns)
        except DATABASE_AWAY as error:
            reason = f"the database would not take it ({type(error).__name__})"
    with db.transaction(engine) as session:  # raises if the database is really away
        return _set_aside(session, message, _Refused("handler_error", reason, forget=True), now_ns)


def _one(session: Session, message: Incoming, now_ns: int) -> Outcome:
    refused = None
    for _ in range(2):
        try:
            with session.begin_nested():
                return _take(session, message, now_ns)
        except _Refused as error:
            refused = error
            break
        except DATABASE_AWAY:
            raise
        except IntegrityError:
            # Another worker has just committed the same; looking again shows it.
            refused = _Refused("handler_error", "the database refused it (IntegrityError)", forget=True)
        except Exception as error:  # noqa: BLE001, RUF100 - one message must not spoil its neighbours
            _logger.exception("a handler failed")
            refused = _Refused("handler_error", f"the hub could not handle it ({type(error).__name__})")
            break
    assert refused is not None
    with session.begin_nested():
        return _set_aside(session, message, refused, now_ns)


def _take(session: Session, message: Incoming, now_ns: int) -> Outcome:
    topic, frame = _read(message)
    header = frame.header
    if header.sender != topic.station:
        reason = "the sender in the envelope is not the station of the topic"
        raise _Refused("wrong_sender", reason, early=True)
    if stations.find(session, topic.station) is None:
        raise _Refused("unknown_station", "the station is not in the inventory", forget=True, early=True)
    _check_way(topic, frame)
    lane: Lane | None = topic.x if topic.kind == "up" else None  # type: ignore[assignment]
    arrival = Arrival(topic.station, lane, header, now_ns, message.retained)
    if lane is None:
        notices = _handle(session, arrival, frame.body)
        hello_mid = header.mid if topic.kind == "hello" else b""
        return Outcome(topic.station, notices=notices, hello_mid=hello_mid, held=tuple(arrival.held))
    seen = messages.seen(session, header.mid)
    if seen is not None and seen.sha256 != header.sha256:
        reason = "this message id is held with another hash"
        raise _Refused("conflict", reason, state="conflict", forget=True, early=True)
    if seen is not None and seen.state == "committed":
        return Outcome(topic.station, _item(header, "duplicate"))
    stations.heard(session, topic.station, now_ns=now_ns)
    body = frame.body
    if frame.n > 1:
        held = messages.keep_part(session, frame, topic.station, now_ns=now_ns)
        if sum(map(len, held.values())) > MAX_BODY_BYTES:
            raise _Refused("too_large", f"the parts make more than {MAX_BODY_BYTES} bytes", early=True)
        if len(held) < frame.n:
            return Outcome(topic.station, _item(header, "parts", have=tuple(sorted(held))))
        body = _joined(held)
    notices = _handle(session, arrival, body)
    if seen is not None:  # rejected once, and now it can be taken
        seen.state, seen.code = "committed", ""
        _forget_parts(session, header)
    else:
        messages.remember(session, header, topic.station, state="committed", now_ns=now_ns)
    return Outcome(topic.station, _item(header, "committed"), notices)


def _read(message: Incoming) -> tuple[Topic, Frame]:
    try:
        return topics.parse(message.topic), peek(message.payload)
    except (TopicError, DecodeError) as error:
        raise _Refused(error.code, str(error), early=True) from None


def _check_way(topic: Topic, frame: Frame) -> None:
    """Each type has its address: a durable one a lane, a receipt its topic, hello and status theirs."""
    type_name = frame.header.type
    row = MESSAGES.get(type_name)
    fits = {
        "hello": type_name == "station.hello",
        "status": type_name == "station.status",
        "up_receipt": type_name == "receipt",
        # What this version does not know is put together first, and set aside whole.
        "up": row is None or (row.durable and row.direction in ("up", "both")),
    }
    if not fits.get(topic.kind, False):
        raise _Refused("wrong_topic", "a message of this type does not come by this topic", early=True)
    if frame.n > 1 and topic.kind != "up":
        raise _Refused("wrong_topic", "only what goes by a lane is sent in parts", early=True)


def _joined(held: dict[int, bytes]) -> bytes:
    return b"".join(held[k] for k in sorted(held))


def _forget_parts(session: Session, header: Header) -> None:
    session.exec(delete(MessagePart).where(col(MessagePart.mid) == header.mid))


def _handle(session: Session, arrival: Arrival, body: bytes) -> tuple[Notice, ...]:
    if hashlib.sha256(body).digest() != arrival.header.sha256:
        raise _Refused(HashMismatch.code, "the body is not what its hash says", forget=True)
    try:
        message = decode_body(arrival.header.type, body)
        return tuple(HANDLERS[arrival.header.type](session, arrival, message))
    except MessageError as error:
        raise _Refused(error.code, str(error)) from None
    except HubError as error:
        raise _Refused(error.code, error.message_zh) from None


def _item(header: Header, st: ReceiptState, *, code: str = "", have: tuple[int, ...] = ()) -> ReceiptItem:
    return ReceiptItem(mid=header.mid, st=st, h8=header.sha256[:8], code=code, have=have)


def _set_aside(session: Session, message: Incoming, refused: _Refused, now_ns: int) -> Outcome:
    """A quarantine row, and an answer where there is somebody to answer and something to answer about."""
    topic, frame = _as_far_as_readable(message)
    station_id = topic.station if topic else None
    payload, receipt = message.payload, None
    if topic is not None and topic.kind == "up" and frame is not None:
        header = frame.header
        receipt = _item(header, refused.state, code=refused.code)
        row = messages.seen(session, header.mid)
        if not refused.early:
            payload = _whole(session, message, frame, topic.station, now_ns)
        if row is not None and (row.state, row.sha256, row.code) == ("reject", header.sha256, refused.code):
            return Outcome(station_id, receipt)  # set aside before, for the same reason
        if row is None and not refused.early and not refused.forget:
            state, code = refused.state, refused.code
            messages.remember(session, header, topic.station, state=state, code=code, now_ns=now_ns)
    _logger.warning(
        "set aside %d bytes from %s: %s (%s)", len(payload), station_id, refused.code, refused.reason
    )
    messages.quarantine(
        session,
        topic=message.topic,
        code=refused.code,
        reason=refused.reason,
        payload=payload,
        now_ns=now_ns,
        station_id=station_id,
        type=frame.header.type if frame else "",
    )
    return Outcome(station_id, receipt, set_aside=refused.code)


def _as_far_as_readable(message: Incoming) -> tuple[Topic | None, Frame | None]:
    topic, frame = None, None
    with contextlib.suppress(TopicError):
        topic = topics.parse(message.topic)
    with contextlib.suppress(DecodeError):
        frame = peek(message.payload)
    return topic, frame


def _whole(session: Session, message: Incoming, frame: Frame, station_id: str, now_ns: int) -> bytes:
    """The message as one frame, its parts put together and forgotten: the sender may start over."""
    if frame.n == 1:
        return message.payload
    held = messages.keep_part(session, frame, station_id, now_ns=now_ns)
    _forget_parts(session, frame.header)
    return encode(frame.header, _joined(held)) if len(held) == frame.n else message.payload
