"""Boundaries on a beat that is known."""

import numpy as np
import pytest

from ecg import beats
from ecg.delineate import Boundaries, delineate
from ecg.simulate import simulate


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_boundaries_lie_where_they_were_drawn(seed: int) -> None:
    heart = simulate("sinus", 10.0, 500.0, seed=seed)
    usual = beats.representative(heart.samples, heart.r_peaks, 500.0)
    assert usual is not None
    got = delineate(usual.beat, usual.r_index, 500.0, usual.rr_s)
    for key, within_ms in (("p_on", 15), ("p_off", 15), ("qrs_on", 12), ("qrs_off", 15), ("t_off", 25)):
        truth = float(np.median(heart.boundaries[key] - heart.r_peaks))
        value = getattr(got, key)
        assert value is not None, key
        assert (value - usual.r_index - truth) * 2 == pytest.approx(0, abs=within_ms), key


def test_noise_alone_has_no_boundaries() -> None:
    noise = np.random.default_rng(1).normal(0, 30, (12, 525))
    assert delineate(noise, 200, 500.0, 0.8) == Boundaries()
    assert delineate(np.zeros((12, 525)), 200, 500.0, 0.8) == Boundaries()
    assert delineate(np.zeros((12, 40)), 20, 500.0, 0.8) == Boundaries()
