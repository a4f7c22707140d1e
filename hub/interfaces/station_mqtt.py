"""Link to a station: frames on its down lanes. Its receipt, which comes through ingest, confirms them."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt

from hub.config import Broker
from hub.interfaces.base import LinkGone, Outgoing, SendOutcome
from hub.notices import mqtt_client
from protocols import parts, topics
from protocols.envelope import encode

KIND = "station"

_RECEIPT_WITHIN_S = 10.0
_SLOWEST_BYTES_PER_S = 4000
"""A bad rural link, 64 kbit/s with half of it lost: what is still under way is not sent on top of itself."""
_LONGEST_S = 600.0


class StationLink:
    """A connection to the broker that stations listen at."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client

    async def send(self, delivery: Outgoing) -> SendOutcome:
        """Part after part, each taken by the broker before the next. Raises LinkGone."""
        topic = topics.build("down", delivery.receiver_id, delivery.lane)
        n = parts.count(len(delivery.body))
        try:
            for k in range(n):
                frame = encode(delivery.header, parts.cut(delivery.body, k), k, n)
                await self._client.publish(topic, frame, qos=1)
        except (aiomqtt.MqttError, OSError) as error:
            raise LinkGone(str(error)) from None
        return SendOutcome("sent", next_try_s=resend_after_s(len(delivery.body), delivery.attempts))


def resend_after_s(size: int, attempts: int) -> float:
    """Seconds to wait for a receipt: the time it may take on a bad link, doubled with each attempt.

    A station that comes back says hello, and is then sent what it is owed at once.
    """
    once = _RECEIPT_WITHIN_S + size / _SLOWEST_BYTES_PER_S
    return min(_LONGEST_S, once * 2.0 ** min(attempts, 10))


@asynccontextmanager
async def connect(broker: Broker) -> AsyncIterator[StationLink]:
    """The link, while the block lasts. Raises LinkGone."""
    client = mqtt_client(broker, f"hub-interfaces-{secrets.token_hex(4)}", keepalive=20, timeout=5)
    cancelled = False
    try:
        async with client:
            try:
                yield StationLink(client)
            except asyncio.CancelledError:
                cancelled = True
                raise
    except (aiomqtt.MqttError, OSError) as error:
        # Leaving a broken connection, aiomqtt may raise its own error in the place of our cancellation.
        if cancelled:
            raise asyncio.CancelledError from None
        raise LinkGone(str(error)) from None
