"""The MQTT loop of an ingest worker: take what has come, commit it together, acknowledge, receipt, notify.

The broker's acknowledgement is held back until the commit, so that what a worker was killed over comes
again, and so that the broker hands over no more than a worker can carry.
"""

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Sequence

import aiomqtt
from sqlalchemy import Engine

from hub import db
from hub.clock import Clock
from hub.config import Broker, Settings
from hub.ingest.intake import DATABASE_AWAY, Incoming, Outcome, take
from hub.notices import Notices, mqtt_client
from protocols import topics
from protocols.envelope import HUB, encode, encode_body, header_for
from protocols.messages import Receipt, ReceiptItem

_logger = logging.getLogger(__name__)

BATCH = 64
"""At most so many messages in one transaction."""
_ITEMS = 64
"""At most so many in one receipt (protocols.messages.Receipt)."""
_KEEPALIVE_S = 20
_ANSWER_WITHIN_S = 5
_RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0)


async def run(settings: Settings, engine: Engine, clock: Clock, notices: Notices) -> None:
    """Consume for as long as this runs; connects again whenever the broker goes away."""
    if settings.broker is None:
        _logger.warning("no broker in the settings: stations cannot be reached")
        await asyncio.Event().wait()
    assert settings.broker is not None
    worker = Consumer(settings.broker, engine, clock, notices)
    failures = 0
    while True:
        try:
            await worker.serve()
        except (aiomqtt.MqttError, OSError) as error:
            if worker.connected or failures == 0:
                _logger.warning("ingest: the broker is away (%s)", error)
        if worker.cancelled:
            raise asyncio.CancelledError
        failures = 0 if worker.connected else failures + 1
        await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])


class Consumer:
    """One worker and its connection."""

    def __init__(self, broker: Broker, engine: Engine, clock: Clock, notices: Notices) -> None:
        self._broker = broker
        self._engine = engine
        self._clock = clock
        self._notices = notices
        # Receipts are no deliveries: they have an epoch of their own, so their ids never meet.
        self._epoch = secrets.token_bytes(8)
        self._seq = 0
        self.connected = False
        self.cancelled = False
        """Leaving a broken connection, aiomqtt may raise its own error in the place of our cancellation."""

    async def serve(self) -> None:
        """Consume until the connection ends. Raises MqttError or OSError when it does."""
        self.connected = False
        identifier = f"hub-ingest-{secrets.token_hex(4)}"
        client = mqtt_client(self._broker, identifier, keepalive=_KEEPALIVE_S, timeout=_ANSWER_WITHIN_S)
        async with client:
            try:
                await self._consume(client)
            except asyncio.CancelledError:
                self.cancelled = True
                raise

    async def _consume(self, client: aiomqtt.Client) -> None:
        client.pending_calls_threshold = 10 * BATCH
        paho = client._client  # noqa: SLF001 - aiomqtt has no manual acknowledgement of its own
        paho.manual_ack_set(True)
        for topic in topics.hub_subscriptions(shared=self._broker.shared):
            await client.subscribe(topic, qos=1)
        self.connected = True
        _logger.info("ingest: connected to the broker")
        messages = client.messages
        async for first in messages:
            batch = [first]
            while len(messages) and len(batch) < BATCH:
                batch.append(await anext(messages))
            incoming = [Incoming(m.topic.value, _payload(m), bool(m.retain)) for m in batch]
            outcomes = await self._take(incoming)
            for message in batch:
                paho.ack(message.mid, message.qos)
            for kind, id_ in dict.fromkeys(notice for o in outcomes for notice in o.notices):
                self._notices.publish(kind, id_)
            await self._send_receipts(client, outcomes)

    async def _take(self, incoming: Sequence[Incoming]) -> list[Outcome]:
        """As `take`, in a thread; waits while the database is away."""
        failures = 0
        while True:
            try:
                return await db.in_thread(take, self._engine, incoming, now_ns=self._clock.wall_ns())
            except DATABASE_AWAY as error:
                if failures == 0:
                    _logger.error("ingest: the database is away (%s)", type(error).__name__)  # noqa: TRY400
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            failures += 1

    async def _send_receipts(self, client: aiomqtt.Client, outcomes: Sequence[Outcome]) -> None:
        by_station: defaultdict[str, dict[bytes, ReceiptItem]] = defaultdict(dict)
        frames: list[tuple[str, bytes]] = []
        for outcome in outcomes:
            if outcome.station_id and outcome.receipt:
                _keep(by_station[outcome.station_id], outcome.receipt)
            if outcome.station_id and outcome.hello_mid:
                frames.append((outcome.station_id, self._frame(outcome.held, outcome.hello_mid)))
        for station_id, items in by_station.items():
            said = list(items.values())
            starts = range(0, len(said), _ITEMS)
            frames.extend((station_id, self._frame(said[start : start + _ITEMS])) for start in starts)
        publishing = [
            client.publish(topics.build("down_receipt", station_id), frame, qos=1)
            for station_id, frame in frames
        ]
        # Not a task group: Python 3.11's leaves this task marked as being cancelled when a child fails.
        for result in await asyncio.gather(*publishing, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    def _frame(self, items: Sequence[ReceiptItem], answers: bytes = b"") -> bytes:
        message = Receipt(items=tuple(items), wall_ns=self._clock.wall_ns(), answers=answers)
        body = encode_body(message)
        self._seq += 1
        header = header_for(
            message, body, sender=HUB, epoch=self._epoch, seq=self._seq, stamp=self._clock.stamp()
        )
        return encode(header, body)


def _keep(items: dict[bytes, ReceiptItem], item: ReceiptItem) -> None:
    """The last word about a message is enough, but a conflict is not covered by another copy's success."""
    key = item.mid + item.h8
    items.pop(key, None)
    items[key] = item


def _payload(message: aiomqtt.Message) -> bytes:
    payload = message.payload
    return bytes(payload) if isinstance(payload, (bytes, bytearray)) else b""
