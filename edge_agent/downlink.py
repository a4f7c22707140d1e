"""HANDLERS: received message type → what the station does.

A message is done only after its handler returned, so a handler may see the same message twice (power cut
in between) and must not mind.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

from edge_agent.errors import StoreError
from edge_agent.inbox import Inbox
from protocols.messages import Message, ReportShow

logger = logging.getLogger(__name__)

RETRY_S = 5.0
"""After a handler failed; everything else goes on meanwhile."""


class Room(Protocol):
    """What the messages of the hub act on: the room's own record."""

    async def keep_report(self, message: ReportShow) -> None:
        """Keep a signed report and show it; the same report_id and version again is no change."""


Handler = Callable[[Room, Message], Awaitable[None]]


async def show_report(room: Room, message: Message) -> None:
    """A signed report: into the record of the room where the electrodes are."""
    await room.keep_report(cast("ReportShow", message))


HANDLERS: dict[str, Handler] = {
    "report.show": show_report,
}


async def run(inbox: Inbox, room: Room, *, retry_s: float = RETRY_S) -> None:
    """Act on everything in the inbox, now and as it arrives; for ever."""
    while True:
        seen = inbox.arrived.rung
        failed = await act(inbox, room)
        await inbox.arrived.wait(seen, retry_s if failed else None)


async def act(inbox: Inbox, room: Room) -> int:
    """Act on what is pending; how many could not be and stay. Raises StoreError if the inbox itself fails."""
    failed = 0
    for received in await inbox.pending():
        try:
            await HANDLERS[received.type](room, received.message)
        except StoreError as error:
            failed += 1
            logger.warning("%s %s stays in the inbox: %s", received.type, received.mid.hex(), error)
            continue
        await inbox.done(received.mid)
        logger.info("%s %s done", received.type, received.mid.hex())
    return failed
