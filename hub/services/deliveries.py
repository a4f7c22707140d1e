"""What is owed to others: enqueue with the cause, send, confirm, refuse, try again by code (P3)."""

import hashlib
from collections.abc import Sequence
from typing import cast

from sqlmodel import Session, col, select

from hub.clock import SECOND_NS
from hub.domain.delivery import OPEN, Delivery, DeliveryStatus, HubIdentity
from protocols.envelope import HUB, Header, Stamp, encode_body, message_id
from protocols.messages import LANES, TYPE_OF, Lane, Message

ON_ITS_WAY_S = 30
"""What was taken and never noted (the process was killed) is due again after so long."""


def epoch(session: Session) -> bytes:
    """What this database is called in every envelope the hub sends; given by the first migration."""
    return session.exec(select(HubIdentity.epoch).where(HubIdentity.id == 1)).one()


def enqueue(
    session: Session,
    message: Message,
    *,
    receiver_kind: str,
    receiver_id: str,
    ref: str,
    lane: Lane,
    now_ns: int,
) -> Delivery:
    """Owe a message to a receiver from the moment this transaction commits."""
    body = encode_body(message)
    delivery = Delivery(
        receiver_kind=receiver_kind,
        receiver_id=receiver_id,
        type=TYPE_OF[type(message)],
        ref=ref,
        lane=lane,
        body=body,
        sha256=hashlib.sha256(body).digest(),
        created_ns=now_ns,
    )
    session.add(delivery)
    session.flush()
    assert delivery.id is not None
    delivery.mid = message_id(HUB, epoch(session), delivery.id)
    session.flush()
    return delivery


def header(session: Session, delivery: Delivery) -> Header:
    """The envelope's header: the same at every sending, so the receiver knows a repetition."""
    assert delivery.id is not None
    stamp = Stamp(delivery.created_ns, "ntp")
    return Header(delivery.type, HUB, epoch(session), delivery.id, stamp, delivery.sha256)


def due(session: Session, receiver_kind: str, *, now_ns: int) -> list[int]:
    """The next delivery of each receiver, if its time has come: most urgent lane first, then oldest.

    What stands behind one that is sent and not yet confirmed waits: an older report never overtakes a newer.
    """
    query = (
        select(Delivery.id, Delivery.receiver_id, Delivery.lane, Delivery.next_try_ns)
        .where(col(Delivery.receiver_kind) == receiver_kind, col(Delivery.status).in_(OPEN))
        .order_by(col(Delivery.id))
    )
    first: dict[str, tuple[int, int, int]] = {}
    for id_, receiver_id, lane, next_try_ns in session.exec(query):
        assert id_ is not None
        place = (LANES.index(cast("Lane", lane)), id_, next_try_ns)
        first[receiver_id] = min(first.get(receiver_id, place), place)
    return [id_ for _, id_, next_try_ns in sorted(first.values()) if next_try_ns <= now_ns]


def take(session: Session, receiver_kind: str, *, now_ns: int, limit: int) -> list[Delivery]:
    """What is due, put off while on its way; a receiver that comes back meanwhile makes it due again."""
    taken = []
    for id_ in due(session, receiver_kind, now_ns=now_ns)[:limit]:
        row = session.get(Delivery, id_, with_for_update=True)
        if row is not None and row.status in OPEN:
            row.next_try_ns = now_ns + ON_ITS_WAY_S * SECOND_NS
            taken.append(row)
    return taken


def open_for(session: Session, receiver_kind: str, receiver_id: str) -> list[Delivery]:
    """What one receiver is still owed, oldest first."""
    query = (
        select(Delivery)
        .where(
            col(Delivery.receiver_kind) == receiver_kind,
            col(Delivery.receiver_id) == receiver_id,
            col(Delivery.status).in_(OPEN),
        )
        .order_by(col(Delivery.id))
    )
    return list(session.exec(query))


def mark_sent(session: Session, delivery_id: int, *, now_ns: int, next_try_ns: int) -> None:
    """Handed to the broker; if nothing confirms it, it is due again at `next_try_ns`."""
    row = session.get(Delivery, delivery_id, with_for_update=True)
    if row is not None and row.status in OPEN:
        row.status, row.sent_ns = DeliveryStatus.SENT, now_ns
        if row.next_try_ns != 0:  # 0: the receiver came back while it was on its way, and may have missed it
            row.next_try_ns = next_try_ns
        row.attempts += 1


def due_at_once(session: Session, receiver_kind: str, receiver_id: str) -> int:
    """The receiver is back: what it is owed is due now. Returns how many."""
    rows = open_for(session, receiver_kind, receiver_id)
    for row in rows:
        row.next_try_ns = 0
    return len(rows)


def by_mid(session: Session, mid: bytes) -> Delivery | None:
    return session.exec(select(Delivery).where(col(Delivery.mid) == mid).with_for_update()).first()


def confirm(session: Session, mid: bytes, hash8: bytes, *, receiver_id: str, now_ns: int) -> bool:
    """The receiver has committed it. False: not owed to this receiver, or another content."""
    row = by_mid(session, mid)
    if row is None or row.receiver_id != receiver_id or row.sha256[:8] != hash8:
        return False
    if row.status != DeliveryStatus.CONFIRMED:
        row.status, row.confirmed_ns, row.last_code = DeliveryStatus.CONFIRMED, now_ns, ""
    return True


def refuse(session: Session, mid: bytes, code: str, *, receiver_id: str) -> bool:
    """The receiver will never take it; a person has to look."""
    row = by_mid(session, mid)
    if row is None or row.receiver_id != receiver_id or row.status not in OPEN:
        return False
    row.status, row.last_code = DeliveryStatus.REFUSED, code[:64]
    return True


def retry(session: Session, delivery_ids: Sequence[int], code: str, *, next_try_ns: int) -> None:
    """Sending failed for a reason that passes."""
    for delivery_id in delivery_ids:
        row = session.get(Delivery, delivery_id, with_for_update=True)
        if row is not None and row.status in OPEN:
            row.last_code, row.next_try_ns = code[:64], next_try_ns
            row.attempts += 1
