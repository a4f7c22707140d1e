"""Wall and monotonic time of the hub; handed in, so that a test can hold it still."""

import time
import uuid

from protocols.envelope import ClockQuality, Stamp

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS


class Clock:
    """The machine's own clock. The county hub is disciplined by NTP; it is the stations' time source."""

    boot: str
    """Changes with every start of this process; monotonic times compare only under the same boot."""
    quality: ClockQuality = "ntp"

    def __init__(self) -> None:
        self.boot = uuid.uuid4().hex[:16]

    def wall_ns(self) -> int:
        """UTC in nanoseconds since 1970."""
        return time.time_ns()

    def mono_ns(self) -> int:
        """Nanoseconds that never run backwards."""
        return time.monotonic_ns()

    def stamp(self) -> Stamp:
        """Now, as an envelope says it."""
        return Stamp(self.wall_ns(), self.quality, self.boot, self.mono_ns())
