"""Heartbeat: what waits, what was refused, how the boxes are; and the watchdog of systemd.

Status goes out every 30 s and on change, as one retained message.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from importlib import metadata

from edge_agent.clock import Clock
from edge_agent.outbox import Outbox
from protocols.messages import BoxState, StationStatus

logger = logging.getLogger(__name__)

EVERY_S = 30.0
SOONEST_S = 2.0
"""Changes closer together than this go out as one."""


def version() -> str:
    """The version of the installed agent."""
    return metadata.version("maitong")


class Health:
    """The state of this station. `boxes` gives the ECG boxes as the capture sees them."""

    def __init__(self, outbox: Outbox, clock: Clock, boxes: Callable[[], tuple[BoxState, ...]]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._boxes = boxes

    async def status(self) -> StationStatus:
        """The station's state at this moment."""
        waiting = await self._outbox.waiting()
        bulk, *urgent = await self._outbox.numbers()
        return StationStatus(
            online=True,
            at_ns=self._clock.wall_ns(),
            version=version(),
            waiting=waiting.total,
            oldest_ns=waiting.oldest_ns,
            rejected=waiting.rejected,
            boxes=self._boxes(),
            epoch=bulk.epoch,
            first_seq=bulk.first_seq,
            last_seq=bulk.last_seq,
            urgent=urgent[0] if urgent else None,
        )

    async def run(
        self,
        publish: Callable[[StationStatus], Awaitable[bool]],
        *,
        every_s: float = EVERY_S,
        soonest_s: float = SOONEST_S,
    ) -> None:
        """Publish the state every `every_s` and on change, and feed the watchdog; for ever.

        `publish` returns whether it went out; offline, the next connection says it anyway.
        """
        notify("READY=1")
        said: StationStatus | None = None
        spoke_ns = self._clock.mono_ns()
        while True:
            notify("WATCHDOG=1")
            now = await self.status()
            due = self._clock.mono_ns() - spoke_ns >= every_s * 1e9
            if (due or said is None or _differs(now, said)) and await publish(now):
                said, spoke_ns = now, self._clock.mono_ns()
            await asyncio.sleep(soonest_s)


def _differs(now: StationStatus, said: StationStatus) -> bool:
    """Whether more has changed than the time and the counters, which wait for the next heartbeat."""
    return _without_counters(now) != _without_counters(said)


def _without_counters(status: StationStatus) -> StationStatus:
    boxes = tuple(box.model_copy(update={"bad_frames": 0}) for box in status.boxes)
    numbers = dict.fromkeys(("first_seq", "last_seq", "urgent"))  # they move with what waits
    return status.model_copy(update={"at_ns": None, "boxes": boxes, **numbers})


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)); nothing happens where there is no systemd."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(state.encode(), address)
        except OSError as error:
            logger.warning("systemd was not told %s: %s", state, error)
