"""Degrees of AV block from P waves and beats alone: no signal needed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg.rules.conduction import conduction

RATE_HZ = 500.0


def judged(p_s: list[float] | np.ndarray, r_s: list[float] | np.ndarray) -> str:
    r = np.asarray(r_s, dtype=float)
    hidden = np.zeros(int(12 * RATE_HZ), dtype=bool)
    for at in r:
        hidden[max(0, int((at - 0.06) * RATE_HZ)) : int((at + 0.08) * RATE_HZ)] = True
    p = np.asarray(p_s, dtype=float)
    seen = np.array([at for at in p if not hidden[int(at * RATE_HZ)]])
    return conduction(seen, r, hidden, RATE_HZ).kind


P = np.arange(0.2, 10, 0.7)


def test_each_p_wave_with_its_beat_is_one_to_one() -> None:
    assert judged(P, P + 0.16) == "one_to_one"
    assert judged(P, P + 0.36) == "one_to_one"


def test_every_second_one_dropped() -> None:
    assert judged(P, P[::2] + 0.18) == "two_to_one"


def test_two_of_three_dropped() -> None:
    assert judged(P, P[::3] + 0.18) == "high_grade"


@pytest.mark.parametrize(
    ("delays", "kind"),
    [((0.16, 0.25, 0.30), "mobitz_1"), ((0.18, 0.18, 0.18), "mobitz_2"), ((0.2, 0.2, 0.2, 0.2), "mobitz_2")],
)
def test_one_dropped_after_several(delays: tuple[float, ...], kind: str) -> None:
    r = [p + delays[k % (len(delays) + 1)] for k, p in enumerate(P) if k % (len(delays) + 1) < len(delays)]
    assert judged(P, r) == kind


@pytest.mark.parametrize("beat_s", [1.45, 1.62, 1.9, 0.97])
@pytest.mark.parametrize("start", [0.3, 0.71])
def test_two_clocks_are_dissociated(beat_s: float, start: float) -> None:
    assert judged(P, np.arange(start, 10, beat_s)) == "dissociated"


def test_beats_that_lead_nowhere_in_particular_are_not_called_block() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        r = np.cumsum(rng.uniform(0.4, 1.1, 14))
        p = np.sort(rng.uniform(0, 10, 12))
        assert judged(p, r[r < 10]) in ("unknown", "one_to_one")


def test_an_early_p_wave_without_a_beat_is_told_apart() -> None:
    p = [0.2, 1.0, 1.8, 2.15, 3.3, 4.1, 4.9]
    r = np.array([0.2, 1.0, 1.8, 3.3, 4.1, 4.9]) + 0.16
    hidden = np.zeros(6000, dtype=bool)
    found = conduction(np.array(p), r, hidden, RATE_HZ)
    assert found.kind == "one_to_one"
    assert found.early_s == (2.15,)


@settings(max_examples=60, deadline=None)
@given(
    p=st.lists(st.floats(0, 10), max_size=30).map(sorted),
    r=st.lists(st.floats(0, 10), max_size=30).map(sorted),
)
def test_whatever_is_given_there_is_an_answer(p: list[float], r: list[float]) -> None:
    hidden = np.zeros(5500, dtype=bool)
    found = conduction(np.unique(p), np.unique(r), hidden, RATE_HZ)
    assert found.kind in {
        "one_to_one",
        "mobitz_1",
        "mobitz_2",
        "two_to_one",
        "high_grade",
        "dissociated",
        "unknown",
    }


@settings(max_examples=20, deadline=None)
@given(shift=st.floats(0, 1.0))
def test_time_moves_nothing(shift: float) -> None:
    assert judged(P[:12] + shift, P[:12:2] + 0.18 + shift) == "two_to_one"
