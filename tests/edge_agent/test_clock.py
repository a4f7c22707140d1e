"""Wall and monotonic time, boot id and quality."""

from edge_agent import clock as module
from edge_agent.clock import BUILD_FLOOR_NS, Clock
from protocols.envelope import CLOCK_QUALITIES


def test_the_machines_time():
    clock = Clock()
    assert clock.quality in CLOCK_QUALITIES
    assert clock.wall_ns() > BUILD_FLOOR_NS
    first = clock.mono_ns()
    assert clock.mono_ns() >= first
    assert len(clock.boot) == 32
    assert Clock().boot == clock.boot


def test_a_clock_that_was_never_set_says_so():
    class Dead(Clock):
        def wall_ns(self) -> int:
            return 17 * 10**9  # 1970, seventeen seconds after the power came back

    assert Dead().quality == "none"


def test_an_unsynchronised_clock_is_no_better_than_its_battery(monkeypatch):
    monkeypatch.setattr(module, "_kernel_is_synchronised", lambda: False)
    assert Clock().quality == "rtc"
    monkeypatch.setattr(module, "_kernel_is_synchronised", lambda: True)
    assert Clock().quality == "ntp"
