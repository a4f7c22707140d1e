"""A bad line between a client and its broker: slow, late, half-open, cut, and unkind to single packets.

Two kinds. A plain one carries bytes and knows nothing of them. One that is given the county's
certificates ends TLS on both sides, as the station to the broker and as the broker to the station, and
so sees MQTT packets: a judge drops, doubles or delays each of them.
"""

import asyncio
import contextlib
import random
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Way = Literal["up", "down"]
"""up: from the client to the broker."""

CHUNK = 1024
"""Bytes that are paced at once: an eighth of a second at 64 kbit/s."""
STANDING_S = 0.25
"""Most that stands in the line itself; behind it the sender's own buffers fill, as on a real modem."""
SOCKET_BYTES = 4096

PUBLISH, PUBACK = 3, 4
"""MQTT 3.1.1 §2.2.1."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the line does to bytes."""

    rate: float = float("inf")
    """Bytes per second each way, shared by all connections."""
    delay_s: float = 0.0
    """One way."""
    jitter_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Packet:
    """One MQTT control packet (MQTT 3.1.1 §2)."""

    raw: bytes

    @property
    def type(self) -> int:
        return self.raw[0] >> 4

    @property
    def qos(self) -> int:
        return self.raw[0] >> 1 & 3

    @property
    def _at(self) -> int:
        """Where the variable header begins: after the type byte and the remaining length."""
        at = 1
        while self.raw[at] & 0x80:
            at += 1
        return at + 1

    @property
    def topic(self) -> str:
        """Of a PUBLISH."""
        at = self._at
        size = int.from_bytes(self.raw[at : at + 2], "big")
        return self.raw[at + 2 : at + 2 + size].decode()

    @property
    def id(self) -> int:
        """Of a PUBLISH with QoS 1, or of a PUBACK."""
        at = self._at
        if self.type == PUBLISH:
            at += 2 + int.from_bytes(self.raw[at : at + 2], "big")
        return int.from_bytes(self.raw[at : at + 2], "big")

    def is_on(self, tail: str) -> bool:
        """Whether it publishes on a topic with this ending, or with this in it if it ends with a slash."""
        return self.type == PUBLISH and (tail in self.topic if tail[-1] == "/" else self.topic.endswith(tail))


Judge = Callable[[Packet], Iterable[tuple[float, bytes]]]
"""Packet → (seconds later, bytes) to forward; nothing: it is lost."""


def pass_on(packet: Packet) -> Iterable[tuple[float, bytes]]:
    """The judge that does nothing."""
    return ((0.0, packet.raw),)


@dataclass(frozen=True, slots=True)
class Certificates:
    """What a line needs to end TLS: the broker's certificate and its client's."""

    county: Path
    client: str
    """File stem below the county's `stations`, or `hub`."""

    def as_broker(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.county / "ca/ca.crt"))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.county / "broker/broker.crt", self.county / "broker/broker.key")
        return context

    def as_client(self) -> ssl.SSLContext:
        folder = self.county / ("hub" if self.client == "hub" else "stations")
        context = ssl.create_default_context(cafile=str(self.county / "ca/ca.crt"))
        context.load_cert_chain(folder / f"{self.client}.crt", folder / f"{self.client}.key")
        return context


