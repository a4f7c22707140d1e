"""The only wiring place: opens everything, runs it in one task group, keeps what may fall alive.

What a device, a link or a page does wrong is tried again, with a delay and a count. A station's file that
fails ends the process: systemd starts it again, and the next start sets a damaged file aside.
"""

import asyncio
import contextlib
import fcntl
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from edge_agent import config, downlink, inbox, outbox, room
from edge_agent.analysis import Analyser
from edge_agent.capture import Capture
from edge_agent.capture.sealing import Sealer
from edge_agent.clock import FLOOR_EVERY_S, Clock
from edge_agent.errors import DriverError, EdgeError, StoreClosed, StoreCorrupt, StoreError, Trouble
from edge_agent.health import Health, version
from edge_agent.inbox import Inbox
from edge_agent.outbox import Outbox
from edge_agent.station.app import create_app
from edge_agent.station.desk import Desk
from edge_agent.store import Bell, Quota, Store
from edge_agent.uplink import Uplink
from protocols.messages import BoxState, StationStatus
from protocols.station import StationSettings

log = logging.getLogger(__name__)

LIVE_STREAM = "ecg"
FIRST_DELAY_S = 0.5
MOST_DELAY_S = 30.0
MOST_BOX_DELAY_S = 3.0
"""A cable that is put back is seen within this."""
STABLE_S = 30.0
"""What held so long begins again with the first delay."""


class AlreadyRunning(EdgeError):  # noqa: N818 - reads as the fact it states
    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"another agent works in {data_dir}. Stop it first, or give this one its own data_dir."
        )


class PageAddressTaken(EdgeError):  # noqa: N818
    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"the station page cannot listen on {host}:{port}: {reason}. Change page_port.")


class Link:
    """The uplink, and the button that does not wait for its next attempt."""

    def __init__(self, uplink: Uplink) -> None:
        self._uplink = uplink
        self._now = Bell()

    @property
    def online(self) -> bool:
        return self._uplink.online

    @property
    def since_ns(self) -> int:
        return self._uplink.since_ns

    @property
    def trouble(self) -> Trouble:
        return self._uplink.trouble

    def try_now(self) -> None:
        """If offline: connect now, whatever the backoff says."""
        self._now.ring()

    async def run(self) -> None:
        """Hold the link, for ever."""
        while True:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self._uplink.run())
                seen = self._now.rung
                while True:
                    seen = await self._now.wait(seen)
                    if not self._uplink.online:
                        break
                running.cancel()


@asynccontextmanager
async def opened(settings: StationSettings, clock: Clock) -> AsyncIterator["Station"]:
    """Everything of one station, open. Raises EdgeError if one of its files cannot be used."""
    key = config.storage_key(settings)
    data_dir = Path(settings.data_dir)
    async with AsyncExitStack() as stack:
        stack.enter_context(_only_one(data_dir))

        async def store(name: str, migrations: "tuple[str, ...]", quota: Quota | None = None) -> Store:
            return await stack.enter_async_context(Store.open(data_dir / name, key, migrations, quota))

        tables = tuple(outbox.MIGRATIONS)
        urgent = Quota("urgent and prompt", settings.urgent_quota_mb)
        bulk = Quota("clinical and bulk", settings.bulk_quota_mb)
        owed = Outbox(
            await store(outbox.FILE_NAME, tables, bulk),
            clock,
            settings.station_id,
            urgent=await store(outbox.URGENT_FILE_NAME, tables, urgent),
        )
        told = Inbox(await store(inbox.FILE_NAME, tuple(inbox.MIGRATIONS)), clock)
        here = await room.open_room(await store(room.FILE_NAME, room.MIGRATIONS))
        analyser = await stack.enter_async_context(Analyser())
        yield Station(settings, clock, owed, told, here, analyser)


