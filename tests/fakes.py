"""Doubles of the world, never of our own parts: time, and a cable that loses bytes."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from itertools import cycle

from edge_agent.clock import Machine
from edge_agent.errors import TransportGone
from protocols.envelope import ClockQuality

START_NS = 1_763_769_600 * 10**9
"""2025-11-22 00:00:00 UTC."""


class FakeClock:
    """A clock that stands still until it is told to go on. It has the shape of both ends' Clock."""

    def __init__(self, wall_ns: int = START_NS, boot: str = "boot-1", quality: ClockQuality = "ntp") -> None:
        self.boot = boot
        self.quality = quality
        self._wall_ns = wall_ns
        self._mono_ns = 1_000_000_000

    def wall_ns(self) -> int:
        return self._wall_ns

    def mono_ns(self) -> int:
        return self._mono_ns

    def known(self) -> None:
        """Nobody vouches for it."""

    def learn(self, hub_ns: int, asked_ns: int | None = None) -> bool:
        """Told the hub's time, it keeps its own."""
        return False

    def keep_floor(self) -> None:
        """Nothing outlives a test."""

    def advance(self, seconds: float) -> None:
        """Time goes by."""
        self._wall_ns += round(seconds * 1e9)
        self._mono_ns += round(seconds * 1e9)

    def set_wall(self, wall_ns: int) -> None:
        """Somebody sets the clock: the wall time jumps, the monotonic one does not."""
        self._wall_ns = wall_ns


class FakeMachine(Machine):
    """A computer whose clocks a test holds: the true time, and how far its own clock is off it."""

    def __init__(
        self, off_ns: int = 0, *, synchronised: bool = False, boot: str = "boot-1", true_ns: int = START_NS
    ) -> None:
        self.boot, self.off_ns, self.synchronised, self.true_ns = boot, off_ns, synchronised, true_ns
        self.up_ns = 50 * 10**9

    def advance(self, seconds: float) -> None:
        self.true_ns += int(seconds * 1e9)
        self.up_ns += int(seconds * 1e9)

    def wall_ns(self) -> int:
        return self.true_ns + self.off_ns

    def mono_ns(self) -> int:
        return self.up_ns

    def is_synchronised(self) -> bool:
        return self.synchronised


class Pipe:
    """Two ends of a cable in memory. `loses` says of each chunk written, in turn, whether it is lost.

    >>> left, right = Pipe(loses=[False, True]).ends  # every second chunk never arrives
    """

    def __init__(self, loses: Iterable[bool] = (False,)) -> None:
        there, back = _Way(loses), _Way((False,))
        self.ends = (PipeEnd(back, there), PipeEnd(there, back))
        """What the left end writes passes through `loses`; what the right end writes always arrives."""


class PipeEnd:
    """One end, with the shape of a driver's transport."""

    def __init__(self, incoming: "_Way", outgoing: "_Way") -> None:
        self._incoming, self._outgoing = incoming, outgoing

    async def __aenter__(self) -> "PipeEnd":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def read(self, n: int) -> bytes:
        """Up to n bytes, as soon as there are any. Raises TransportGone once the other end has closed."""
        way = self._incoming
        while not way.chunks:
            if way.closed:
                raise TransportGone("pipe", "the other end has closed")
            way.arrived.clear()
            await way.arrived.wait()
        chunk = way.chunks.popleft()
        if len(chunk) > n:
            way.chunks.appendleft(chunk[n:])
        return chunk[:n]

    async def write(self, data: bytes) -> None:
        """Hand over one chunk. Raises TransportGone if the cable is closed."""
        way = self._outgoing
        if way.closed:
            raise TransportGone("pipe", "the cable is closed")
        if not next(way.loses) and data:
            way.chunks.append(bytes(data))
            way.arrived.set()

    def close(self) -> None:
        """Pull the cable: both ends notice."""
        for way in (self._incoming, self._outgoing):
            way.closed = True
            way.arrived.set()


class _Way:
    def __init__(self, loses: Iterable[bool]) -> None:
        self.chunks: deque[bytes] = deque()
        self.loses = cycle(loses)
        self.arrived = asyncio.Event()
        self.closed = False


async def until(ask: Callable[[], object], what: str, seconds: float = 10) -> None:
    """Return once `ask()` is true; an AssertionError naming `what` if that takes too long."""
    for _ in range(int(seconds / 0.01)):
        if ask():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"not within {seconds:g} s: {what}")
