"""Messages from stations: once each for ever, parts until whole, quarantine with a reason."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from hub.domain.message import MessagePart, Quarantine, ReceivedMessage
from protocols.envelope import Frame, Header
from protocols.messages import Owed, ReceiptItem


def seen(session: Session, mid: bytes) -> ReceivedMessage | None:
    """The message's row, if it was committed or rejected before."""
    return session.get(ReceivedMessage, mid)


def remember(
    session: Session, header: Header, station_id: str, *, state: str, code: str = "", now_ns: int
) -> None:
    """Note for ever that this message was taken ("committed") or refused ("reject"); forget its parts.

    Two workers with the same message: the second one's flush raises IntegrityError; undo and look again.
    """
    session.add(
        ReceivedMessage(
            mid=header.mid,
            sha256=header.sha256,
            station_id=station_id,
            type=header.type,
            state=state,
            code=code,
            received_ns=now_ns,
            epoch=header.epoch,
            seq=header.seq,
        )
    )
    session.exec(delete(MessagePart).where(col(MessagePart.mid) == header.mid))
    session.flush()


def keep_part(session: Session, frame: Frame, station_id: str, *, now_ns: int) -> dict[int, bytes]:
    """Keep one part and return all parts held of this message, k → bytes.

    A part that is held already is left as it is. Parts of another cutting (n or hash differ: the sender
    started over) make room for the new ones.
    """
    header = frame.header
    held = session.exec(select(MessagePart).where(col(MessagePart.mid) == header.mid)).all()
    if any(part.n != frame.n or part.sha256 != header.sha256 for part in held):
        session.exec(delete(MessagePart).where(col(MessagePart.mid) == header.mid))
        session.flush()
        session.expunge_all()
        held = []
    parts = {part.k: part.data for part in held}
    if frame.k not in parts:
        session.add(
            MessagePart(
                mid=header.mid,
                k=frame.k,
                n=frame.n,
                station_id=station_id,
                sha256=header.sha256,
                data=frame.body,
                received_ns=now_ns,
            )
        )
        session.flush()
        parts[frame.k] = frame.body
    return parts


def held(session: Session, station_id: str, owed: Sequence[Owed]) -> list[ReceiptItem]:
    """What is here of the messages a station asks after: committed whole, or parts of it.

    Nothing is said of one that is unknown, that is held with another hash (its other copy must come, to be
    set aside), or that was refused: the station sends it again only because a person asked for it, or once
    for a receipt that was lost.
    """
    asked = {item.mid: item.h8 for item in owed}
    whole = session.exec(
        select(ReceivedMessage.mid, ReceivedMessage.sha256).where(
            col(ReceivedMessage.mid).in_(asked),
            ReceivedMessage.station_id == station_id,
            ReceivedMessage.state == "committed",
        )
    )
    committed = {mid for mid, sha256 in whole if sha256[:8] == asked[mid]}
    pieces = session.exec(
        select(MessagePart.mid, MessagePart.k, MessagePart.sha256).where(
            col(MessagePart.mid).in_(asked), MessagePart.station_id == station_id
        )
    )
    have: defaultdict[bytes, list[int]] = defaultdict(list)
    for mid, k, sha256 in pieces:
        if sha256[:8] == asked[mid]:
            have[mid].append(k)
    items = []
    for mid, h8 in asked.items():
        if mid in committed:
            items.append(ReceiptItem(mid=mid, st="duplicate", h8=h8))
        elif mid in have:
            items.append(ReceiptItem(mid=mid, st="parts", h8=h8, have=tuple(sorted(have[mid]))))
    return items


def quarantine(
    session: Session,
    *,
    topic: str,
    code: str,
    reason: str,
    payload: bytes,
    now_ns: int,
    station_id: str | None = None,
    type: str = "",
) -> None:
    """Set aside what nobody could take. The reason must not quote the message's values."""
    session.add(
        Quarantine(
            station_id=station_id,
            topic=_storable(topic)[:200],
            type=_storable(type)[:64],
            code=code[:64],
            reason=_storable(reason)[:500],
            payload=payload,
            size=len(payload),
            received_ns=now_ns,
        )
    )
    session.flush()


def _storable(text: str) -> str:
    # PostgreSQL's text holds neither NUL nor lone surrogates; a hostile topic or type name may.
    return text.replace("\0", "␀").encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class QuarantineList:
    total: int
    newest: list[Quarantine]


def quarantined(session: Session, limit: int = 200) -> QuarantineList:
    """How many messages were set aside, and the newest of them."""
    total = session.exec(select(func.count()).select_from(Quarantine)).one()
    rows = session.exec(select(Quarantine).order_by(col(Quarantine.id).desc()).limit(limit)).all()
    return QuarantineList(total, list(rows))


def sweep_parts(session: Session, *, older_than_ns: int) -> int:
    """Forget parts of messages never completed; the station sends them again from its outbox."""
    result = session.exec(delete(MessagePart).where(col(MessagePart.received_ns) < older_than_ns))
    return result.rowcount
