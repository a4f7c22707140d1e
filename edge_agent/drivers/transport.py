"""open_transport("serial:… | pty:… | tcp:… | replay:…"): read, write, close.

A simulator is another address here, never another code path. A serial port is opened by pyserial and its
file descriptor put on the event loop, which costs neither a thread nor a poll.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import serial

from edge_agent.errors import TransportError, TransportGone

CONNECT_TIMEOUT_S = 5.0
SERIAL_BAUD = 460_800
"""Eight channels of three bytes at 1,000 Hz need 250 kbit/s."""


class Transport(Protocol):
    """An open address. One reader and one writer at a time."""

    async def read(self, most: int) -> bytes:
        """At least one byte, at most `most`. Raises TransportGone when the other side has gone."""
        ...

    async def write(self, data: bytes) -> None:
        """All of `data`. Raises TransportGone."""
        ...


@asynccontextmanager
async def open_transport(address: str) -> AsyncIterator[Transport]:
    """The transport behind an address, closed on leaving.

    Raises TransportError if the address is malformed or cannot be opened within 5 s.
    """
    scheme, colon, rest = address.partition(":")
    if not colon or not rest:
        raise TransportError(address, "an address looks like serial:/dev/ttyUSB0 or tcp:host:port")
    if scheme in ("serial", "pty"):
        port = _open_port(address, rest)
        try:
            yield Descriptor(address, port.fileno())
        finally:
            port.close()
    elif scheme == "tcp":
        reader, writer = await _connect(address, rest)
        try:
            yield Stream(address, reader, writer)
        finally:
            writer.close()
    elif scheme == "replay":
        try:
            recorded = await asyncio.to_thread(Path(rest).read_bytes)
        except OSError as error:
            raise TransportError(address, error.strerror or type(error).__name__) from error
        yield Replay(address, recorded)
    else:
        raise TransportError(address, f"{scheme!r} is no transport; there are serial, pty, tcp, replay")


def _open_port(address: str, path: str) -> serial.Serial:
    try:
        # A port two programs read from gives each half the bytes: exclusive.
        return serial.Serial(path, baudrate=SERIAL_BAUD, timeout=0, write_timeout=0, exclusive=True)
    except (OSError, ValueError) as error:  # SerialException is an OSError
        raise TransportError(address, getattr(error, "strerror", None) or type(error).__name__) from error


async def _connect(address: str, rest: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = rest.rpartition(":")
    if not host or not port.isdigit():
        raise TransportError(address, "a TCP address looks like tcp:host:port")
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await asyncio.open_connection(host.strip("[]"), int(port))
    except TimeoutError as error:
        raise TransportError(address, f"no answer within {CONNECT_TIMEOUT_S:g} s") from error
    except (OSError, OverflowError) as error:
        raise TransportError(address, getattr(error, "strerror", None) or type(error).__name__) from error


class Descriptor:
    """A serial port or pseudo-terminal, non-blocking, on the event loop."""

    def __init__(self, address: str, fd: int) -> None:
        self._address = address
        self._fd = fd

    async def read(self, most: int) -> bytes:
        while True:
            await _ready(self._fd, for_writing=False)
            try:
                data = os.read(self._fd, most)
            except BlockingIOError:
                continue
            except OSError as error:
                raise TransportGone(self._address, error.strerror or "read failed") from error
            if not data:  # readable and yet empty: the end
                raise TransportGone(self._address, "unplugged")
            return data

    async def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                await _ready(self._fd, for_writing=True)
            except OSError as error:
                raise TransportGone(self._address, error.strerror or "write failed") from error


async def _ready(fd: int, *, for_writing: bool) -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    add, remove = (
        (loop.add_writer, loop.remove_writer) if for_writing else (loop.add_reader, loop.remove_reader)
    )
    add(fd, done.set)
    try:
        await done.wait()
    finally:
        remove(fd)


class Stream:
    """A TCP connection."""

    def __init__(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._address = address
        self._reader = reader
        self._writer = writer

    async def read(self, most: int) -> bytes:
        try:
            data = await self._reader.read(most)
        except OSError as error:
            raise TransportGone(self._address, error.strerror or "read failed") from error
        if not data:
            raise TransportGone(self._address, "the other side closed")
        return data

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise TransportGone(self._address, error.strerror or "write failed") from error


class Replay:
    """A recorded file of what a device sent, for bug reports: unpaced, deaf to commands."""

    def __init__(self, address: str, recorded: bytes) -> None:
        self._address = address
        self._rest = memoryview(recorded)

    async def read(self, most: int) -> bytes:
        await asyncio.sleep(0)
        if not self._rest:
            raise TransportGone(self._address, "end of the recorded file")
        data, self._rest = bytes(self._rest[:most]), self._rest[most:]
        return data

    async def write(self, data: bytes) -> None:
        await asyncio.sleep(0)
