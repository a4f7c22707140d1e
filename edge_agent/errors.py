"""Everything that can go wrong on a station.

EdgeError
└── DriverError              a device: it is tried again by keep_alive()
    ├── TransportError       the address cannot be opened: .address
    ├── TransportGone        it was open and is not any more: .address
    ├── BoxSilent            something is there and does not answer as the box would
    ├── WrongSerial          another box than the one bound to this station: .expected .found
    └── WrongRate            the box does not run at the rate in the settings: .wanted .offered
"""


class EdgeError(Exception):
    """Root of the tree. The text tells the operator what to do; facts are attributes."""


class DriverError(EdgeError):
    """A device cannot be used now."""


class TransportError(DriverError):
    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"{address} cannot be opened: {reason}. Check the cable and the address in the settings."
        )
        self.address = address
        self.reason = reason


class TransportGone(DriverError):  # noqa: N818 - reads as the fact it states
    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address} is gone: {reason}. Check the cable and the power of the device.")
        self.address = address
        self.reason = reason


class BoxSilent(DriverError):  # noqa: N818
    def __init__(self, address: str, waited_s: float) -> None:
        super().__init__(
            f"no ECG box answers at {address} within {waited_s:g} s. Is it switched on, is it the right port?"
        )
        self.address = address


class WrongSerial(DriverError):  # noqa: N818
    def __init__(self, expected: str, found: str) -> None:
        super().__init__(
            f"box {found} is connected, this station is bound to {expected}. "
            "Connect that one, or bind this one."
        )
        self.expected = expected
        self.found = found


class WrongRate(DriverError):  # noqa: N818
    def __init__(self, wanted: int, offered: tuple[int, ...]) -> None:
        rates = ", ".join(str(rate) for rate in offered) or "none"
        super().__init__(
            f"the box does not run at {wanted} Hz; it offers {rates}. Change rate_hz in the settings."
        )
        self.wanted = wanted
        self.offered = offered
