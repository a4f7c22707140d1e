"""Wall and monotonic time with a quality; handed in as an argument, so that tests hand in another.

A box may have no clock battery: the wall time is a statement with a quality, and neither order nor
identity nor expiry may depend on it. What it is made of, the best first:

    ntp    the kernel says its clock is synchronised
    hub    the hub's clock, as the answer to our hello brought it, carried on by the monotonic clock
    rtc    the box's own clock, which nobody vouches for
    floor  a time that has certainly passed, carried on: the box's own clock is before it
    none   the same, and all we know is when this program was made
"""

import contextlib
import ctypes
import functools
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from protocols.envelope import ClockQuality

log = logging.getLogger(__name__)

BUILD_FLOOR_NS = 1_735_689_600 * 10**9
"""2025-01-01 UTC: a wall clock before this has not been set since the power came back."""
FLOOR_FILE = "clock.floor"
"""Below the station's data folder: nanoseconds since 1970, as text."""
FLOOR_EVERY_S = 600
"""A flash card bears a small write every ten minutes for ever; a power cut costs no more of the floor."""
MOST_JUMP_NS = 24 * 3600 * 10**9
"""One answer does not move a clock further: it takes two that agree."""
AGREE_NS = 60 * 10**9
MOST_ERROR_NS = 30 * 10**9
"""What took longer there and back says nothing."""
NTP_ERROR_NS = 10**9
"""Far more than a synchronised kernel is off by."""
DRIFT = 1e-4
"""How fast a monotonic clock may be wrong: crystals are good to 100 ppm over the temperatures of a clinic."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5  # adjtimex(2): the kernel's clock is not synchronised
_TIMEX_BYTES = 512  # more than struct timex needs on any Linux


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)  # once: every message asks, and loading costs more than asking


class Machine:
    """The clocks of this computer, as they are."""

    def __init__(self) -> None:
        self.boot = _BOOT_ID.read_text().strip().replace("-", "") if _BOOT_ID.exists() else ""

    def wall_ns(self) -> int:
        return time.time_ns()

    def mono_ns(self) -> int:
        return time.monotonic_ns()

    def is_synchronised(self) -> bool:
        timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: only asks
        try:
            state: int = _libc().adjtimex(timex)
        except (AttributeError, OSError):
            return False
        return 0 <= state < _TIME_ERROR


@dataclass(frozen=True, slots=True)
class Known:
    """The wall time at a moment of the monotonic clock, give or take."""

    wall_ns: int
    mono_ns: int
    err_ns: int = 0

    def at(self, mono_ns: int) -> int:
        """The wall time at another moment of the same boot."""
        return self.wall_ns + mono_ns - self.mono_ns

    def error_at(self, mono_ns: int) -> int:
        return self.err_ns + int(DRIFT * abs(mono_ns - self.mono_ns))


class Clock:
    """The station's time. `data_dir`: where the floor is kept between boots; None: it is not."""

    def __init__(self, data_dir: Path | None = None, machine: Machine | None = None) -> None:
        self._machine = machine or Machine()
        self._file = None if data_dir is None else data_dir / FLOOR_FILE
        self.boot = self._machine.boot
        """Id of this boot: monotonic times of different boots do not compare."""
        kept = _read(self._file)
        self._has_floor = kept > BUILD_FLOOR_NS
        # A time that has passed goes on as we run, and has then passed too.
        self._floor = Known(max(kept, BUILD_FLOOR_NS), self._machine.mono_ns())
        self._hub: Known | None = None
        self._doubted: Known | None = None

    def wall_ns(self) -> int:
        """UTC in nanoseconds since 1970, as far as it is known here; never before the floor."""
        return self._read_off()[0]

    def mono_ns(self) -> int:
        """Nanoseconds on a clock that never jumps; its zero is this boot's."""
        return self._machine.mono_ns()

    @property
    def quality(self) -> ClockQuality:
        """How good `wall_ns` is."""
        return self._read_off()[1]

    def known(self) -> Known | None:
        """The true time at this moment; None if we have only our own word for it."""
        wall_ns, quality = self._read_off()
        mono_ns = self.mono_ns()
        if quality == "ntp":
            return Known(wall_ns, mono_ns, NTP_ERROR_NS)
        return (
            Known(wall_ns, mono_ns, self._hub.error_at(mono_ns)) if quality == "hub" and self._hub else None
        )

    def learn(self, hub_ns: int, asked_ns: int | None = None) -> bool:
        """The hub's clock showed `hub_ns` between `asked_ns`, of the monotonic clock, and now.

        True if the time is now taken from it. A time before the floor, or a day off a clock that was
        running, is taken only when another agrees. Without `asked_ns` it is no more than that other one.
        """
        now_ns = self.mono_ns()
        error_ns = 0 if asked_ns is None else (now_ns - asked_ns) // 2
        if error_ns > MOST_ERROR_NS:
            return False
        said = Known(hub_ns + error_ns, now_ns, error_ns)
        doubted, wall_ns = self._doubted, said.wall_ns
        agreed = doubted is not None and abs(doubted.at(now_ns) - wall_ns) <= AGREE_NS
        if asked_ns is None:
            if not agreed or doubted is None:
                return False
            said = Known(doubted.at(now_ns), now_ns, doubted.error_at(now_ns))
        elif wall_ns < BUILD_FLOOR_NS:
            return False
        elif not agreed and self._is_odd(said):
            log.warning("the hub's time is %.0f s off ours: not taken yet", (wall_ns - self.wall_ns()) / 1e9)
            self._doubted = said
            return False
        self._doubted = None
        if self._hub is None or agreed or said.err_ns <= self._hub.error_at(now_ns):
            self._hub = said
        self.keep_floor(said)
        return True

    def keep_floor(self, known: Known | None = None) -> None:
        """Write down a time that has passed: `known`, just accepted, or what we have."""
        now_ns = self.mono_ns()
        known = known or self.known()
        surely_ns = self._floor.at(now_ns) if known is None else known.at(now_ns) - known.error_at(now_ns)
        self._floor, self._has_floor = Known(max(surely_ns, BUILD_FLOOR_NS), now_ns), True
        if self._file is None:
            return
        try:
            _write(self._file, self._floor.wall_ns)
        except OSError as error:
            log.warning("the time could not be written down: %s", error.strerror)

    def _read_off(self) -> tuple[int, ClockQuality]:
        own_ns, mono_ns = self._machine.wall_ns(), self._machine.mono_ns()
        floor_ns = self._floor.at(mono_ns)
        # The floor is reckoned with the monotonic clock, and a good clock may be slower than that.
        plausible = own_ns >= max(BUILD_FLOOR_NS, floor_ns - MOST_ERROR_NS)
        if plausible and self._machine.is_synchronised():
            return own_ns, "ntp"
        if self._hub is not None:
            return self._hub.at(mono_ns), "hub"
        if plausible:
            return own_ns, "rtc"
        return floor_ns, "floor" if self._has_floor else "none"

    def _is_odd(self, said: Known) -> bool:
        ours_ns, quality = self._read_off()
        if said.wall_ns < self._floor.at(said.mono_ns) - said.err_ns - MOST_ERROR_NS:
            return True
        # A floor is only a time that has passed: how far behind it is says nothing.
        return quality in ("ntp", "hub", "rtc") and abs(said.wall_ns - ours_ns) > MOST_JUMP_NS


def _read(file: Path | None) -> int:
    """The kept floor; 0 where there is none, or none that can be read."""
    if file is not None:
        with contextlib.suppress(OSError, ValueError):
            kept = int(file.read_text(encoding="ascii"))
            return kept if 0 <= kept < 2**63 else 0
    return 0


def _write(file: Path, floor_ns: int) -> None:
    new = file.with_suffix(".new")
    with new.open("w", encoding="ascii") as written:
        written.write(str(floor_ns))
        written.flush()
        os.fsync(written.fileno())
    new.rename(file)
