"""Wall and monotonic time, boot id and quality: whatever the box's own clock says, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.clock import BUILD_FLOOR_NS, FLOOR_FILE, Clock, Machine
from fakes import START_NS, FakeMachine
from protocols.envelope import CLOCK_QUALITIES

SECOND = 10**9
YEAR = 365 * 86_400 * SECOND


def answered(box, clock, trip_s=0.5, hub_off_ns=0):
    """One question to the hub and its answer, `trip_s` there and `trip_s` back."""
    asked_ns = clock.mono_ns()
    box.advance(trip_s)
    hub_ns = box.true_ns + hub_off_ns
    box.advance(trip_s)
    return clock.learn(hub_ns, asked_ns)


def test_the_machines_time():
    clock = Clock()
    assert clock.quality in CLOCK_QUALITIES
    assert clock.wall_ns() > BUILD_FLOOR_NS
    first = clock.mono_ns()
    assert clock.mono_ns() >= first
    assert len(clock.boot) == 32
    assert Clock().boot == clock.boot
    assert Machine().is_synchronised() in (True, False)


def test_a_clock_that_was_never_set_says_so_and_still_goes_on():
    box = FakeMachine(17 * SECOND - START_NS)  # 1970, seventeen seconds after the power came back
    clock = Clock(machine=box)
    assert (clock.quality, clock.wall_ns(), clock.known()) == ("none", BUILD_FLOOR_NS, None)
    box.advance(5)
    assert clock.wall_ns() == BUILD_FLOOR_NS + 5 * SECOND


def test_an_unsynchronised_clock_is_no_better_than_its_battery():
    box = FakeMachine()
    clock = Clock(machine=box)
    assert (clock.quality, clock.wall_ns(), clock.known()) == ("rtc", START_NS, None)
    box.synchronised = True
    assert clock.quality == "ntp"
    assert clock.known().wall_ns == START_NS


OFF = pytest.mark.parametrize("off_ns", [-START_NS, 10 * YEAR, -3 * YEAR], ids=["1970", "+10 y", "-3 y"])


@OFF
def test_the_hubs_clock_is_taken_over_within_its_error(off_ns):
    box = FakeMachine(off_ns)
    clock = Clock(machine=box)
    if not answered(box, clock):
        assert clock.quality == "rtc", "one answer does not move a running clock by years"
        box.advance(3)
        assert answered(box, clock), "two that agree do"
    assert clock.quality == "hub"
    for seconds in (0, 3600, 86_400):
        box.advance(seconds)
        known = clock.known()
        assert abs(known.wall_ns - box.true_ns) <= known.err_ns <= 12 * SECOND
        assert abs(clock.wall_ns() - box.true_ns) <= 2 * SECOND
    box.off_ns += 7 * YEAR  # somebody sets the box's clock: the monotonic one does not move
    assert abs(clock.wall_ns() - box.true_ns) <= 2 * SECOND


def test_any_other_receipt_can_be_the_second_one():
    box = FakeMachine(10 * YEAR)
    clock = Clock(machine=box)
    assert not clock.learn(box.true_ns), "alone it says nothing: it may have been long on its way"
    assert not answered(box, clock)
    box.advance(20)
    assert not clock.learn(box.true_ns + 300 * SECOND)
    assert clock.learn(box.true_ns - SECOND)
    assert abs(clock.wall_ns() - box.true_ns) <= 2 * SECOND


def test_the_better_answer_stays_until_it_has_aged():
    box = FakeMachine(-START_NS)
    clock = Clock(machine=box)
    assert answered(box, clock, 0.1)
    assert answered(box, clock, 5, hub_off_ns=3 * SECOND)
    assert clock.known().err_ns < SECOND
    box.advance(86_400)
    assert answered(box, clock, 3)
    assert clock.known().err_ns == 3 * SECOND
    assert not answered(box, clock, 40), "too long on its way"


def test_a_synchronised_clock_is_better_than_the_hubs():
    box = FakeMachine(-START_NS)
    clock = Clock(machine=box)
    assert answered(box, clock)
    box.off_ns, box.synchronised = SECOND // 10, True
    assert (clock.quality, clock.wall_ns()) == ("ntp", box.wall_ns())


def test_time_does_not_go_back_behind_what_was_written_down(tmp_path):
    box = FakeMachine(-START_NS)
    clock = Clock(tmp_path, box)
    assert answered(box, clock)
    written = int((tmp_path / FLOOR_FILE).read_text())
    assert box.true_ns - 2 * SECOND <= written <= box.true_ns
    box.advance(600)
    clock.keep_floor()
    again = FakeMachine(-START_NS, boot="boot-2", synchronised=True, true_ns=box.true_ns + 86_400 * SECOND)
    clock = Clock(tmp_path, again)
    assert clock.quality == "floor", "a kernel synchronised to 1970 is not believed"
    assert written + 598 * SECOND <= clock.wall_ns() <= again.true_ns
    assert not clock.learn(written - YEAR, again.up_ns)
    assert clock.quality == "floor"
    assert answered(again, clock)
    assert clock.quality == "hub"


def test_a_wrong_battery_does_not_raise_the_floor(tmp_path):
    clock = Clock(tmp_path, FakeMachine(10 * YEAR))
    clock.keep_floor()
    assert int((tmp_path / FLOOR_FILE).read_text()) == BUILD_FLOOR_NS


@given(st.binary(max_size=30))
def test_a_damaged_floor_keeps_nothing_from_starting(tmp_path_factory, damage):
    folder = tmp_path_factory.mktemp("floor")
    (folder / FLOOR_FILE).write_bytes(damage)
    assert Clock(folder, FakeMachine(-START_NS)).wall_ns() >= BUILD_FLOOR_NS


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path):
    box = FakeMachine(-START_NS)
    clock = Clock(tmp_path / "gone", box)
    assert answered(box, clock)
    assert clock.quality == "hub"


@given(
    st.lists(
        st.tuples(st.integers(0, 4000), st.integers(-4 * YEAR, 12 * YEAR), st.integers(0, 20), st.booleans()),
        max_size=8,
    )
)
def test_whatever_the_clocks_do_time_is_not_before_the_build(steps):
    box = FakeMachine(-START_NS)
    clock = Clock(machine=box)
    for seconds, off_ns, trip_s, synchronised in steps:
        box.advance(seconds)
        box.off_ns, box.synchronised = off_ns, synchronised
        answered(box, clock, trip_s, hub_off_ns=off_ns // 3)
        assert clock.wall_ns() >= BUILD_FLOOR_NS
