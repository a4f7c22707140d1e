"""Drains deliveries: per receiver in order, the most urgent first, again by code, until confirmed (P3)."""

import asyncio
import logging
from typing import cast

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from hub import db
from hub.clock import SECOND_NS, Clock
from hub.config import Settings
from hub.domain.delivery import Delivery
from hub.interfaces import LINKS
from hub.interfaces.base import Link, LinkGone, OpenLink, Outgoing, SendOutcome
from hub.notices import POLL_S, Notices, Subscription
from hub.services import deliveries
from protocols.messages import Lane

_logger = logging.getLogger(__name__)

_RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0)
_ROUND = 50
"""At most so many receivers served in one round: then the list is looked at anew."""


async def run(settings: Settings, engine: Engine, clock: Clock, notices: Notices) -> None:
    """Drain every kind of receiver for as long as this runs; kinds never wait for each other."""
    async with asyncio.TaskGroup() as tasks:
        for kind, opener in LINKS.items():
            open_link = opener(settings)
            if open_link is None:
                _logger.warning(
                    "the settings name no way to receivers of kind %s; what they are owed waits", kind
                )
            else:
                tasks.create_task(_keep_draining(kind, open_link, engine, clock, notices), name=kind)


async def _keep_draining(
    kind: str, open_link: OpenLink, engine: Engine, clock: Clock, notices: Notices
) -> None:
    failures = 0
    while True:
        opened = False
        try:
            async with open_link() as link, notices.subscribe("delivery") as woken:
                _logger.info("deliveries to %s: the link is open", kind)
                opened, failures = True, 0
                await drain(kind, link, engine, clock, woken)
        except (LinkGone, SQLAlchemyError) as error:
            if opened or failures == 0:
                reason = str(error) if isinstance(error, LinkGone) else type(error).__name__
                _logger.warning("deliveries to %s stopped: %s", kind, reason)
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            failures += 1


async def drain(kind: str, link: Link, engine: Engine, clock: Clock, woken: Subscription) -> None:
    """Send what is due, sleep until something is, for ever. Raises LinkGone or a database error."""
    while True:
        batch = await db.in_thread(_take, engine, kind, clock.wall_ns())
        for i, delivery in enumerate(batch):
            try:
                outcome = await link.send(delivery)
            except LinkGone:
                await db.in_thread(_put_back, engine, [d.id for d in batch[i:]])
                raise
            await db.in_thread(_note, engine, delivery.id, outcome, clock.wall_ns())
        if not batch:
            await woken.wait(POLL_S)


def _take(engine: Engine, kind: str, now_ns: int) -> list[Outgoing]:
    with db.transaction(engine) as session:
        return [
            Outgoing(
                id=cast("int", row.id),
                receiver_id=row.receiver_id,
                lane=cast("Lane", row.lane),
                header=deliveries.header(session, row),
                body=row.body,
                attempts=row.attempts,
            )
            for row in deliveries.take(session, kind, now_ns=now_ns, limit=_ROUND)
        ]


def _put_back(engine: Engine, delivery_ids: list[int]) -> None:
    with db.transaction(engine) as session:
        deliveries.retry(session, delivery_ids, "link_gone", next_try_ns=0)


def _note(engine: Engine, delivery_id: int, outcome: SendOutcome, now_ns: int) -> None:
    again_ns = now_ns + int(outcome.next_try_s * SECOND_NS)
    with db.transaction(engine) as session:
        row = session.get(Delivery, delivery_id)
        if row is None or row.mid is None:
            return
        if outcome.status == "retry":
            deliveries.retry(session, [delivery_id], outcome.code, next_try_ns=again_ns)
            return
        deliveries.mark_sent(session, delivery_id, now_ns=now_ns, next_try_ns=again_ns)
        if outcome.status == "confirmed":
            deliveries.confirm(session, row.mid, row.sha256[:8], receiver_id=row.receiver_id, now_ns=now_ns)
        elif outcome.status == "refused":
            deliveries.refuse(session, row.mid, outcome.code, receiver_id=row.receiver_id)
