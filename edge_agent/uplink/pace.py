"""How fast the link carries, learned from the broker's acknowledgements: how much to hand over at a time.

Enough must be on its way to keep the line busy for a round trip, and no more, since an urgent ECG waits
behind whatever has been handed over. Pure: the times are arguments.
"""

from collections import deque
from dataclasses import dataclass

from protocols import parts

FIRST_PART_BYTES = 4 * 1024
"""Until something was acknowledged."""
PART_SECONDS = 0.5
"""A part is what the link carries in so long."""
PARTS_ON_THE_WAY = 2
"""At least so many, or the line falls idle between two acknowledgements."""
ROUND_TRIPS = 1.25
"""So many round trips' worth of bytes keep the line busy although acknowledgements come unevenly."""
MOST_BYTES = 32 * 1024
PARTS_BETWEEN_LONE = 64
"""So often one goes alone: behind others it would measure our own queue, and the window widen itself."""
_REMEMBERED = 12
"""Acknowledgements the figures rest on: a line that became slower is noticed within so many parts."""
_LONE_REMEMBERED = 3


@dataclass(frozen=True, slots=True)
class Departure:
    """One part that was handed over, and how far the link was then."""

    size: int
    sent_ns: int
    ahead: int
    """Bytes on their way, itself among them: what the line has to carry until it is there."""
    delivered: int
    delivered_ns: int
    filling: bool
    """Handed over with the window full: only then does the time it takes tell what the line can carry."""


class Pace:
    """The measure of one link. It outlives connections: the next one begins with what is known."""

    def __init__(self) -> None:
        self.on_the_way = 0
        """Bytes handed over and not acknowledged by the broker."""
        self.acknowledged_s = 0.0
        """What the last part took until it was acknowledged."""
        self._delivered = 0
        self._delivered_ns = 0
        self._rates: deque[float] = deque(maxlen=_REMEMBERED)
        self._round_trips_s: deque[float] = deque(maxlen=_LONE_REMEMBERED)
        """Of parts that went alone."""
        self._since_lone = 0

    @property
    def goodput(self) -> float | None:
        """Bytes a second as last measured; None before the first acknowledgement."""
        return max(self._rates, default=None)

    @property
    def part_bytes(self) -> int:
        """How large to cut a message whose sending begins now."""
        if self.goodput is None:
            return FIRST_PART_BYTES
        return int(min(max(self.goodput * PART_SECONDS, parts.SMALLEST_PART_BYTES), parts.PART_BYTES))

    @property
    def window_bytes(self) -> int:
        """How much may be on its way."""
        least = PARTS_ON_THE_WAY * self.part_bytes
        if self.goodput is None:
            return least
        return int(min(max(ROUND_TRIPS * self.goodput * min(self._round_trips_s), least), MOST_BYTES))

    @property
    def is_full(self) -> bool:
        """Whether the window has no room for another part."""
        if self._since_lone >= PARTS_BETWEEN_LONE:
            return self.on_the_way > 0
        return self.on_the_way >= self.window_bytes

    def connected(self) -> None:
        """A new connection: nothing is on its way in it."""
        self.on_the_way = 0

    def sent(self, size: int, now_ns: int) -> Departure:
        """`size` bytes were handed over."""
        if self.on_the_way == 0:
            self._delivered_ns = now_ns  # the line was idle: idle time says nothing about its speed
        self.on_the_way += size
        self._since_lone += 1
        filling = self.on_the_way >= self.window_bytes
        return Departure(size, now_ns, self.on_the_way, self._delivered, self._delivered_ns, filling)

    def acknowledged(self, part: Departure, now_ns: int) -> None:
        """The broker has that part. Parts of one connection are acknowledged in the order they were sent."""
        self.on_the_way = max(0, self.on_the_way - part.size)
        self._delivered += part.size
        self._delivered_ns = now_ns
        self.acknowledged_s = max((now_ns - part.sent_ns) / 1e9, 1e-4)
        took_s = max((now_ns - part.delivered_ns) / 1e9, 1e-4)
        rate = (self._delivered - part.delivered) / took_s
        # A lone part measures the round trip, not the line; it may only show that the line is faster.
        if part.filling or self.goodput is None or rate > self.goodput:
            self._rates.append(rate)
        if part.ahead == part.size:
            self._round_trips_s.append(self.acknowledged_s)
            self._since_lone = 0
