"""Wall and monotonic time with a quality; handed in as an argument, so that tests hand in another.

A box may have no clock battery: the wall time is a statement with a quality, and neither order nor
identity nor expiry may depend on it.
"""

import ctypes
import functools
import time
from pathlib import Path

from protocols.envelope import ClockQuality

BUILD_FLOOR_NS = 1_735_689_600 * 10**9
"""2025-01-01 UTC: a wall clock before this has not been set since the power came back."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5  # adjtimex(2): the kernel's clock is not synchronised
_TIMEX_BYTES = 512  # more than struct timex needs on any Linux


class Clock:
    """The machine's own time."""

    def __init__(self) -> None:
        self.boot = _BOOT_ID.read_text().strip().replace("-", "") if _BOOT_ID.exists() else ""
        """Id of this boot: monotonic times of different boots do not compare."""

    def wall_ns(self) -> int:
        """UTC in nanoseconds since 1970, as far as this machine knows."""
        return time.time_ns()

    def mono_ns(self) -> int:
        """Nanoseconds on a clock that never jumps; its zero is this boot's."""
        return time.monotonic_ns()

    @property
    def quality(self) -> ClockQuality:
        """How good `wall_ns` is: ntp (the kernel says it is synchronised), rtc, or none (never set)."""
        if self.wall_ns() < BUILD_FLOOR_NS:
            return "none"
        return "ntp" if _kernel_is_synchronised() else "rtc"


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)  # once: every message asks, and loading costs more than asking


def _kernel_is_synchronised() -> bool:
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: only asks
    try:
        state: int = _libc().adjtimex(timex)
    except (AttributeError, OSError):
        return False
    return 0 <= state < _TIME_ERROR
