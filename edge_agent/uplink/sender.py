"""Drains the outbox through one connection: which part goes next, what is on its way, what is sent again.

The next choice is made after each part, and no more is handed over than keeps the line busy (pace.py), so
that an urgent ECG waits for two parts at most, whatever the backlog. Urgent and prompt messages go first;
the other lanes share what is left by weight, and none of them ever stands still.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field

from edge_agent.clock import Clock
from edge_agent.errors import NoReceipt
from edge_agent.outbox import Outbox, OutboxRow
from edge_agent.store import Bell
from edge_agent.uplink.pace import MOST_BYTES, Departure, Pace
from protocols import topics
from protocols.messages import LANES, Lane, ReceiptItem

UNCONFIRMED_BYTES = 128 * 1024
"""Most that is on its way without a receipt: what a lost connection costs again. Urgent ones pass it."""
ANSWER_SHARE = 0.5
"""Of the time for a receipt: so long what was begun before waits for the hub to say what it has of it."""
STRICT: tuple[Lane, ...] = ("urgent", "prompt")
"""These go before all others, in this order."""
WEIGHTS: dict[Lane, int] = {"clinical": 9, "bulk": 1}
"""How the other lanes share the line while each has something to send: a tenth is never taken from bulk."""

Publish = Callable[[str, bytes], Awaitable[None]]
"""Hand one payload to the broker under a topic; returns when the broker has acknowledged it."""


@dataclass(slots=True)
class _Way:
    """A message under way."""

    row: OutboxRow
    ahead: deque[tuple[int, bytes]]
    """Parts not handed over yet: (k, MQTT payload)."""
    parts: tuple[int, ...]
    """All that were to be sent, in order."""
    unacknowledged: int = 0
    due_ns: int | None = None
    """Monotonic time by which a receipt must be there; None while the broker lacks parts of it."""

    def lacks(self, have: Collection[int]) -> bool:
        """Whether parts got lost, by what the hub has: the last ones may still be on their way to it."""
        if self.due_ns is None:
            return False
        missing = [k for k in self.parts if k not in have]
        return not missing or missing != list(self.parts[-len(missing) :])


@dataclass(slots=True)
class Sender:
    """The sending half of one connection."""

    outbox: Outbox
    clock: Clock
    pace: Pace
    station: str
    receipt_s: float
    """For the hub to confirm a message, at least; more on a slow link."""
    publish: Publish
    confirmed: bool = False
    """Whether the hub has confirmed anything in this connection."""
    _ways: dict[int, _Way] = field(default_factory=dict)
    """By sequence number: messages begun in this connection that have no receipt."""
    _served: dict[Lane, float] = field(default_factory=lambda: dict.fromkeys(WEIGHTS, 0.0))
    """Bytes by weight: the lane with the least is next."""
    _asked: frozenset[int] = frozenset()
    """What the hello asks after, until it is answered or `_asked_until_ns` has come."""
    _asked_until_ns: int = 0
    _heard_ns: int = 0
    _bell: Bell = field(default_factory=Bell)
    """Rings when there may be a part to hand over: the outbox has changed, or the window has room."""

    @property
    def busy(self) -> bool:
        """Whether parts of durable messages are on their way."""
        return self.pace.on_the_way > 0

    def hold_back(self, begun: Iterable[OutboxRow]) -> None:
        """Send again only what the hub's answer does not name: a slow link carries nothing twice.

        Not for ever, since an older hub does not answer; and an urgent one waits for nothing.
        """
        self._asked = frozenset(row.seq for row in begun if row.lane != LANES[0])
        self._asked_until_ns = self.clock.mono_ns() + int(self.receipt_s * ANSWER_SHARE * 1e9)

    def answered(self) -> None:
        """The hub has said what it has of what the hello asked after."""
        self._asked, self._heard_ns, self.confirmed = frozenset(), self.clock.mono_ns(), True
        self._bell.ring()

    async def run(self) -> None:
        """Send what is owed, and again what was not confirmed in time; until the connection fails.

        Raises NoReceipt when the hub confirms nothing for too long, and whatever `publish` raises.
        """
        self._heard_ns = self.clock.mono_ns()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._listen())
            while True:
                await self._send_next(group)

    async def _send_next(self, group: asyncio.TaskGroup) -> None:
        """Hand over one part, or wait until there may be one."""
        seen = self._bell.rung
        way = await self._next_way()
        if way is None:
            await self._bell.wait(seen, self._next_due_s())
            return
        k, wire = way.ahead.popleft()
        way.unacknowledged += 1
        lane = way.row.lane
        if lane in WEIGHTS:
            self._served[lane] += len(wire) / WEIGHTS[lane]
        departure = self.pace.sent(len(wire), self.clock.mono_ns())
        topic = topics.build("up", self.station, lane)
        group.create_task(self._hand_over(way, topic, wire, departure), name=f"part {k}")
        await asyncio.sleep(0)  # it is with the client before the next one is chosen: the order stays

    async def _next_way(self) -> _Way | None:
        """The message whose part goes next; None if there is none, or no room for it."""
        if self.pace.on_the_way >= self.pace.window_bytes + MOST_BYTES:
            return None
        if self._asked and self._asked_until_ns <= self.clock.mono_ns():
            self._asked = frozenset()
        waiting_for_receipt = [seq for seq, way in self._ways.items() if not way.ahead]
        unconfirmed = sum(self._ways[seq].row.size for seq in waiting_for_receipt)
        only_urgent = self.pace.is_full or unconfirmed >= UNCONFIRMED_BYTES
        while True:
            row = await self.outbox.next_to_send(
                skip=self._asked.union(waiting_for_receipt),
                lanes=LANES[:1] if only_urgent else self._lanes(),
                part_bytes=self.pace.part_bytes,
            )
            if row is None:
                return None
            if (way := self._ways.get(row.seq)) is None:
                frames = await self.outbox.frames(row)
                if not frames:  # not owed any more, or its body is damaged: look again
                    continue
                way = self._ways[row.seq] = _Way(row, deque(frames), tuple(k for k, _ in frames))
            self._let_idle_lanes_catch_up(row.lane)
            return way

    def _next_due_s(self) -> float | None:
        """Seconds until something may be sent that is held back now."""
        due_s = [] if (postponed_s := self.outbox.next_due_s()) is None else [postponed_s]
        if self._asked:
            due_s.append(max(0.0, (self._asked_until_ns - self.clock.mono_ns()) / 1e9))
        return min(due_s, default=None)

    def _lanes(self) -> tuple[Lane, ...]:
        return (*STRICT, *sorted(WEIGHTS, key=self._served.__getitem__))

    def _let_idle_lanes_catch_up(self, chosen: Lane) -> None:
        """A lane that had nothing to send does not save up its turns."""
        if chosen in WEIGHTS:
            for lane in WEIGHTS:
                self._served[lane] = max(self._served[lane], self._served[chosen] - MOST_BYTES)

    async def _listen(self) -> None:
        """Carry the outbox's bell to our own."""
        seen = self.outbox.changed.rung
        while True:
            self._bell.ring()
            seen = await self.outbox.changed.wait(seen)

    async def _hand_over(self, way: _Way, topic: str, wire: bytes, departure: Departure) -> None:
        await self.publish(topic, wire)
        self.pace.acknowledged(departure, self.clock.mono_ns())
        self._bell.ring()
        way.unacknowledged -= 1
        if not way.ahead and not way.unacknowledged:
            way.due_ns = self.clock.mono_ns() + self._patience_ns()
            await self.outbox.mark_sent(way.row)

    async def _watch(self) -> None:
        """Send again what was not confirmed in time; if nothing at all was, leave this connection."""
        while True:
            await asyncio.sleep(self.receipt_s / 10)
            now_ns = self.clock.mono_ns()
            late = [seq for seq, way in self._ways.items() if way.due_ns is not None and way.due_ns <= now_ns]
            if not late:
                continue
            silent_s = (now_ns - self._heard_ns) / 1e9
            if silent_s >= self.receipt_s:
                raise NoReceipt(silent_s)
            for seq in late:
                del self._ways[seq]
            self._bell.ring()

    def _patience_ns(self) -> int:
        """How long the hub may take: a slow link is given four times what it needs to take one part."""
        return int(max(self.receipt_s, 4 * self.pace.acknowledged_s) * 1e9)

    async def take(self, items: Iterable[ReceiptItem]) -> None:
        """The hub's receipts: settle what they settle, and send what they ask for."""
        said = {item.mid: item for item in items}
        for row in await self.outbox.apply_receipts(said.values()):
            self._heard_ns, self.confirmed = self.clock.mono_ns(), True
            way, item = self._ways.get(row.seq), said[row.mid]
            if way is None:
                continue
            if item.st == "parts" and not way.lacks(item.have):
                if way.due_ns is not None:
                    way.due_ns = self.clock.mono_ns() + self._patience_ns()
                continue
            del self._ways[row.seq]
        self._bell.ring()
