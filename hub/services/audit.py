"""One line per read or change of patient data, in a chain that shows what was changed or removed."""

from dataclasses import dataclass

from sqlalchemy import event
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session, col, select

from hub.domain.audit import FIRST, AuditHead, AuditLine
from hub.domain.user import User

_PENDING = "audit_lines"


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened, before it has its place in the chain."""

    at_ns: int
    action: str
    object: str
    user_id: str | None
    username: str
    patient_id: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What a verification found."""

    lines: int
    first_bad: int | None
    """Sequence number at which the chain breaks; None: it is whole."""


def record(
    session: Session,
    action: str,
    object: str,
    *,
    now_ns: int,
    user: User | None = None,
    by: str = "hub",
    patient_id: str | None = None,
    detail: str = "",
) -> None:
    """Write one line when this transaction commits, and not if it does not.

    `user` is who did it; without one, `by` names the station or program. `detail` holds ids and
    reasons, never a patient's name or number.
    """
    entry = Entry(
        now_ns,
        action,
        object[:100],
        user.id if user else None,
        user.username if user else by,
        patient_id,
        detail[:2000],
    )
    if _PENDING not in session.info:
        session.info[_PENDING] = []
        # The chain has one end, and whoever adds to it holds its lock until the commit. Taken as the
        # last lock of every transaction it can be part of no deadlock, and it is held shortest.
        event.listen(session, "before_commit", _append)
        event.listen(session, "after_soft_rollback", _forget)
    session.info[_PENDING].append((entry, session.get_nested_transaction()))


def _forget(session: Session, undone: SessionTransaction) -> None:
    """What a savepoint took back did not happen."""
    session.info[_PENDING] = [
        (entry, savepoint) for entry, savepoint in session.info[_PENDING] if not _within(savepoint, undone)
    ]


def _within(savepoint: SessionTransaction | None, undone: SessionTransaction) -> bool:
    if undone.parent is None:
        return True
    while savepoint is not None:
        if savepoint is undone:
            return True
        savepoint = savepoint.parent
    return False


def _append(session: Session) -> None:
    if session.in_nested_transaction():  # this hook runs for savepoints too
        return
    pending: list[tuple[Entry, SessionTransaction | None]] = session.info[_PENDING]
    if not pending:
        return
    session.flush()
    head = session.exec(select(AuditHead).where(AuditHead.id == 1).with_for_update()).one()
    for entry, _ in pending:
        line = AuditLine(
            seq=head.seq + 1,
            at_ns=entry.at_ns,
            user_id=entry.user_id,
            username=entry.username,
            action=entry.action,
            object=entry.object,
            patient_id=entry.patient_id,
            detail=entry.detail,
            previous=head.hash,
            hash=b"",
        )
        line.hash = line.expected_hash()
        session.add(line)
        head.seq, head.hash = line.seq, line.hash
    session.info[_PENDING] = []


def has_seen(session: Session, user: User, object: str, patient_id: str) -> bool:
    """Whether this user has looked at this thing of this patient before."""
    query = select(AuditLine.seq).where(
        AuditLine.patient_id == patient_id, AuditLine.user_id == user.id, AuditLine.object == object
    )
    return session.exec(query.limit(1)).first() is not None


def verify(session: Session) -> Chain:
    """Walk the whole chain: every hash, every link, no hole, and the end where the head says it is."""
    previous, seq = FIRST, 0
    while True:
        page = select(AuditLine).where(col(AuditLine.seq) > seq).order_by(col(AuditLine.seq)).limit(1000)
        lines = session.exec(page).all()
        for line in lines:
            if line.seq != seq + 1 or line.previous != previous or line.hash != line.expected_hash():
                return Chain(seq, seq + 1)
            seq, previous = line.seq, line.hash
            session.expunge(line)
        if not lines:
            break
    head = session.exec(select(AuditHead).where(AuditHead.id == 1)).one()
    whole = head.seq == seq and head.hash == previous
    return Chain(seq, None if whole else seq + 1)
