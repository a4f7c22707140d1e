"""The way to the county: drains the outbox, receives into the inbox, carries the live lane.

A broker's acknowledgement means nothing for a message: a row leaves the outbox on the hub's receipt only.
What goes next, and how much at a time, is the sender's (sender.py, pace.py). A broker that takes everything
and says nothing is left: no receipt within the time means to connect anew, and everything without a receipt
is sent again.
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
from edge_agent.errors import BrokerUnreachable, LinkError, StoreFull, Trouble
from edge_agent.inbox import Inbox
from edge_agent.outbox import Outbox
from edge_agent.store import Bell
from edge_agent.uplink import connection as mqtt
from edge_agent.uplink.pace import Pace
from edge_agent.uplink.sender import Sender
from protocols import envelope, topics
from protocols.envelope import HUB, Frame, Stamp
from protocols.errors import MessageError
from protocols.messages import (
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

SLOW_LINK_BYTES_S = 32 * 1024
"""Below this goodput the live lane keeps silent while a durable message is on its way."""
LIVE_MOST = 16
"""Live payloads that may wait; the next ones are dropped."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait for what, in seconds."""

    connect_s: float = 10.0
    puback_s: float = 20.0
    """For the broker to take one part, at least; more on a link that crawls."""
    puback_most_s: float = 60.0
    receipt_s: float = 10.0
    """For the hub to confirm a message, at least; more on a slow link."""
    backoff_first_s: float = 1.0
    backoff_most_s: float = 30.0
    stable_s: float = 60.0
    """A connection that held so long, or brought a receipt, was a good one: the backoff begins anew."""
    keepalive_s: int = 15
    """A peer that vanished without a word is noticed after twice this."""

    def backoff_s(self, failures: int) -> float:
        """How long to wait after so many failures in a row, at random below a doubling bound.

        Spread out: after a power cut in the county all stations come back in the same second.
        """
        most_s = min(self.backoff_most_s, self.backoff_first_s * 2 ** min(failures - 1, 20))
        return random.uniform(most_s / 2, most_s)


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
        self.trouble: Trouble = ""
        """The same, for the page."""
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
        self._pace = Pace()
        self._live: deque[tuple[str, bytes]] = deque()
        self._live_bell = Bell()
        self._client: mqtt.Connection | None = None
        self._sender = self._new_sender()

    def _new_sender(self) -> Sender:
        """One connection's sender: whatever has no receipt is sent again."""
        self._pace.connected()
        self._hello_mid, self._hello_ns = b"", 0
        self._live.clear()
        return Sender(
            self._outbox, self._clock, self._pace, self._station, self._timing.receipt_s, self._publish_part
        )

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
            failures = 1 if self._sender.confirmed or held_s >= self._timing.stable_s else failures + 1
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
        slow = self._sender.busy and (self._pace.goodput or SLOW_LINK_BYTES_S) < SLOW_LINK_BYTES_S
        if not self.online or slow or len(self._live) >= LIVE_MOST:
            self.live_dropped += 1
            return False
        self._live.append((topics.build("live", self._station, stream), payload))
        self._live_bell.ring()
        return True

    # --- one connection ---

    async def _connected(self) -> None:
        self._sender = self._new_sender()
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
                    group.create_task(self._sender.run())
                    group.create_task(self._send_live(client))
            except asyncio.CancelledError:
                await self._say_goodbye(client)
                raise
            finally:
                self._client = None
                self._set_online(False)

    async def _say_hello(self) -> None:
        waiting = await self._outbox.waiting()
        bulk, *urgent = await self._outbox.numbers()
        begun = await self._outbox.begun(OWED_MOST)
        status = await self._status()
        hello = StationHello(
            epoch=bulk.epoch,
            boot=self._clock.boot,
            version=status.version,
            waiting={lane: row.count for lane, row in waiting.lanes.items()},
            oldest_ns=waiting.oldest_ns,
            first_seq=bulk.first_seq,
            last_seq=bulk.last_seq,
            owed=tuple(Owed(mid=row.mid, h8=row.sha256[:8]) for row in begun),
            urgent=urgent[0] if urgent else None,
        )
        self._hello_ns = self._clock.mono_ns()
        await self._publish_loose("hello", hello)
        self._hello_mid = envelope.message_id(self._station, self._loose_epoch, self._loose_seq)
        self._sender.hold_back(begun)
        await self._publish_loose("status", status)

    async def _say_goodbye(self, client: mqtt.Connection) -> None:
        with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(mqtt.GOODBYE_S):
                offline = StationStatus(online=False, at_ns=self._clock.wall_ns())
                await self._publish_loose("status", offline)
        await client.goodbye()

    # --- up ---

    async def _send_live(self, client: mqtt.Connection) -> None:
        while True:
            seen = self._live_bell.rung
            while self._live:
                topic, payload = self._live.popleft()
                await client.publish(topic, payload, qos=0, timeout=self._timing.puback_s)
            await self._live_bell.wait(seen)

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
            await self._sender.take(receipt.items)
            answers = bool(receipt.answers) and receipt.answers == self._hello_mid
            if answers:
                self._sender.answered()
            await self._learn_time(receipt, answers=answers)
        else:
            item = await self._inbox.accept(frame)
            if item is not None:
                await self._confirm(item)

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

    async def _publish_part(self, topic: str, wire: bytes) -> None:
        # What is ahead of it needs its time too: give up when nothing moves, not when it crawls.
        timing = self._timing
        patience_s = min(max(timing.puback_s, 4 * self._pace.acknowledged_s), timing.puback_most_s)
        await self._publish(topic, wire, timeout_s=patience_s)

    async def _publish(
        self, topic: str, wire: bytes, *, retain: bool = False, timeout_s: float | None = None
    ) -> None:
        if self._client is None:
            raise BrokerUnreachable("the connection has gone")
        await self._client.publish(
            topic, wire, qos=1, retain=retain, timeout=timeout_s or self._timing.puback_s
        )

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
            self.last_error, self.trouble = "", ""
        self.online, self.since_ns = online, now_ns
        self.changed.ring()

    def _note_failure(self, error: BaseException) -> None:
        text = str(error) or type(error).__name__
        level = logging.DEBUG if self.last_error else logging.WARNING  # each outage once
        logger.log(level, "the link to the county is down: %s", text)
        self.last_error = text
        self.trouble = error.trouble if isinstance(error, LinkError) else "network"


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
