"""Which of the hub's roles are alive, as they say themselves every few seconds."""

from sqlmodel import Session

from hub.domain.role import DEAD_AFTER_S, RoleBeat


def beat(session: Session, role: str, *, now_ns: int) -> None:
    """The role is alive."""
    session.merge(RoleBeat(role=role, at_ns=now_ns))


def is_alive(session: Session, role: str, *, now_ns: int) -> bool:
    row = session.get(RoleBeat, role)
    return row is not None and now_ns - row.at_ns <= DEAD_AFTER_S * 1_000_000_000
