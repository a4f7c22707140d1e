"""The way to the county: drains the outbox, receives into the inbox, carries the live lane.

A broker's acknowledgement means nothing for a message: a row leaves the outbox on the hub's receipt only.
One part is handed over at a time, and the next choice is made after it, so that an urgent ECG waits for
one part at most. A broker that takes everything and says nothing is left: no receipt within the time
means to connect anew, and everything without a receipt is sent again.
"""

import asyncio
import contextlib
import logging
import random
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiomqtt

from edge_agent.clock import Clock
from edge_agent.errors import BrokerUnreachable, LinkError, NoReceipt, StoreFull
from edge_agent.inbox import Inbox
from edge_agent.outbox import Outbox, OutboxRow
from edge_agent.store import Bell
from edge_agent.uplink import connection as mqtt
from protocols import envelope, parts, topics
from protocols.envelope import HUB, Frame, Stamp
from protocols.errors import MessageError
from protocols.messages import (
    LANES,
    OWED_MOST,
    Message,
    Owed,
    Receipt,
    ReceiptItem,
    StationHello,
    StationStatus,
    TimeFixed,
)
from protocols.station import StationSettings

logger = logging.getLogger(__name__)

WINDOW_BYTES = 128 * 1024
"""Most that is on its way without a receipt: what a lost connection costs again. Urgent ones pass it."""
FIRST_PART_BYTES = 8 * 1024
"""Until goodput has been measured."""
PART_SECONDS = 0.5
"""A part is what the link carries in so long: how long an urgent one may have to wait."""
SLOW_LINK_BYTES_S = 32 * 1024
"""Below this goodput the live lane keeps silent while a durable message is on its way."""
ANSWER_SHARE = 0.5
"""Of the time for a receipt: so long what was begun before waits for the hub to say what it has of it."""
LIVE_MOST = 16
"""Live payloads that may wait; the next ones are dropped."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait for what, in seconds."""

    connect_s: float = 10.0
    puback_s: float = 20.0
    """For the broker to take one part."""
    receipt_s: float = 10.0
    """For the hub to confirm a message, at least; more on a slow link."""
    backoff_first_s: float = 1.0
    backoff_most_s: float = 30.0
    stable_s: float = 60.0
    """A connection that held so long, or brought a receipt, was a good one: the backoff begins anew."""
    keepalive_s: int = 20

    def backoff_s(self, failures: int) -> float:
        """How long to wait after so many failures in a row, at random below a doubling bound.

        Spread out: after a power cut in the county all stations come back in the same second.
        """
        most_s = min(self.backoff_most_s, self.backoff_first_s * 2 ** min(failures - 1, 20))
        return random.uniform(most_s / 2, most_s)


@dataclass(slots=True)
class _OnTheWay:
    size: int
    due_ns: int | None = None
    """Monotonic time by which a receipt must be there; None while parts are still being sent."""


