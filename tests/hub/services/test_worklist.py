"""The worklist: order, and that of two readers exactly one gets an exam."""

import threading

import pytest
from hub_county import NOW_NS, SECOND_NS, arrive, closed, person
from sqlalchemy import Engine
from sqlmodel import Session

from hub import db
from hub.domain import User
from hub.errors import ClaimedByOther, WrongState
from hub.services import audit, worklist

MINUTE_NS = 60 * SECOND_NS


@pytest.fixture
def readers(county: Engine) -> tuple[User, User]:
    return person(county, "jia", "ecg_reader", "医师甲"), person(county, "yi", "ecg_reader", "医师乙")


def _claim(engine: Engine, user: User, now_ns: int = NOW_NS) -> None:
    with db.transaction(engine) as session:
        worklist.claim(session, user, "exam-1", claim_minutes=15, now_ns=now_ns)


def _items(engine: Engine, user: User, now_ns: int = NOW_NS) -> list[worklist.Item]:
    with db.reading(engine) as session:
        return worklist.items(session, user, now_ns=now_ns)


def test_the_sickest_is_on_top(county: Engine, readers: tuple[User, User]) -> None:
    rows = [
        ("normal", 3, "clinical", 0),
        ("unknown", None, "clinical", 1),
        ("abnormal", 2, "clinical", 2),
        ("late critical", 0, "urgent", 9),
        ("urgent", 1, "prompt", 4),
        ("abnormal prompt", 2, "prompt", 8),
    ]
    for n, (name, level, lane, after_s) in enumerate(rows):
        message = closed(name.replace(" ", "-"), f"rec-{n}", level=level)  # type: ignore[arg-type]
        arrive(county, message, lane=lane, now_ns=NOW_NS + after_s * SECOND_NS)  # type: ignore[arg-type]
    order = [item.exam.id for item in _items(county, readers[0])]
    assert order == ["late-critical", "urgent", "abnormal-prompt", "abnormal", "unknown", "normal"]


def test_of_two_readers_at_once_exactly_one_gets_it(county: Engine, readers: tuple[User, User]) -> None:
    arrive(county)
    for round_ in range(5):
        start, won, lost = threading.Barrier(2), [], []
        now_ns = NOW_NS + round_ * 60 * MINUTE_NS  # the last round's claim has run out

        def grab(user: User, start=start, won=won, lost=lost, now_ns=now_ns) -> None:
            start.wait()
            try:
                _claim(county, user, now_ns)
                won.append(user.name)
            except ClaimedByOther as error:
                lost.append(error.detail["name"])

        threads = [threading.Thread(target=grab, args=(user,)) for user in readers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert lost == won  # the other is told who has it


def test_a_claim_is_renewed_released_and_runs_out(county: Engine, readers: tuple[User, User]) -> None:
    jia, yi = readers
    arrive(county)
    _claim(county, jia)
    _claim(county, jia, NOW_NS + 14 * MINUTE_NS)
    with pytest.raises(ClaimedByOther):
        _claim(county, yi, NOW_NS + 28 * MINUTE_NS)
    _claim(county, yi, NOW_NS + 30 * MINUTE_NS)
    with db.transaction(county) as session:
        worklist.release(session, jia, "exam-1", now_ns=NOW_NS)  # not his: nothing happens
    assert _items(county, yi, NOW_NS + 31 * MINUTE_NS)[0].claimed_by == yi
    with db.transaction(county) as session:
        assert worklist.release_expired(session, now_ns=NOW_NS + 31 * MINUTE_NS) == []
        assert worklist.release_expired(session, now_ns=NOW_NS + 46 * MINUTE_NS) == ["exam-1"]
    item = _items(county, yi, NOW_NS + 46 * MINUTE_NS)[0]
    assert (item.exam.status, item.claimed_by) == ("pending_read", None)
    with db.reading(county) as session:
        assert audit.verify(session).first_bad is None


def test_what_does_not_wait_cannot_be_claimed(county: Engine, readers: tuple[User, User]) -> None:
    exam = arrive(county)

    def report(session: Session) -> None:
        exam.status = "reported"
        session.add(exam)

    with db.transaction(county) as session:
        report(session)
    with pytest.raises(WrongState):
        _claim(county, readers[0])
    assert _items(county, readers[0]) == []
