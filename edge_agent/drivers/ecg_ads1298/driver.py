"""The ECG box on a transport: ask who it is, start it at the rate in the settings, keep watch, stop it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Self

from edge_agent.drivers.ecg_ads1298 import codec
from edge_agent.drivers.events import BoxInfo, Event, Gone, Samples
from edge_agent.drivers.transport import Transport, open_transport
from edge_agent.errors import BoxSilent, TransportGone, WrongRate, WrongSerial
from protocols.station import BoxSettings

log = logging.getLogger(__name__)

QUIET_S = 3.0
"""No sound frame of samples for so long: the box is gone, whatever else the line carries."""
ASK_AGAIN_S = 0.5
_READ_BYTES = 16 * 1024


class Ads1298Driver:
    """One connection to one box; see edge_agent.drivers.base.Driver.

    Iterating raises BoxSilent, WrongSerial or WrongRate before the first event; after it, whatever ends
    the connection (silence, unplugging, a restart of the box) is one Gone.
    """

    def __init__(
        self,
        settings: BoxSettings,
        *,
        open_transport: Callable[[str], AbstractAsyncContextManager[Transport]] = open_transport,
        quiet_s: float = QUIET_S,
    ) -> None:
        self._settings = settings
        self._open = open_transport
        self._quiet_s = quiet_s
        self._stack = AsyncExitStack()
        self._decoder = codec.Decoder()
        self._transport: Transport

    async def __aenter__(self) -> Self:
        self._transport = await self._stack.enter_async_context(self._open(self._settings.address))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with self._stack:
            try:
                # The box stops by itself when the host is gone; a box on a live cable has to be told.
                async with asyncio.timeout(ASK_AGAIN_S):
                    await self._transport.write(codec.encode_stop())
            except (TransportGone, TimeoutError):
                log.debug("box at %s could not be told to stop", self._settings.address)

    async def __aiter__(self) -> AsyncIterator[Event]:
        """BoxInfo, then what the box says, then Gone."""
        wanted = self._settings.rate_hz
        info, _ = await self._ask(codec.encode_get_info(), lambda found: True)
        if self._settings.serial and info.serial != self._settings.serial:
            raise WrongSerial(self._settings.serial, info.serial)
        if wanted not in info.rates_hz:
            raise WrongRate(wanted, info.rates_hz)
        info, events = await self._ask(codec.encode_start(wanted), lambda found: found.rate_hz == wanted)
        yield info
        loop = asyncio.get_running_loop()
        quiet_at, last_look = loop.time() + self._quiet_s, False
        while True:
            for event in events:
                if event == info:  # a second answer to a command said twice
                    continue
                if isinstance(event, BoxInfo):
                    yield Gone("the box restarted")
                    return
                yield event
            if any(isinstance(event, Samples) for event in events):
                quiet_at, last_look = loop.time() + self._quiet_s, False
            try:
                async with asyncio.timeout_at(quiet_at):
                    data = await self._transport.read(_READ_BYTES)
            except TimeoutError:
                if not last_look:  # when this process itself stood still, the bytes are waiting
                    events, quiet_at, last_look = [], loop.time() + ASK_AGAIN_S, True
                    continue
                yield Gone(f"no samples for {self._quiet_s:g} s")
                return
            except TransportGone as gone:
                yield Gone(gone.reason)
                return
            events = self._decoder.feed(data)

    async def _ask(self, command: bytes, is_answer: Callable[[BoxInfo], bool]) -> tuple[BoxInfo, list[Event]]:
        """Say `command`, again every half second, until the box answers; and what came right behind it.

        What comes before the answer belongs to an earlier connection and is left out.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._quiet_s
        while loop.time() < give_up_at:
            await self._transport.write(command)
            ask_again_at = min(give_up_at, loop.time() + ASK_AGAIN_S)
            try:
                async with asyncio.timeout_at(ask_again_at):
                    while True:
                        events = self._decoder.feed(await self._transport.read(_READ_BYTES))
                        for place, event in enumerate(events):
                            if isinstance(event, BoxInfo) and is_answer(event):
                                return event, events[place + 1 :]
            except TimeoutError:
                continue
        raise BoxSilent(self._settings.address, self._quiet_s)
