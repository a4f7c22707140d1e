"""What a driver must offer: `async with` opens and closes the device, `async for` gives its events."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol, Self

from edge_agent.drivers.events import Event
from protocols.station import BoxSettings


class Driver(Protocol):
    """One device at one address, for the length of one connection.

    Entering opens the transport; iterating yields `BoxInfo` first and ends after one `Gone`. Raises
    DriverError (edge_agent.errors) when the device cannot be reached, or is not the one in the settings.
    Cancelling is the way to stop. A new connection is a new driver.
    """

    def __init__(self, settings: BoxSettings) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> AsyncIterator[Event]: ...