class Link:
    """`with Link(port) as link:` listens on `link.port` of 127.0.0.1 until the block ends."""

    def __init__(self, target: int, certificates: Certificates | None = None) -> None:
        self.shape = Shape()
        self.judges: dict[Way, Judge] = {"up": pass_on, "down": pass_on}
        self.bytes: Counter[Way] = Counter()
        self.opened_at: list[float] = []
        """Monotonic time of each connection so far."""
        self._target = target
        self._certificates = certificates
        self._dice = random.Random(target)
        self._flows: list[_Flow] = []
        self._free: dict[Way, float] = {"up": 0.0, "down": 0.0}
        self._is_down = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
        self.port: int = self._listening.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"link {self.port}", daemon=True)

    def __enter__(self) -> "Link":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    # --- what a test does to it ---

    def cut(self) -> None:
        """Reset every connection; new ones are let in."""
        self._soon(self._cut)

    def down(self) -> None:
        """Reset every connection and refuse new ones, until `up`."""
        self._is_down = True
        self.cut()

    def up(self) -> None:
        self._is_down = False

    def freeze(self) -> None:
        """Half-open: the connections there are carry nothing more, and nobody is told. New ones work."""
        self._soon(lambda: [flow.freeze() for flow in self._flows])

    def inject(self, way: Way, raw: bytes) -> None:
        """Put a packet into the newest connection."""
        self._soon(lambda: self._flows[-1].put(way, raw) if self._flows else None)

    def _soon(self, work: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(work)

    def _cut(self) -> None:
        for flow in self._flows:
            flow.abort()

    # --- its own thread ---

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        context = self._certificates.as_broker() if self._certificates else None
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, sock=self._listening, limit=SOCKET_BYTES, ssl=context)
        )
        self._loop.run_forever()
        server.close()
        self._cut()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0.05))  # what was aborted is closed now
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_down:
            writer.transport.abort()
            return
        tls = self._certificates.as_client() if self._certificates else None
        try:
            far = await asyncio.open_connection("127.0.0.1", self._target, ssl=tls, limit=SOCKET_BYTES)
        except OSError:
            writer.transport.abort()
            return
        flow = _Flow(self, (reader, writer), far)
        self._flows.append(flow)
        self.opened_at.append(time.monotonic())
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the line is taken down
                await flow.run()
        finally:
            self._flows.remove(flow)

    def due(self, way: Way, size: int) -> float:
        """When the last of so many bytes comes out at the far end."""
        shape = self.shape
        self._free[way] = max(self._loop.time(), self._free[way]) + size / shape.rate
        self.bytes[way] += size
        return self._free[way] + max(0.0, shape.delay_s + self._dice.uniform(-1, 1) * shape.jitter_s)

    async def paced(self, way: Way) -> None:
        """Until the line takes more."""
        await asyncio.sleep(max(0.0, self._free[way] - self._loop.time() - STANDING_S))

    @property
    def sees_packets(self) -> bool:
        return self._certificates is not None


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Flow:
    """One connection through the line."""

    def __init__(self, link: Link, near: _Stream, far: _Stream) -> None:
        self._link = link
        self._readers: dict[Way, asyncio.StreamReader] = {"up": near[0], "down": far[0]}
        self._writers: dict[Way, asyncio.StreamWriter] = {"up": far[1], "down": near[1]}
        self._lines: dict[Way, asyncio.Queue[tuple[float, bytes]]] = {
            "up": asyncio.Queue(),
            "down": asyncio.Queue(),
        }
        self._last: dict[Way, float] = {"up": 0.0, "down": 0.0}
        self._frozen = False

    def freeze(self) -> None:
        self._frozen = True

    def abort(self) -> None:
        for writer in self._writers.values():
            writer.transport.abort()

    def put(self, way: Way, raw: bytes) -> None:
        self._last[way] = max(self._last[way], self._link.due(way, len(raw)))
        self._lines[way].put_nowait((self._last[way], raw))

    async def run(self) -> None:
        ways: tuple[Way, ...] = ("up", "down")
        tasks = [asyncio.ensure_future(work(way)) for way in ways for work in (self._take, self._give)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not self._frozen:
                await self._emptied()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._frozen:  # whoever is left at the other end is not told
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
            self.abort()

    async def _emptied(self) -> None:
        """What was on its way when one side closed still arrives."""
        await asyncio.sleep(max(0.0, max(self._last.values()) - asyncio.get_running_loop().time()) + 0.02)

    async def _take(self, way: Way) -> None:
        reader, loop = self._readers[way], asyncio.get_running_loop()
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                raw = await (_packet(reader) if self._link.sees_packets else reader.read(CHUNK))
                if not raw:
                    return
                if self._frozen:
                    continue
                judge = self._link.judges[way] if self._link.sees_packets else None
                for later_s, piece in judge(Packet(raw)) if judge else ((0.0, raw),):
                    if later_s:
                        loop.call_later(later_s, self.put, way, piece)
                    else:
                        self.put(way, piece)
                await self._link.paced(way)

    async def _give(self, way: Way) -> None:
        writer, line, loop = self._writers[way], self._lines[way], asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while True:
                due, raw = await line.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not self._frozen:
                    writer.write(raw)
                    await writer.drain()


async def _packet(reader: asyncio.StreamReader) -> bytes:
    """One control packet: type, remaining length (a varint, MQTT 3.1.1 §2.2.3), the rest."""
    raw, size, shift = await reader.readexactly(1), 0, 0
    while True:
        byte = await reader.readexactly(1)
        raw += byte
        size |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            return raw + await reader.readexactly(size)
