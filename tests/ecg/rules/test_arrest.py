"""Fibrillation, flutter and standstill, told from beats, noise and loose electrodes."""

from functools import cache

import numpy as np
import pytest

from ecg import study
from ecg.rules import arrest
from ecg.simulate import simulate
from ecg.study import Study


@cache
def seen(scenario: str, seed: int = 3) -> Study:
    heart = simulate(scenario, 10.0, 500.0, seed=seed)
    return study.study(heart.samples, 500.0, heart.electrodes_off)


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [("vf", "fibrillation"), ("ventricular_flutter", "flutter"), ("torsades", "torsades")],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_waves_without_a_line_between_them_are_named(scenario: str, kind: str, seed: int) -> None:
    found = arrest.waves(seen(scenario, seed))
    assert found is not None
    assert found.kind == kind
    assert found.end - found.start >= 6 * 500


@pytest.mark.parametrize(
    "scenario",
    [
        "sinus",
        "svt",
        "af_fast",
        "flutter_2to1",
        "hyperkalaemia",
        "af_preexcited",
        "bigeminy",
        "noise",
        "lbbb",
    ],
)
def test_beats_are_no_waves_however_fast_or_broad(scenario: str) -> None:
    assert arrest.waves(seen(scenario)) is None
    assert arrest.still(seen(scenario)) is None


def test_a_still_heart_is_told_from_a_line_that_nobody_is_connected_to() -> None:
    found = arrest.still(seen("asystole"))
    assert found is not None
    assert not arrest.has_p(found)
    assert arrest.still(study.study(np.zeros((12, 5000)), 500.0)) is None
    assert arrest.still(study.study(np.full((12, 5000), np.nan), 500.0)) is None


def test_p_waves_alone_are_a_standstill_of_the_ventricles() -> None:
    found = arrest.still(seen("standstill"))
    assert found is not None
    assert arrest.has_p(found)


def test_electrodes_that_are_off_hide_nothing_and_show_nothing() -> None:
    heart = simulate("asystole", 10.0, 500.0)
    assert arrest.still(study.study(heart.samples, 500.0, ["RA"])) is None


def test_where_it_begins_is_told() -> None:
    before, after = simulate("sinus", 5.0, 500.0).samples, simulate("vf", 8.0, 500.0).samples
    found = arrest.waves(study.study(np.concatenate((before, after), axis=1), 500.0))
    assert found is not None
    assert 3.5 * 500 <= found.start <= 6 * 500
    assert found.end == pytest.approx(13 * 500, abs=500)


def test_electrode_noise_is_no_fibrillation() -> None:
    rng = np.random.default_rng(5)
    rough = np.cumsum(rng.normal(0, 30, (12, 5000)), axis=1)
    rough -= rough.mean(axis=1, keepdims=True)
    assert arrest.waves(study.study(rough, 500.0)) is None
    assert arrest.waves(study.study(rng.normal(0, 200, (12, 5000)), 500.0)) is None


@pytest.mark.parametrize("n", [0, 1, 2, 100, 700])
def test_short_strips_say_nothing(n: int) -> None:
    few = study.study(simulate("vf", 10.0, 500.0).samples[:, :n], 500.0)
    assert arrest.waves(few) is None
    assert arrest.still(few) is None