class Uplink:
    """The link of one station. `status` gives its state at this moment."""

    def __init__(
        self,
        settings: StationSettings,
        outbox: Outbox,
        inbox: Inbox,
        clock: Clock,
        status: Callable[[], Awaitable[StationStatus]],
        timing: Timing | None = None,
    ) -> None:
        self.online = False
        """Connected to the broker, subscribed, and hello said."""
        self.since_ns = clock.wall_ns()
        """Wall time since which `online` is what it is."""
        self.last_error = ""
        """Why it is offline, for the operator."""
        self.changed = Bell()
        """Rings when `online` changes."""
        self.live_dropped = 0
        self._settings = settings
        self._outbox = outbox
        self._inbox = inbox
        self._clock = clock
        self._status = status
        self._timing = timing or Timing()
        self._station = settings.station_id
        self._loose_epoch, self._loose_seq = secrets.token_bytes(8), 0
        self._time_said = False
        self._goodput: float | None = None  # bytes per second as the broker acknowledges them
        self._puback_s = 0.0  # what the last part took
        self._live: deque[tuple[str, bytes]] = deque()
        self._live_bell = Bell()
        self._client: mqtt.Connection | None = None
        self._reset()

    def _reset(self) -> None:
        """Forget what belongs to one connection: whatever has no receipt is sent again."""
        self._on_the_way: dict[int, _OnTheWay] = {}
        self._parts_sent: dict[int, set[int]] = {}  # of messages that were overtaken in the middle
        self._heard_ns = self._clock.mono_ns()  # when the hub last confirmed anything
        self._confirmed = False
        self._hello_mid, self._hello_ns = b"", 0
        self._asked: dict[int, _OnTheWay] = {}  # what the hello asks after, until it is answered
        self._sending = False
        self._live.clear()

    async def run(self) -> None:
        """Hold the link: connect, work, and connect anew after each failure; for ever."""
        failures = 0
        while True:
            began_ns = self._clock.mono_ns()
            try:
                await self._connected()
            except* (LinkError, aiomqtt.MqttError, OSError) as group:
                self._note_failure(_first(group))
            held_s = (self._clock.mono_ns() - began_ns) / 1e9
            failures = 1 if self._confirmed or held_s >= self._timing.stable_s else failures + 1
            await asyncio.sleep(self._timing.backoff_s(failures))

    async def publish_status(self, status: StationStatus) -> bool:
        """Publish the station's state (retained); False if offline."""
        if self._client is None or not self.online:
            return False
        try:
            await self._publish_loose("status", status)
        except aiomqtt.MqttError:
            return False  # the connection's own tasks find out why
        return True

    def live(self, stream: str, payload: bytes) -> bool:
        """Hand over one block of the live lane (QoS 0); False if it was dropped: offline, or no room."""
        slow = self._sending and self._goodput is not None and self._goodput < SLOW_LINK_BYTES_S
        if not self.online or slow or len(self._live) >= LIVE_MOST:
            self.live_dropped += 1
            return False
        self._live.append((topics.build("live", self._station, stream), payload))
        self._live_bell.ring()
        return True

    # --- one connection ---

    async def _connected(self) -> None:
        self._reset()
        will = aiomqtt.Will(
            topics.build("status", self._station),
            self._loose(StationStatus(online=False)),
            qos=1,
            retain=True,
        )
        link = mqtt.connect(
            self._settings.broker,
            self._station,
            will,
            timeout_s=self._timing.connect_s,
            keepalive_s=self._timing.keepalive_s,
        )
        async with link as client:
            self._client = client
            try:
                await mqtt.subscribe(client, topics.station_subscription(self._station))
                await self._say_hello()
                self._set_online(True)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._receive(client))
                    group.create_task(self._send())
                    group.create_task(self._watch_receipts())
                    group.create_task(self._send_live(client))
            except asyncio.CancelledError:
                await self._say_goodbye(client)
                raise
            finally:
                self._client = None
                self._set_online(False)

    async def _say_hello(self) -> None:
        waiting, extent = await self._outbox.waiting(), await self._outbox.extent()
        begun = await self._outbox.begun(OWED_MOST)
        status = await self._status()
        hello = StationHello(
            epoch=extent.epoch,
            boot=self._clock.boot,
            version=status.version,
            waiting={lane: row.count for lane, row in waiting.lanes.items()},
            oldest_ns=waiting.oldest_ns,
            first_seq=extent.first_seq,
            last_seq=extent.last_seq,
            owed=tuple(Owed(mid=row.mid, h8=row.sha256[:8]) for row in begun),
        )
        self._hello_ns = self._clock.mono_ns()
        await self._publish_loose("hello", hello)
        self._hello_mid = envelope.message_id(self._station, self._loose_epoch, self._loose_seq)
        self._hold_back(begun)
        await self._publish_loose("status", status)

    def _hold_back(self, begun: list[OutboxRow]) -> None:
        """Send again only what the hub's answer does not name: a slow link carries nothing twice.

        Not for ever, since an older hub does not answer; and an urgent one waits for nothing.
        """
        due_ns = self._clock.mono_ns() + int(self._timing.receipt_s * ANSWER_SHARE * 1e9)
        self._asked = {row.seq: _OnTheWay(0, due_ns) for row in begun if row.lane != LANES[0]}
        self._on_the_way.update(self._asked)

    async def _say_goodbye(self, client: mqtt.Connection) -> None:
        with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(mqtt.GOODBYE_S):
                offline = StationStatus(online=False, at_ns=self._clock.wall_ns())
                await self._publish_loose("status", offline)
        await client.goodbye()

    # --- up ---

    async def _send(self) -> None:
        while True:
            seen = self._outbox.changed.rung
            window_full = sum(row.size for row in self._on_the_way.values()) >= WINDOW_BYTES
            row = await self._outbox.next_to_send(
                skip=self._on_the_way.keys(),
                lanes=LANES[:1] if window_full else LANES,
                part_bytes=self._part_bytes(),
            )
            if row is None:
                await self._outbox.changed.wait(seen, self._outbox.next_due_s())
            else:
                await self._send_row(row, seen)

    async def _send_row(self, row: OutboxRow, seen: int) -> None:
        """Send what is missing of a message, part by part, unless a more pressing one overtakes it."""
        way = self._on_the_way[row.seq] = _OnTheWay(row.size)
        sent = self._parts_sent.setdefault(row.seq, set())
        topic = topics.build("up", self._station, row.lane)
        self._sending = True
        try:
            for k, wire in await self._outbox.frames(row):
                if k in sent:
                    continue
                if await self._is_overtaken(row, seen):
                    self._on_the_way.pop(row.seq, None)  # its turn comes again; `sent` remembers
                    return
                began_ns = self._clock.mono_ns()
                await self._publish(topic, wire)
                self._measure(len(wire), self._clock.mono_ns() - began_ns)
                sent.add(k)
        finally:
            self._sending = False
        self._parts_sent.pop(row.seq, None)
        if not sent:  # it is not owed any more, or its body is damaged
            self._on_the_way.pop(row.seq, None)
            return
        way.due_ns = self._clock.mono_ns() + int(self._receipt_s() * 1e9)
        await self._outbox.mark_sent(row)

    async def _is_overtaken(self, row: OutboxRow, seen: int) -> bool:
        if self._outbox.changed.rung == seen:
            return False
        more_pressing = LANES[: LANES.index(row.lane)]
        if not more_pressing:
            return False
        skip = self._on_the_way.keys()
        found = await self._outbox.next_to_send(skip=skip, lanes=more_pressing, part_bytes=self._part_bytes())
        return found is not None

    async def _watch_receipts(self) -> None:
        """Send again what was not confirmed in time; if nothing at all was, leave this connection."""
        while True:
            await asyncio.sleep(self._timing.receipt_s / 10)
            now_ns = self._clock.mono_ns()
            late = [
                seq
                for seq, way in self._on_the_way.items()
                if way.due_ns is not None and way.due_ns <= now_ns
            ]
            if not late:
                continue
            silent_s = (now_ns - self._heard_ns) / 1e9
            if silent_s >= self._timing.receipt_s:
                raise NoReceipt(silent_s)
            for seq in late:
                del self._on_the_way[seq]
            self._outbox.changed.ring()

    async def _send_live(self, client: mqtt.Connection) -> None:
        while True:
            seen = self._live_bell.rung
            while self._live:
                topic, payload = self._live.popleft()
                await client.publish(topic, payload, qos=0, timeout=self._timing.puback_s)
            await self._live_bell.wait(seen)

    def _part_bytes(self) -> int:
        if self._goodput is None:
            return FIRST_PART_BYTES
        return int(min(max(self._goodput * PART_SECONDS, parts.SMALLEST_PART_BYTES), parts.PART_BYTES))

    def _receipt_s(self) -> float:
        """How long the hub may take: a slow link is given four times what it needs to take one part."""
        return max(self._timing.receipt_s, 4 * self._puback_s)

    def _measure(self, size: int, took_ns: int) -> None:
        self._puback_s = took_s = max(took_ns / 1e9, 1e-4)
        now = size / took_s
        self._goodput = now if self._goodput is None else 0.7 * self._goodput + 0.3 * now

    # --- down ---

    async def _receive(self, client: mqtt.Connection) -> None:
        async for message in client.messages:
            wire = bytes(message.payload) if isinstance(message.payload, bytes | bytearray) else b""
            try:
                await self._take(topics.parse(message.topic.value), envelope.decode(wire))
            except MessageError as error:
                logger.error("a message from the hub is put into quarantine: %s", error)  # noqa: TRY400
                await self._inbox.quarantine(wire, error.code)

    async def _take(self, topic: topics.Topic, frame: Frame) -> None:
        if frame.header.sender != HUB:
            raise MessageError(f"sender {frame.header.sender!r} is not the hub")
        if topic.kind == "down_receipt":
            receipt = envelope.decode_body(frame.header.type, frame.body)
            if not isinstance(receipt, Receipt):
                raise MessageError(f"{frame.header.type} is no receipt")
            await self._apply(receipt)
        else:
            item = await self._inbox.accept(frame)
            if item is not None:
                await self._confirm(item)

    async def _apply(self, receipt: Receipt) -> None:
        for row in await self._outbox.apply_receipts(receipt.items):
            self._heard_ns, self._confirmed = self._clock.mono_ns(), True
            self._on_the_way.pop(row.seq, None)
            self._parts_sent.pop(row.seq, None)
        answers = bool(receipt.answers) and receipt.answers == self._hello_mid
        if answers:
            self._heard_ns, self._confirmed = self._clock.mono_ns(), True
            for seq, way in self._asked.items():
                if self._on_the_way.get(seq) is way:  # else it was sent meanwhile
                    del self._on_the_way[seq]
            self._asked.clear()
        self._outbox.changed.ring()  # the window has room again, even if nothing changed on disk
        await self._learn_time(receipt, answers=answers)

    async def _learn_time(self, receipt: Receipt, *, answers: bool) -> None:
        """Take the time from the hub, and say once a boot what the true time is."""
        clock = self._clock
        if answers or clock.known() is None:
            asked_ns = self._hello_ns if answers else None
            await asyncio.to_thread(clock.learn, receipt.wall_ns, asked_ns)  # writes the floor
        known = clock.known()
        if self._time_said or known is None or not clock.boot:
            return
        fixed = TimeFixed(boot=clock.boot, mono_ns=known.mono_ns, wall_ns=known.wall_ns, err_ns=known.err_ns)
        with contextlib.suppress(StoreFull):  # said again with the next receipt, which makes room
            await self._outbox.append(fixed, "prompt", f"time-{clock.boot}")
            self._time_said = True

    async def _confirm(self, item: ReceiptItem) -> None:
        await self._publish_loose("up_receipt", Receipt(items=(item,), wall_ns=self._clock.wall_ns()))

    # --- the wire ---

    async def _publish_loose(self, kind: topics.Kind, message: Message) -> None:
        """Publish a message that needs no receipt."""
        wire, row = self._loose(message), topics.TOPICS[kind]
        await self._publish(topics.build(kind, self._station), wire, retain=row.retained)

    async def _publish(self, topic: str, wire: bytes, *, retain: bool = False) -> None:
        if self._client is None:
            raise BrokerUnreachable("the connection has gone")
        await self._client.publish(topic, wire, qos=1, retain=retain, timeout=self._timing.puback_s)

    def _loose(self, message: Message) -> bytes:
        self._loose_seq += 1
        body, clock = envelope.encode_body(message), self._clock
        stamp = Stamp(clock.wall_ns(), clock.quality, clock.boot, clock.mono_ns())
        header = envelope.header_for(
            message, body, sender=self._station, epoch=self._loose_epoch, seq=self._loose_seq, stamp=stamp
        )
        return envelope.encode(header, body)

    # --- what the operator sees ---

    def _set_online(self, online: bool) -> None:
        if online == self.online:
            return
        now_ns = self._clock.wall_ns()
        if online:
            logger.info("connected to the county after %.0f s", (now_ns - self.since_ns) / 1e9)
            self.last_error = ""
        self.online, self.since_ns = online, now_ns
        self.changed.ring()

    def _note_failure(self, error: BaseException) -> None:
        text = str(error) or type(error).__name__
        level = logging.DEBUG if self.last_error else logging.WARNING  # each outage once
        logger.log(level, "the link to the county is down: %s", text)
        self.last_error = text


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