class Station:
    """The parts of one station, joined. `run` is its life."""

    def __init__(
        self,
        settings: StationSettings,
        clock: Clock,
        outbox: Outbox,
        inbox: Inbox,
        room: room.Room,
        analyser: Analyser,
    ) -> None:
        self.settings = settings
        self.outbox = outbox
        self.room = room
        self._clock = clock
        self._inbox = inbox
        box = settings.boxes[0] if settings.boxes else None
        if len(settings.boxes) > 1:
            log.warning("%d boxes in the settings, this version uses the first", len(settings.boxes))
        self._health = Health(outbox, clock, self._boxes)
        self.uplink = Uplink(settings, outbox, inbox, clock, self._status)
        self.link = Link(self.uplink)
        data_dir = Path(settings.data_dir)
        self.sealer = Sealer(data_dir / "spool", clock, room, outbox, analyser)
        self.capture = Capture(data_dir, box, clock, room, self.sealer, analyser, self._publish)
        desk = Desk(settings, clock, room, outbox, self.capture, self.link, version())
        self.page = create_app(desk)

    def _boxes(self) -> tuple[BoxState, ...]:
        return self.capture.boxes()

    async def _status(self) -> StationStatus:
        return await self._health.status()

    def _publish(self, block: bytes) -> None:
        self.uplink.live(LIVE_STREAM, block)

    async def _tidy(self) -> None:
        """Once, beside everything else: a file of gigabytes gives its free pages back over a while."""
        try:
            await self.outbox.thin(self.settings.keep_received_days)
        except StoreError as error:
            if _is_fatal(error):
                raise
            log.warning("old receipts stay until the next start: %s", error)

    async def run(self) -> None:
        """Record, send, receive and serve the page, until cancelled or a file of the station fails."""
        settings, clock = self.settings, self._clock
        with _listening(settings.page_host, settings.page_port) as page_socket:
            await self.sealer.take_leftovers()
            async with asyncio.TaskGroup() as tasks:

                def keep(name: str, run: Callable[[], Awaitable[None]], most_s: float = MOST_DELAY_S) -> None:
                    tasks.create_task(keep_alive(name, run, clock, most_s=most_s), name=name)

                keep("sealer", self.sealer.run)
                keep("spool", self.capture.run_spool)
                keep("link", self.link.run)
                keep("clock", lambda: _keep_floor(clock))
                keep("downlink", lambda: downlink.run(self._inbox, self.room))
                keep("health", lambda: self._health.run(self.uplink.publish_status))
                if settings.boxes:
                    keep("box", self.capture.run_box, MOST_BOX_DELAY_S)
                tasks.create_task(self._tidy(), name="tidy")
                tasks.create_task(_serve(self.page, page_socket), name="page")
                host, port = page_socket.getsockname()[:2]
                log.info("station %s: page on http://%s:%d/", settings.station_id, host, port)


async def run(settings: StationSettings) -> None:
    """The agent, until SIGTERM or SIGINT. Raises EdgeError if it cannot begin or a file fails."""
    me = asyncio.current_task()
    assert me is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, me.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        async with opened(settings, Clock(Path(settings.data_dir))) as station:
            await station.run()
    log.info("station %s: stopped", settings.station_id)


async def _keep_floor(clock: Clock) -> None:
    """Write down how late it certainly is, for a boot without a clock; for ever."""
    while True:
        await asyncio.sleep(FLOOR_EVERY_S)
        await asyncio.to_thread(clock.keep_floor)


async def keep_alive(
    name: str,
    run: Callable[[], Awaitable[None]],
    clock: Clock,
    *,
    first_s: float = FIRST_DELAY_S,
    most_s: float = MOST_DELAY_S,
) -> None:
    """Run `run` again whenever it ends or fails, for ever: a delay that doubles, a count in the log.

    Raises what a damaged or closed file of the station's raises: that is for the next start to repair.
    """
    restarts, delay_s = 0, first_s
    while True:
        began_ns = clock.mono_ns()
        try:
            await run()
        except DriverError as error:
            log.debug("%s: %s", name, error)  # capture has said it once, when it began
        except Exception as error:
            if _is_fatal(error):
                raise
            log.exception("%s failed, restart %d follows", name, restarts + 1)
        if clock.mono_ns() - began_ns > STABLE_S * 1e9:
            delay_s = first_s
        restarts += 1
        await asyncio.sleep(delay_s)
        delay_s = min(2 * delay_s, most_s)


def _is_fatal(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_fatal(one) for one in error.exceptions)
    return isinstance(error, StoreCorrupt | StoreClosed)


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Two agents in one folder would send the same things under two names. Raises AlreadyRunning."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "agent.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(data_dir) from None
        yield


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket for the page. Raises PageAddressTaken."""
    try:
        listening = socket.create_server((host, port), reuse_port=False)
    except (OSError, OverflowError) as error:
        raise PageAddressTaken(host, port, getattr(error, "strerror", None) or str(error)) from None
    with listening:
        yield listening


class _Server(uvicorn.Server):
    """uvicorn inside our loop: the signals are ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(app: ASGIApp, page_socket: socket.socket) -> None:
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,  # addresses may hold what was searched for
            lifespan="off",
            loop="none",
            ws="websockets-sansio",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
    )
    try:
        await server.serve(sockets=[page_socket])
    except asyncio.CancelledError:
        await server.shutdown(sockets=[page_socket])
        raise
