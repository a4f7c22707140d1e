"""Everything a device can say, as frozen dataclasses. Pure: no time, no I/O.

A codec makes them, a driver hands them on, capture takes them. Nothing raises on bad bytes: those are a
`BadFrame` like any other event, counted and shown.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class BoxInfo:
    """What the box says it is; the first event of every connection."""

    serial: str
    firmware: str
    rate_hz: int
    """The rate it is set to."""
    leads: tuple[str, ...]
    """The leads it samples, in the order of `Samples.counts`."""
    uv_per_count: float
    rates_hz: tuple[int, ...] = ()
    """The rates it offers."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Consecutive samples of all leads, raw."""

    first_sample: int
    """The box's running number of the first sample. A jump is a gap: those samples never arrived."""
    rate_hz: int
    leads: tuple[str, ...]
    counts: NDArray[np.int32]
    """(leads, samples), as the converter gave them."""
    uv_per_count: float
    electrodes_off: frozenset[str] = frozenset()
    """Electrodes without contact during these samples: RA LA LL RL V1 … V6."""


@dataclass(frozen=True, slots=True)
class Battery:
    """State of charge, said about once a second."""

    percent: int
    charging: bool = False


@dataclass(frozen=True, slots=True)
class BadFrame:
    """Bytes that are no frame of this device, skipped. The reason is for a person and holds no data."""

    reason: str
    size: int = 0
    """How many bytes were skipped."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The device is silent or unplugged; the last event of a connection."""

    reason: str


Event = BoxInfo | Samples | Battery | BadFrame | Gone
