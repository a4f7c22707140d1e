"""One MQTT connection to the county: TLS with both certificates, MQTT 3.1.1, every wait bounded.

aiomqtt carries the protocol; three of its habits do not suit a station and are replaced here (tested
with mosquitto and amqtt):

- it connects and shakes hands in a thread that cannot be cancelled, and tells a refusal by the broker as
  "timed out": here the socket is opened by the event loop, and a refusal says its reason;
- a failed connection leaves its socket and a task behind: `close` removes both;
- it warns above ten pending calls, which a station with a live lane passes.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt

from edge_agent.errors import BrokerUnreachable, Trouble
from protocols.station import BrokerSettings

NOTSENT_BYTES = 16 * 1024
"""Most that waits unsent in the kernel: an urgent part does not queue behind more."""
USER_TIMEOUT_MS = 30_000
"""TCP gives up on bytes nobody confirmed for so long."""
DIAL_S = 4.0
"""For one address over one interface; then the next is tried."""
GOODBYE_S = 2.0
_VERIFY_TROUBLE: dict[int, Trouble] = {
    9: "clock",
    10: "expired",
}  # X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED
_SUBACK_REFUSED = 0x80  # MQTT 3.1.1 §3.9.3

logger = logging.getLogger(__name__)
_paho_log = logging.getLogger("edge_agent.uplink.paho")
_paho_log.setLevel(logging.CRITICAL)  # what it says, the errors here repeat in an operator's words


class Connection(aiomqtt.Client):
    """An MQTT client over a socket that is already open. Use `connect`."""

    def __init__(self, sock: ssl.SSLSocket, broker: BrokerSettings, **settings: Any) -> None:
        super().__init__(broker.host, broker.port, logger=_paho_log, **settings)
        self.pending_calls_threshold = 1000
        self._ready = sock
        # paho asks this method for a connected socket; the rest of paho does not care how it was made.
        self._client._create_socket = self._take_socket  # type: ignore[method-assign]  # noqa: SLF001

    def _take_socket(self) -> ssl.SSLSocket:
        return self._ready

    def _on_disconnect(self, *arguments: Any) -> None:
        if not self._connected.done():
            self._connected.set_exception(
                BrokerUnreachable(
                    "the broker closed the connection; is it our certificate?", trouble="refused"
                )
            )
            return
        super()._on_disconnect(*arguments)

    async def open(self, timeout_s: float) -> None:
        """Send CONNECT and wait for the broker's yes. Raises BrokerUnreachable."""
        try:
            self._client_connect()  # the socket is there: this does not block
            async with asyncio.timeout(timeout_s):
                await self._connected
        except TimeoutError:
            raise BrokerUnreachable(
                f"the broker did not answer within {timeout_s:g} s", trouble="silent"
            ) from None
        except (OSError, aiomqtt.MqttError) as error:
            raise BrokerUnreachable(f"the broker refused: {error}", trouble="refused") from None

    async def goodbye(self) -> None:
        """Send DISCONNECT, so that the broker keeps the last will to itself."""
        with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
            self._client.disconnect()
            async with asyncio.timeout(GOODBYE_S):
                await self._disconnected

    async def close(self) -> None:
        """Leave nothing behind, whatever state the connection is in."""
        self._client._sock_close()  # noqa: SLF001 - paho's public disconnect() only queues a packet
        self._ready.close()
        await asyncio.sleep(0)  # what paho asked the loop to do when the socket opened has happened now
        if (task := self._misc_task) is not None:
            task.cancel()
            await asyncio.wait([task])
        for future in (self._connected, self._disconnected):
            if future.done() and not future.cancelled():
                future.exception()  # seen


@contextlib.asynccontextmanager
async def connect(
    broker: BrokerSettings, identifier: str, will: aiomqtt.Will, *, timeout_s: float, keepalive_s: int
) -> AsyncIterator[Connection]:
    """A connection with a clean session. Raises BrokerUnreachable with a reason an operator can act on."""
    sock = await _open_socket(broker, timeout_s)
    connection = Connection(
        sock,
        broker,
        identifier=identifier,
        will=will,
        clean_session=True,
        keepalive=keepalive_s,
        timeout=timeout_s,
    )
    try:
        await connection.open(timeout_s)
        yield connection
    finally:
        await connection.close()


async def subscribe(connection: Connection, topic: str) -> None:
    """Subscribe with QoS 1. Raises BrokerUnreachable if the broker does not grant it."""
    granted = await connection.subscribe(topic, qos=1)
    for code in granted:
        if (code if isinstance(code, int) else code.value) >= _SUBACK_REFUSED:
            raise BrokerUnreachable(f"the broker does not let this station read {topic}", trouble="refused")


def tls_context(broker: BrokerSettings) -> ssl.SSLContext:
    """TLS with the county's CA and the station's certificate, read anew at each connection.

    Raises BrokerUnreachable naming the file that cannot be used.
    """
    file = broker.ca_file
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        file = broker.cert_file
        context.load_cert_chain(broker.cert_file, broker.key_file)
    except (OSError, ssl.SSLError) as error:
        raise BrokerUnreachable(f"{file} cannot be used: {error}", trouble="refused") from None
    return context


async def _open_socket(broker: BrokerSettings, timeout_s: float) -> ssl.SSLSocket:
    context = tls_context(broker)
    where, answered = f"{broker.host}:{broker.port}", False
    try:
        async with asyncio.timeout(timeout_s):
            sock = await _dial(broker)
            answered = True
            return await _shake_hands(sock, context, broker.host)
    except TimeoutError:
        trouble: Trouble = "silent" if answered else "network"
        raise BrokerUnreachable(f"{where} did not answer within {timeout_s:g} s", trouble) from None
    except ssl.SSLError as error:
        raise BrokerUnreachable(f"{where}: TLS: {error.reason or error}", _tls_trouble(error)) from None
    except socket.gaierror as error:
        raise BrokerUnreachable(f"{where}: {error.strerror}", trouble="name") from None
    except OSError as error:
        trouble = "portal" if answered else "network"
        raise BrokerUnreachable(f"{where}: {error.strerror or error}", trouble) from None


def _tls_trouble(error: ssl.SSLError) -> Trouble:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_TROUBLE.get(error.verify_code, "stranger")
    # An alert is said by somebody who speaks TLS; anything else is no TLS at all: a log-in page, a proxy.
    return "refused" if "ALERT" in (error.reason or "") else "portal"


async def _dial(broker: BrokerSettings) -> socket.socket:
    """A connected socket, over the first interface that has a way."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError("the name has no address")
    addresses = await loop.getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
    for interface in broker.interfaces or ("",):
        for family, kind, protocol, _, address in addresses:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setblocking(False)
                if interface:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_BYTES)
                async with asyncio.timeout(DIAL_S):
                    await loop.sock_connect(sock, address)
            except OSError as error:  # TimeoutError is one
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                if broker.interfaces:
                    logger.info("the way to the county is %s", interface)
                return sock
    raise failure


async def _shake_hands(sock: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    try:
        secured = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    except BaseException:
        sock.close()
        raise
    try:
        while True:
            try:
                secured.do_handshake()
            except ssl.SSLWantReadError:
                await _until_ready(secured, write=False)
            except ssl.SSLWantWriteError:
                await _until_ready(secured, write=True)
            else:
                return secured
    except BaseException:
        secured.close()
        raise


async def _until_ready(sock: ssl.SSLSocket, *, write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    number = sock.fileno()
    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    add(number, tell)
    try:
        await ready
    finally:
        remove(number)
