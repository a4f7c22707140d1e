"""The audit chain: whole under concurrency, broken by any change, honest about savepoints."""

import threading

import pytest
from hub_county import NOW_NS
from sqlalchemy import Engine, text
from sqlmodel import Session, select

from hub import db
from hub.domain import AuditLine
from hub.services import audit


def _record(session: Session, action: str = "exam.viewed") -> None:
    audit.record(session, action, "exam:e", now_ns=NOW_NS, by="MT-0001", patient_id="p", detail="x")


def _chain(engine: Engine) -> audit.Chain:
    with db.reading(engine) as session:
        return audit.verify(session)


def test_an_empty_chain_is_whole(engine: Engine) -> None:
    assert _chain(engine) == audit.Chain(0, None)


def test_lines_are_chained_at_the_commit_and_undone_with_it(engine: Engine) -> None:
    with db.transaction(engine) as session:
        _record(session)
        _record(session)

    def fail() -> None:
        with db.transaction(engine) as session:
            _record(session)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with db.transaction(engine) as session:
        _record(session)
    assert _chain(engine) == audit.Chain(3, None)


def test_a_savepoint_takes_its_lines_back_with_it(engine: Engine) -> None:
    with db.transaction(engine) as session:
        _record(session, "first")
        with session.begin_nested():
            _record(session, "second")
        savepoint = session.begin_nested()
        _record(session, "undone")
        with session.begin_nested():
            _record(session, "undone too")
        savepoint.rollback()
        _record(session, "third")
    with db.reading(engine) as session:
        lines = session.exec(select(AuditLine).order_by(AuditLine.seq)).all()  # type: ignore[arg-type]
    assert [line.action for line in lines] == ["first", "second", "third"]
    assert _chain(engine) == audit.Chain(3, None)


def test_concurrent_writers_make_one_chain(engine: Engine) -> None:
    def write() -> None:
        for _ in range(5):
            with db.transaction(engine) as session:
                _record(session)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _chain(engine) == audit.Chain(40, None)


@pytest.mark.parametrize(
    ("tampering", "first_bad"),
    [
        ("UPDATE audit_line SET username = 'somebody' WHERE seq = 2", 2),
        ("UPDATE audit_line SET patient_id = NULL WHERE seq = 1", 1),
        ("DELETE FROM audit_line WHERE seq = 2", 2),
        ("DELETE FROM audit_line WHERE seq = 3", 3),
        ("UPDATE audit_line SET at_ns = at_ns + 1 WHERE seq = 3", 3),
    ],
)
def test_any_change_shows(engine: Engine, tampering: str, first_bad: int) -> None:
    with db.transaction(engine) as session:
        for _ in range(3):
            _record(session)
    with engine.begin() as connection:
        connection.execute(text(tampering))
    assert _chain(engine).first_bad == first_bad
