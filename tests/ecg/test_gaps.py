"""Gaps: bridged between what was there, held beyond it, nothing made of nothing."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ecg.gaps import bridged

NAN = float("nan")


def test_a_gap_is_bridged_by_a_straight_line_and_its_ends_are_held() -> None:
    filled, finite = bridged(np.array([[NAN, 2.0, NAN, NAN, 8.0, NAN], [NAN] * 6]))
    assert filled.tolist() == [[2.0, 2.0, 4.0, 6.0, 8.0, 8.0], [0.0] * 6]
    assert finite.tolist() == [[False, True, False, False, True, False], [False] * 6]


def test_infinity_is_no_sample() -> None:
    assert bridged(np.array([[1.0, float("inf"), 3.0]]))[0].tolist() == [[1.0, 2.0, 3.0]]


def test_without_a_gap_nothing_is_copied() -> None:
    samples = np.arange(6.0).reshape(2, 3)
    assert bridged(samples)[0] is samples
    assert bridged(np.zeros((3, 0)))[0].shape == (3, 0)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=40))
def test_what_was_there_stays_and_nothing_lies_outside_it(values: list[float | None]) -> None:
    row = np.array([[NAN if value is None else value for value in values]])
    filled, finite = bridged(row)
    assert (filled[finite] == row[finite]).all()
    assert np.isfinite(filled).all()
    if finite.any():
        assert row[finite].min() <= filled.min()
        assert filled.max() <= row[finite].max()
