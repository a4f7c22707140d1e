"""Messages: parts until whole, remembered for ever, quarantined with a storable reason."""

import pytest
from hub_county import NOW_NS
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from hub import db
from hub.services import messages
from protocols.envelope import Frame, Header, Stamp


def _frame(k: int, body: bytes, n: int = 3, sha256: bytes = b"s" * 32) -> Frame:
    return Frame(Header("recording.closed", "MT-0001", b"12345678", 7, Stamp(1), sha256), k, n, body)


def _keep(session: Session, frame: Frame) -> dict[int, bytes]:
    return messages.keep_part(session, frame, "MT-0001", now_ns=NOW_NS)


def test_parts_gather_in_any_order_and_once(county: Engine) -> None:
    with db.transaction(county) as session:
        assert _keep(session, _frame(2, b"c")) == {2: b"c"}
    with db.transaction(county) as session:
        assert _keep(session, _frame(0, b"a")) == {0: b"a", 2: b"c"}
        assert _keep(session, _frame(0, b"other")) == {0: b"a", 2: b"c"}
    with db.transaction(county) as session:
        assert _keep(session, _frame(1, b"b")) == {0: b"a", 1: b"b", 2: b"c"}
        messages.remember(session, _frame(0, b"").header, "MT-0001", state="committed", now_ns=NOW_NS)
    with db.transaction(county) as session:
        assert messages.seen(session, _frame(0, b"").header.mid) is not None
        assert _keep(session, _frame(1, b"b")) == {1: b"b"}
        assert messages.sweep_parts(session, older_than_ns=NOW_NS) == 0
        assert messages.sweep_parts(session, older_than_ns=NOW_NS + 1) == 1


def test_another_cutting_starts_over(county: Engine) -> None:
    with db.transaction(county) as session:
        _keep(session, _frame(0, b"a"))
        assert _keep(session, _frame(1, b"b", n=5)) == {1: b"b"}


def test_a_message_is_remembered_once(county: Engine) -> None:
    header = _frame(0, b"").header
    with db.transaction(county) as session:
        messages.remember(session, header, "MT-0001", state="committed", now_ns=NOW_NS)
    with pytest.raises(IntegrityError), db.transaction(county) as session:
        messages.remember(session, header, "MT-0001", state="committed", now_ns=NOW_NS)


def test_a_hostile_topic_and_type_can_be_quarantined(county: Engine) -> None:
    with db.transaction(county) as session:
        messages.quarantine(
            session,
            topic="mt/1/\0\ud800" + "x" * 500,
            code="bad_topic",
            reason="not one of our topics\0",
            payload=b"\0\xff",
            now_ns=NOW_NS,
            type="a\0b",
        )
    with db.reading(county) as session:
        found = messages.quarantined(session)
    assert (found.total, found.newest[0].size, found.newest[0].payload) == (1, 2, b"\0\xff")
