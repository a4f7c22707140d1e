"""Deliveries: owed with their cause, the same envelope each time, confirmed by the right receiver only."""

from hub_county import NOW_NS
from sqlalchemy import Engine
from sqlmodel import Session

from hub import db
from hub.domain import Delivery
from hub.services import deliveries
from protocols.messages import ReportShow
from protocols.report import Report


def _owe(session: Session, receiver: str = "MT-0001", ref: str = "r1") -> Delivery:
    message = ReportShow(
        report_id=ref, exam_id="e", version=1, report=Report(), signed_by="医师甲", signed_ns=1, pdf=b"%PDF"
    )
    return deliveries.enqueue(
        session,
        message,
        receiver_kind="station",
        receiver_id=receiver,
        ref=ref,
        lane="prompt",
        now_ns=NOW_NS,
    )


def test_a_delivery_keeps_its_envelope_and_is_due_until_confirmed(county: Engine) -> None:
    with db.transaction(county) as session:
        row = _owe(session)
        first = deliveries.header(session, row)
    assert row.id is not None
    assert first.mid == row.mid
    with db.transaction(county) as session:
        assert deliveries.due(session, "station", now_ns=NOW_NS) == [row.id]
        assert [d.id for d in deliveries.take(session, "station", now_ns=NOW_NS, limit=9)] == [row.id]
        assert deliveries.due(session, "station", now_ns=NOW_NS) == [], "it is on its way"
        deliveries.mark_sent(session, row.id, now_ns=NOW_NS, next_try_ns=NOW_NS + 10)
        assert deliveries.due(session, "station", now_ns=NOW_NS) == []
        assert deliveries.due(session, "station", now_ns=NOW_NS + 10) == [row.id]
        again = session.get_one(Delivery, row.id)
        assert deliveries.header(session, again) == first
        assert deliveries.due_at_once(session, "station", "MT-0001") == 1
        assert deliveries.due(session, "station", now_ns=0) == [row.id]
        mid, hash8 = first.mid, first.sha256[:8]
        assert not deliveries.confirm(session, mid, hash8, receiver_id="MT-0002", now_ns=NOW_NS)
        assert not deliveries.confirm(session, mid, b"otherwise", receiver_id="MT-0001", now_ns=NOW_NS)
        assert deliveries.confirm(session, mid, hash8, receiver_id="MT-0001", now_ns=NOW_NS)
        assert deliveries.due(session, "station", now_ns=2**62) == []


def test_a_receiver_that_comes_back_while_it_is_sent_is_sent_it_again(county: Engine) -> None:
    with db.transaction(county) as session:
        row = _owe(session)
        assert row.id is not None
        assert len(deliveries.take(session, "station", now_ns=NOW_NS, limit=9)) == 1
    with db.transaction(county) as session:
        deliveries.due_at_once(session, "station", "MT-0001")
    with db.transaction(county) as session:
        deliveries.mark_sent(session, row.id, now_ns=NOW_NS, next_try_ns=NOW_NS + 10)
        assert deliveries.due(session, "station", now_ns=NOW_NS) == [row.id]


def test_a_refused_delivery_waits_for_a_person(county: Engine) -> None:
    with db.transaction(county) as session:
        row = _owe(session)
        assert row.mid is not None
        assert not deliveries.refuse(session, row.mid, "bad_body", receiver_id="MT-0002")
        assert deliveries.refuse(session, row.mid, "bad_body", receiver_id="MT-0001")
        assert (row.status, row.last_code) == ("refused", "bad_body")
        assert deliveries.open_for(session, "station", "MT-0001") == []


def test_numbers_are_never_used_twice(county: Engine) -> None:
    with db.transaction(county) as session:
        last = _owe(session)
        session.delete(last)
    with db.transaction(county) as session:
        assert (_owe(session).id or 0) > (last.id or 0)


def test_a_receipt_that_overtakes_the_worker_s_note_stands(county: Engine) -> None:
    """The station may confirm before the worker has noted that it sent: confirmed stays confirmed."""
    with db.transaction(county) as session:
        row = _owe(session)
        assert row.id is not None
        assert row.mid is not None
        deliveries.take(session, "station", now_ns=NOW_NS, limit=9)
    with db.reading(county) as noting:
        # The worker has read the row; the receipt is committed; then the worker writes what it knows.
        held = noting.get_one(Delivery, row.id)
        assert held.status == "queued"
        with db.transaction(county) as receiving:
            assert deliveries.confirm(
                receiving, row.mid, row.sha256[:8], receiver_id="MT-0001", now_ns=NOW_NS
            )
        if county.dialect.name == "postgresql":  # SQLite lets nobody write between a read and a write
            deliveries.mark_sent(noting, row.id, now_ns=NOW_NS, next_try_ns=NOW_NS + 10)
            noting.commit()
    with db.reading(county) as session:
        assert session.get_one(Delivery, row.id).status == "confirmed"
