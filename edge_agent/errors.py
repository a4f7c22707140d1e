"""Everything that can go wrong on a station.

EdgeError
├── ConfigError              settings.toml cannot be used: .path .field
├── StoreError               a file of the station's cannot be read or written: .path
│   ├── StoreClosed          it was closed while somebody still wanted something
│   ├── StoreFull            no room on the disk or within the quota: nothing was saved: .holds
│   ├── StoreCorrupt         the file is damaged; the next start sets it aside and begins a new one
│   ├── StoreTooNew          written by a later version
│   ├── WrongKey             the storage key is not the one the file was sealed with
│   └── SealBroken           one sealed piece cannot be opened: it was changed on disk
├── MessageTooLarge          a message no hub would take: .size .limit
├── LinkError                the way to the county is not usable now; it is tried again
│   ├── BrokerUnreachable    no connection, or refused: .reason
│   └── NoReceipt            the broker takes messages and the hub confirms none: .waited_s
│                            Both say .trouble, a code for which the page has words.
└── DriverError              a device: it is tried again by keep_alive()
    ├── TransportError       the address cannot be opened: .address
    ├── TransportGone        it was open and is not any more: .address
    ├── BoxSilent            something is there and does not answer as the box would
    ├── WrongSerial          another box than the one bound to this station: .expected .found
    └── WrongRate            the box does not run at the rate in the settings: .wanted .offered
"""

from pathlib import Path
from typing import Literal


class EdgeError(Exception):
    """Root of the tree. The text tells the operator what to do; facts are attributes."""


class ConfigError(EdgeError):
    def __init__(self, path: Path, field: str, reason: str) -> None:
        where = f"{path}: {field}" if field else str(path)
        super().__init__(f"{where}: {reason}")
        self.path = path
        self.field = field
        self.reason = reason


class StoreError(EdgeError):
    """A file of the station's cannot be read or written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class StoreClosed(StoreError):  # noqa: N818 - reads as the fact it states
    def __init__(self, path: Path) -> None:
        super().__init__(path, "is closed")


class StoreFull(StoreError):  # noqa: N818
    """`holds`: what the file is for, where it has a quota of its own."""

    def __init__(self, path: Path, holds: str = "", quota_mb: int = 0) -> None:
        why, then = "the disk is full", "Free some space, then try again."
        if holds:
            why = f"there is no room left for {holds} messages (their {quota_mb} MB, or the disk, are full)"
            then = "Let the station send, or export the queue, or raise the quota; then try again."
        super().__init__(path, f"nothing was saved, {why}. {then}")
        self.holds = holds


class StoreCorrupt(StoreError):  # noqa: N818
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"is damaged ({reason}). Restart: it is then set aside and a new one begun.")


class StoreTooNew(StoreError):  # noqa: N818
    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            path,
            f"has format {found}, this version knows up to {known}. Install a later version.",
        )
        self.found = found
        self.known = known


class WrongKey(StoreError):  # noqa: N818
    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            "was sealed with another storage key. Put that key back, or move the file away.",
        )


class SealBroken(StoreError):  # noqa: N818
    def __init__(self, path: Path) -> None:
        super().__init__(path, "one sealed piece cannot be opened; it was changed on disk")


class MessageTooLarge(EdgeError):  # noqa: N818
    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a message of {size} bytes cannot be sent, the limit is {limit}")
        self.size = size
        self.limit = limit


Trouble = Literal["", "name", "network", "silent", "portal", "clock", "expired", "stranger", "refused", "hub"]
"""What is wrong with the link, for people; "" where nothing is known to be.

name: the county's name cannot be looked up. network: nobody answers at its address. silent: somebody does,
and says nothing. portal: something else answers, such as a log-in page of the network. clock, expired,
stranger: its certificate is not valid yet, not any more, or not the county's. refused: the county does not
let this station in. hub: the broker is there and the hub is not.
"""


class LinkError(EdgeError):
    """The way to the county is not usable now; it is tried again."""

    trouble: Trouble = "network"


class BrokerUnreachable(LinkError):  # noqa: N818
    def __init__(self, reason: str, trouble: Trouble = "network") -> None:
        super().__init__(f"no connection to the county: {reason}")
        self.reason = reason
        self.trouble = trouble


class NoReceipt(LinkError):  # noqa: N818
    trouble = "hub"

    def __init__(self, waited_s: float) -> None:
        super().__init__(f"the county confirmed nothing within {waited_s:.0f} s; connecting anew")
        self.waited_s = waited_s


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
