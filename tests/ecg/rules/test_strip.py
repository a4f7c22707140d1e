"""Intervals as the rules see them: gaps, ectopic beats, pauses."""

from dataclasses import replace

import numpy as np
import pytest

from ecg import study
from ecg.rules.strip import strip
from ecg.simulate import simulate
from ecg.study import Study


def of(scenario: str, seed: int = 3) -> Study:
    """A study whose beat classes are those of the simulation."""
    heart = simulate(scenario, 10.0, 500.0, seed=seed)
    found = study.study(heart.samples, 500.0)
    near = [int(np.abs(heart.r_peaks - r).argmin()) for r in found.r_peaks]
    letters = {"A": "S", "E": "V", "L": "N", "R": "N"}
    return replace(found, classes=tuple(letters.get(heart.symbols[k], heart.symbols[k]) for k in near))


def test_intervals_next_to_a_ventricular_beat_are_not_of_the_basic_rhythm() -> None:
    seen = strip(of("pvc"))
    assert seen.kinds.count("V") >= 1
    assert np.ptp(seen.rr_s[seen.own]) < 0.03
    assert np.ptp(seen.rr_s) > 0.3


def test_a_pause_slows_the_mean_rate_and_not_the_usual_one() -> None:
    seen = strip(of("pause"))
    assert seen.usual_rate == pytest.approx(64, abs=2)
    assert seen.rate < 58


def test_no_interval_is_taken_across_a_gap() -> None:
    heart = simulate("sinus", 10.0, 500.0)
    samples = heart.samples.copy()
    samples[:, 2000:3000] = np.nan
    seen = strip(study.study(samples, 500.0))
    assert np.isnan(seen.rr_s).sum() >= 1
    assert seen.rate == pytest.approx(72, abs=3)
    held = heart.samples.copy()
    held[:, 2000:3000] = held[:, 2000:2001]
    assert np.isnan(strip(study.study(held, 500.0)).rr_s).sum() >= 1


def test_p_waves_are_there_or_not() -> None:
    assert strip(of("sinus")).has_p
    assert not strip(of("af")).has_p
    assert not strip(of("accelerated_idioventricular")).has_p


def test_broad_is_from_120_ms_on() -> None:
    assert strip(of("lbbb")).wide
    assert not strip(of("sinus")).wide
