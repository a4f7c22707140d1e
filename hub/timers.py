"""TIMERS: what happens because time has passed; every so many seconds one service call in one transaction."""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from hub import db
from hub.clock import SECOND_NS, Clock
from hub.notices import NoticeKind, Notices
from hub.services import messages, users, worklist

_logger = logging.getLogger(__name__)

PARTS_KEPT_S = 14 * 86_400
"""A station that was away for a fortnight sends its unfinished message again from the first part."""


class Timer(NamedTuple):
    every_s: float
    call: Callable[[Session, int], list[tuple[NoticeKind, str]]]
    """Session and now (ns) → whom to wake once it is committed."""


def release_claims(session: Session, now_ns: int) -> list[tuple[NoticeKind, str]]:
    """What a reader took and left lying goes back to the list."""
    return [("worklist", exam_id) for exam_id in worklist.release_expired(session, now_ns=now_ns)]


def sweep_logins(session: Session, now_ns: int) -> list[tuple[NoticeKind, str]]:
    """Log-ins that ran out."""
    users.sweep(session, now_ns=now_ns)
    return []


def sweep_parts(session: Session, now_ns: int) -> list[tuple[NoticeKind, str]]:
    """Parts of messages that were never completed."""
    if gone := messages.sweep_parts(session, older_than_ns=now_ns - PARTS_KEPT_S * SECOND_NS):
        _logger.info("forgot %d parts of messages never completed", gone)
    return []


TIMERS: dict[str, Timer] = {
    "release_claims": Timer(5, release_claims),
    "sweep_logins": Timer(300, sweep_logins),
    "sweep_parts": Timer(3600, sweep_parts),
}


async def run(engine: Engine, clock: Clock, notices: Notices) -> None:
    """Run all timers for as long as this runs; they do not wait for each other."""
    async with asyncio.TaskGroup() as tasks:
        for name, timer in TIMERS.items():
            tasks.create_task(_repeat(name, timer, engine, clock, notices), name=name)


async def _repeat(name: str, timer: Timer, engine: Engine, clock: Clock, notices: Notices) -> None:
    failed = False
    while True:
        try:
            for kind, id_ in await db.in_thread(_once, timer, engine, clock.wall_ns()):
                notices.publish(kind, id_)
            failed = False
        except SQLAlchemyError as error:
            if not failed:
                _logger.error("timer %s: the database is away (%s)", name, type(error).__name__)  # noqa: TRY400
            failed = True
        await asyncio.sleep(timer.every_s)


def _once(timer: Timer, engine: Engine, now_ns: int) -> list[tuple[NoticeKind, str]]:
    with db.transaction(engine) as session:
        return timer.call(session, now_ns)
