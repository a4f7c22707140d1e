"""Puts a simulated device behind an address: paces its bytes, injects faults, outlives its clients."""

import asyncio
import os
import random
import select
import termios
import tty
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from edge_agent.drivers.transport import Descriptor, Stream, Transport
from edge_agent.errors import TransportGone

_READ_BYTES = 4096
_STUCK_S = 2.0
"""A host that takes nothing for so long is gone."""
_UNPLUGGED_S = 3.0
_LOOK_S = 0.05
_LAG_S = 2.0
"""Further behind than this, the lost time is not caught up with."""


class Device(Protocol):
    """What `serve` needs of a simulated device."""

    @property
    def interval_s(self) -> float | None: ...

    def hear(self, data: bytes) -> bytes: ...

    def speak(self) -> list[bytes]: ...

    def hang_up(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, drawn from `seed`."""

    garbage: float = 0.0
    """Chance that a frame is preceded by random bytes, and as often that one of its bits is flipped."""
    lost: float = 0.0
    """Chance that a frame never arrives."""
    cut_after_s: float | None = None
    """The cable is pulled after so many seconds of speaking, for 3 s; every time."""
    silent_after_s: float | None = None
    """After so many seconds of speaking nothing more is said, on a line that stays open."""
    seed: int = 0


def parse_faults(texts: list[str], seed: int) -> Faults:
    """`garbage[:chance]`, `lost[:chance]`, `cut[:s]`, `silent[:s]` → Faults. Raises ValueError."""
    usual = {"garbage": 0.02, "lost": 0.02, "cut": 5.0, "silent": 5.0}
    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition(":")
        if name not in usual:
            raise ValueError(f"{name!r} is no fault; there are {', '.join(usual)}")
        found[name] = float(value) if value else usual[name]
    return Faults(
        found.get("garbage", 0.0), found.get("lost", 0.0), found.get("cut"), found.get("silent"), seed
    )


class _Unplugged(Exception):  # noqa: N818 - an event, not a mistake
    pass


class _Line:
    """The cable with its faults, one for all connections, so that a seed gives one history."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._random = random.Random(faults.seed)

    def carry(self, frame: bytes) -> bytes:
        """What is left of a frame on the far side."""
        chance = self._random.random
        if chance() < self._faults.lost:
            return b""
        if chance() < self._faults.garbage:
            damaged = bytearray(frame)
            damaged[self._random.randrange(len(frame))] ^= 1 << self._random.randrange(8)
            frame = bytes(damaged)
        if chance() < self._faults.garbage:
            frame = self._random.randbytes(self._random.randrange(1, 64)) + frame
        return frame


async def serve(
    device: Device, address: str, *, faults: Faults, speed: float, ready: Callable[[str], None]
) -> None:
    """Serve until cancelled, one client after the other. `ready` is told the address as it really is.

    Raises ValueError for an address that is neither tcp:host:port nor pty:/path.
    """
    scheme, _, rest = address.partition(":")
    line = _Line(faults)

    async def one_connection(transport: Transport) -> bool:
        """Speak and listen until the client has gone (False) or the cable is pulled (True)."""
        try:
            await _connection(device, transport, line, faults, speed)
        except TransportGone:
            return False
        except _Unplugged:
            return True
        finally:
            device.hang_up()

    if scheme == "tcp" and ":" in rest:
        await _serve_tcp(rest, one_connection, ready)
    elif scheme == "pty" and rest:
        await _serve_pty(Path(rest), one_connection, ready)
    else:
        raise ValueError(f"{address!r}: listen on tcp:host:port or pty:/path")


async def _connection(
    device: Device, transport: Transport, line: _Line, faults: Faults, speed: float
) -> NoReturn:
    loop = asyncio.get_running_loop()
    began: float | None = None
    next_at = 0.0
    while True:
        interval_s = device.interval_s
        if interval_s is None:
            began = None
        elif began is None:
            began = loop.time()
            next_at = began + interval_s / speed
        try:
            async with asyncio.timeout_at(None if began is None else next_at):
                said = await transport.read(_READ_BYTES)
        except TimeoutError:
            said = b""
        if said:
            await _write(transport, device.hear(said))
        now = loop.time()
        if began is None or interval_s is None or now < next_at:
            continue
        next_at = max(next_at, now - _LAG_S) + interval_s / speed
        frames = device.speak()
        if faults.cut_after_s is not None and now - began >= faults.cut_after_s:
            raise _Unplugged
        if faults.silent_after_s is not None and now - began >= faults.silent_after_s:
            continue
        await _write(transport, b"".join(line.carry(frame) for frame in frames))


async def _write(transport: Transport, data: bytes) -> None:
    try:
        async with asyncio.timeout(_STUCK_S):
            await transport.write(data)
    except TimeoutError:
        raise TransportGone("client", "takes nothing") from None


async def _serve_tcp(
    rest: str, one_connection: Callable[[Transport], Awaitable[bool]], ready: Callable[[str], None]
) -> None:
    host, _, port = rest.rpartition(":")
    turn = asyncio.Lock()
    plugged_at = 0.0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal plugged_at
        loop = asyncio.get_running_loop()
        try:
            async with turn:  # a box has one cable; the next client waits
                pulled = loop.time() >= plugged_at and await one_connection(Stream("client", reader, writer))
                if pulled:
                    plugged_at = loop.time() + _UNPLUGGED_S
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, host.strip("[]"), int(port))
    async with server:
        ready(f"tcp:{host}:{server.sockets[0].getsockname()[1]}")
        await server.serve_forever()


async def _serve_pty(
    link: Path, one_connection: Callable[[Transport], Awaitable[bool]], ready: Callable[[str], None]
) -> None:
    told = False
    while True:
        master = _plug_in(link)
        try:
            if not told:
                ready(f"pty:{link}")
                told = True
            while not await _pty_connection(master, one_connection):
                pass
        finally:
            _pull_out(link, master)
        await asyncio.sleep(_UNPLUGGED_S)


def _plug_in(link: Path) -> int:
    """A new pseudo-terminal whose far end is at `link`; its near end."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    # The link appears whole, so a driver never opens half of it.
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(os.ttyname(slave))
    fresh.replace(link)
    os.close(slave)
    return master


def _pull_out(link: Path, master: int) -> None:
    link.unlink(missing_ok=True)
    os.close(master)


async def _pty_connection(master: int, one_connection: Callable[[Transport], Awaitable[bool]]) -> bool:
    """Wait for a host to open the terminal, serve it; whether the cable was pulled."""
    poll = select.poll()
    poll.register(master, select.POLLHUP)
    if poll.poll(0):
        termios.tcflush(master, termios.TCIOFLUSH)  # what the last host left unread is not the next one's
    while poll.poll(0):  # noqa: ASYNC110 - the kernel has no event for "somebody opened it"
        await asyncio.sleep(_LOOK_S)
    return await one_connection(Descriptor("host", master))
