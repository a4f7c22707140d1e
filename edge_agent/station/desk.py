"""What the page's server works with: the room, the outbox, and the two sides it must not import."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from edge_agent.clock import Clock
from edge_agent.errors import Trouble
from edge_agent.outbox import Outbox, Waiting
from edge_agent.room import Exam, Room
from edge_agent.store import Bell
from protocols.station import StationSettings


class BlockQueue(Protocol):
    """Packed live blocks, oldest first; the oldest are lost where the page lags."""

    async def get(self) -> bytes: ...


class LiveBlocks(Protocol):
    def watch(self, band: str = "diagnostic") -> AbstractContextManager[BlockQueue]:
        """Blocks of one band, as long as the context lives."""
        ...


class Machine(Protocol):
    """The recording side (edge_agent.capture)."""

    @property
    def live(self) -> LiveBlocks: ...

    @property
    def changed(self) -> Bell: ...

    def state(self) -> dict[str, object]:
        """box, heart_rate, lead_quality, recording, disk."""
        ...

    async def start(self, exam: Exam, operator: str, lead_off_reason: str | None) -> str:
        """A new recording's id. Raises CaptureRefused."""
        ...

    async def cancel(self, exam_id: str) -> bool:
        """Take back the attempt being recorded for this exam."""
        ...


class Link(Protocol):
    """The way to the county (edge_agent.uplink)."""

    @property
    def online(self) -> bool: ...

    @property
    def since_ns(self) -> int:
        """Wall time since when it is as it is."""
        ...

    @property
    def trouble(self) -> Trouble:
        """What is wrong with it, as far as is known; "" if nothing."""
        ...

    def try_now(self) -> None:
        """Do not wait for the next attempt to connect."""
        ...


@dataclass(slots=True)
class Desk:
    """Everything a handler may use."""

    settings: StationSettings
    clock: Clock
    room: Room
    outbox: Outbox
    machine: Machine
    link: Link
    version: str
    _waiting: Waiting | None = None
    _waiting_as_of: int = field(default=-1)

    async def waiting(self) -> Waiting:
        """How much is owed; asked of the disk only when something has changed."""
        rung = self.outbox.changed.rung
        if self._waiting is None or rung != self._waiting_as_of:
            self._waiting, self._waiting_as_of = await self.outbox.waiting(), rung
        return self._waiting

    async def state(self) -> dict[str, Any]:
        """GET /api/state. `revision` grows when an exam, a report or the queue has changed."""
        settings, waiting = self.settings, await self.waiting()
        return {
            "station": {
                "id": settings.station_id,
                "name": settings.station_name,
                "duty_phone": settings.duty_phone,
            },
            "now_ns": self.clock.wall_ns(),
            "link": {
                "online": self.link.online,
                "since_ns": self.link.since_ns,
                "trouble": self.link.trouble,
            },
            **self.machine.state(),
            "queue": {
                "waiting": waiting.total,
                "oldest_ns": waiting.oldest_ns,
                "rejected": waiting.rejected,
            },
            "revision": self.room.changed.rung + self.outbox.changed.rung,
        }
