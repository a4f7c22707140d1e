"""Notices between the hub's roles and to open browsers: "the worklist has changed", ids only.

They travel over the broker. They only wake somebody early: whoever waits also looks by itself every
two seconds, so a lost notice or a dead broker costs seconds, never an event.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Literal, get_args

import aiomqtt

from hub.config import Broker
from protocols.topics import NOTICES

NoticeKind = Literal["worklist", "exam", "delivery", "station"]
KINDS: tuple[NoticeKind, ...] = get_args(NoticeKind)

POLL_S = 2.0
"""Whoever waits for a notice looks by itself after so long."""

_QUEUE = 1000
_RETRY_S = (0.5, 1.0, 2.0, 5.0)

_logger = logging.getLogger(__name__)


def tls_of(broker: Broker) -> ssl.SSLContext | None:
    """Mutual TLS with the county's CA; None where the broker is spoken to in clear (same machine)."""
    if broker.ca_file is None:
        return None
    context = ssl.create_default_context(cafile=str(broker.ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if broker.cert_file is not None:
        context.load_cert_chain(str(broker.cert_file), str(broker.key_file) if broker.key_file else None)
    return context


class _Client(aiomqtt.Client):
    """Leaves a cancellation a cancellation: a farewell that fails on the way out must not hide it."""

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(exc_type, exc, tb)
        except aiomqtt.MqttError:
            if not isinstance(exc, asyncio.CancelledError):
                raise


def mqtt_client(broker: Broker, identifier: str, **options: Any) -> aiomqtt.Client:
    """A client of the broker, not yet connected. `options` go to aiomqtt."""
    return _Client(broker.host, broker.port, identifier=identifier, tls_context=tls_of(broker), **options)


class Subscription:
    """Wakes its holder when a notice of one of its kinds arrives."""

    def __init__(self, kinds: frozenset[NoticeKind]) -> None:
        self.kinds = kinds
        self._event = asyncio.Event()

    async def wait(self, timeout_s: float = POLL_S) -> bool:
        """True: there was a notice since the last call; False: none within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True

    def wake(self) -> None:
        self._event.set()


class Notices:
    """This process's end of the notice topics. Without a broker it still wakes those in this process."""

    def __init__(self, broker: Broker | None, name: str) -> None:
        self._broker = broker
        self._name = name
        self._queue: asyncio.Queue[tuple[NoticeKind, str]] = asyncio.Queue(_QUEUE)
        self._subscriptions: set[Subscription] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.connected = False
        """The broker can be reached from here."""

    def publish(self, kind: NoticeKind, id: str = "") -> None:
        """Say that something of this kind has changed. From any thread; never waits, never fails."""
        if self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._publish, kind, id)

    def _publish(self, kind: NoticeKind, id: str) -> None:
        self._wake(kind)
        if not self._queue.full():
            self._queue.put_nowait((kind, id))

    def _wake(self, kind: str) -> None:
        for subscription in self._subscriptions:
            if kind in subscription.kinds:
                subscription.wake()

    @asynccontextmanager
    async def subscribe(self, *kinds: NoticeKind) -> AsyncIterator[Subscription]:
        """Be woken by these kinds while the block lasts."""
        subscription = Subscription(frozenset(kinds))
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def run(self) -> None:
        """Keep the connection for as long as this runs."""
        self._loop = asyncio.get_running_loop()
        if self._broker is None:
            await self._drop_for_ever()
        else:
            await self._keep_connected(self._broker)

    async def _drop_for_ever(self) -> None:
        while True:
            await self._queue.get()

    async def _keep_connected(self, broker: Broker) -> None:
        failures = 0
        while True:
            try:
                async with mqtt_client(broker, f"hub-notices-{self._name}", timeout=5) as client:
                    await client.subscribe(f"{NOTICES}/+", qos=0)
                    self.connected, failures = True, 0
                    _logger.info("notices: connected to the broker")
                    for kind in KINDS:  # whatever happened while we were away
                        self._wake(kind)
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._send(client))
                        tasks.create_task(self._receive(client))
            except* (aiomqtt.MqttError, OSError):
                pass
            if self.connected or failures == 0:
                _logger.warning("notices: the broker is away; polling")
            self.connected = False
            failures += 1
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S)) - 1])

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            kind, what = await self._queue.get()
            await client.publish(f"{NOTICES}/{kind}", what.encode(), qos=0)

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            self._wake(message.topic.value.rpartition("/")[2])
        raise aiomqtt.MqttError("the broker closed the connection")
