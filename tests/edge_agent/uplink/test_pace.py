"""The window keeps a slow line busy and an urgent ECG near its front."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.uplink.pace import FIRST_PART_BYTES, MOST_BYTES, Pace
from protocols import parts

SECOND_NS = 10**9


class Line:
    """A line of so many bytes a second and so long a round trip, kept as full as the pace allows."""

    def __init__(self, pace: Pace, rate: float, round_trip_s: float) -> None:
        self.pace, self.rate, self.round_trip_ns = pace, rate, int(round_trip_s * SECOND_NS)
        self.now_ns = self.free_ns = 0
        self.flying = deque()

    def send(self, count: int) -> float:
        """Send parts one after the other; bytes a second they made."""
        began_ns, carried = self.now_ns, 0
        for _ in range(count):
            while self.pace.is_full:
                self.acknowledge()
            size = self.pace.part_bytes
            departure = self.pace.sent(size, self.now_ns)
            self.free_ns = max(self.free_ns, self.now_ns) + int(size / self.rate * SECOND_NS)
            self.flying.append((self.free_ns + self.round_trip_ns, departure))
            carried += size
        while self.flying:
            self.acknowledge()
        return carried / ((self.now_ns - began_ns) / SECOND_NS)

    def acknowledge(self) -> None:
        self.now_ns, departure = self.flying.popleft()
        self.pace.acknowledged(departure, self.now_ns)


@pytest.mark.parametrize(
    ("rate", "round_trip_s"), [(8_000, 0.06), (8_000, 0.5), (8_000, 1.0), (2_000, 0.3), (250_000, 0.06)]
)
def test_a_slow_line_is_kept_busy_and_no_more_is_handed_over(rate, round_trip_s):
    pace = Pace()
    line = Line(pace, rate, round_trip_s)
    line.send(20)
    assert pace.goodput == pytest.approx(rate, rel=0.1)
    assert line.send(200) >= 0.9 * rate
    assert pace.window_bytes <= 1.3 * rate * (round_trip_s + 0.5) or pace.window_bytes == 2 * pace.part_bytes


def test_a_line_that_became_slower_is_noticed():
    pace = Pace()
    Line(pace, 100_000, 0.05).send(30)
    line = Line(pace, 4_000, 0.05)
    line.send(30)
    assert pace.goodput == pytest.approx(4_000, rel=0.1)
    assert pace.part_bytes == pytest.approx(2_000, rel=0.1)


def test_a_lone_small_part_says_nothing_about_the_line():
    pace = Pace()
    line = Line(pace, 100_000, 0.2)
    line.send(30)
    before = pace.goodput
    for _ in range(50):
        departure = pace.sent(200, line.now_ns)
        line.now_ns += 2 * SECOND_NS
        pace.acknowledged(departure, line.now_ns)
        line.now_ns += SECOND_NS
    assert pace.goodput == before


def test_nothing_is_known_of_a_new_line():
    pace = Pace()
    assert pace.goodput is None
    assert pace.part_bytes == FIRST_PART_BYTES
    assert not pace.is_full


@given(
    st.lists(st.tuples(st.integers(1, 20_000), st.integers(0, 100 * SECOND_NS), st.booleans()), max_size=100)
)
def test_whatever_happens_the_slices_stay_within_their_bounds(events):
    pace, now_ns, flying = Pace(), 0, deque()
    for size, later_ns, new_connection in events:
        now_ns += later_ns
        if new_connection:
            pace.connected()
            flying.clear()
        flying.append(pace.sent(size, now_ns))
        if len(flying) > 3:
            pace.acknowledged(flying.popleft(), now_ns + later_ns)
        assert parts.SMALLEST_PART_BYTES <= pace.part_bytes <= parts.PART_BYTES
        assert 2 * parts.SMALLEST_PART_BYTES <= pace.window_bytes <= MOST_BYTES
        assert pace.on_the_way == sum(part.size for part in flying)
