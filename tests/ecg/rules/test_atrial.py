"""What is left of a strip when the beats are taken out of it."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import study
from ecg.rules.atrial import Atrial, atrial
from ecg.simulate import simulate
from ecg.study import Study


@cache
def seen(scenario: str, seed: int = 3) -> Study:
    return study.study(simulate(scenario, 10.0, 500.0, seed=seed).samples, 500.0)


@pytest.mark.parametrize("scenario", ["sinus", "lbbb", "inferior_stemi", "wpw", "sinus_tachycardia"])
def test_p_waves_before_each_beat_come_back(scenario: str) -> None:
    found = atrial(seen(scenario))
    assert found.coherence > 0.8
    assert found.before_uv > 60


@pytest.mark.parametrize("scenario", ["af", "junctional", "paced_block", "av_block_3"])
def test_what_is_no_p_wave_does_not(scenario: str) -> None:
    found = atrial(seen(scenario))
    assert found.coherence < 0.5 or found.before_uv < 40


@pytest.mark.parametrize("scenario", ["flutter_4to1", "flutter_2to1", "flutter_varying"])
def test_flutter_is_like_itself_a_cycle_later(scenario: str) -> None:
    found = atrial(seen(scenario))
    assert found.flutter > 0.45
    assert 180 <= found.cycle_ms <= 230
    assert atrial(seen("sinus")).flutter < 0.4


@pytest.mark.parametrize("scenario", ["av_block_2_1", "av_block_2_mobitz_2", "av_block_3", "paced_block"])
def test_p_waves_are_found_wherever_they_stand(scenario: str) -> None:
    heart = simulate(scenario, 10.0, 500.0, seed=5)
    found = atrial(replace(study.study(heart.samples, 500.0), r_peaks=heart.r_peaks, spikes=heart.spikes))
    plain = [p for p in heart.p_peaks if 100 < p < 4900 and not found.hidden[p]]
    hit = [np.abs(found.p_peaks - p).min() <= 20 for p in plain]
    assert np.mean(hit) >= 0.9
    false = [np.abs(heart.p_peaks - p).min() > 30 for p in found.p_peaks]
    assert np.mean(false) <= 0.25


def test_fibrillation_between_paced_beats_is_seen() -> None:
    waves, none = atrial(seen("af_paced")), atrial(seen("paced"))
    assert waves.waves_uv > 2 * none.waves_uv
    assert waves.waves_over_wander > 0.85


@settings(max_examples=6, deadline=None)
@given(gain=st.floats(0.6, 3.0), offset=st.floats(-2000, 2000))
def test_gain_and_offset_change_nothing_that_has_no_unit(gain: float, offset: float) -> None:
    heart = simulate("sinus", 8.0, 250.0, seed=4)
    plain = atrial(study.study(heart.samples, 250.0))
    other = atrial(study.study(heart.samples * gain + offset, 250.0))
    assert other.coherence == pytest.approx(plain.coherence, abs=0.05)
    assert np.abs(other.p_peaks.size - plain.p_peaks.size) <= 1


@pytest.mark.parametrize("samples", [np.zeros((12, 0)), np.zeros((12, 3)), np.full((12, 2500), np.nan)])
def test_without_beats_nothing_is_known(samples: np.ndarray) -> None:
    found = atrial(study.study(samples, 500.0))
    assert isinstance(found, Atrial)
    assert np.isnan(found.coherence)
    assert found.p_peaks.size == 0


def test_one_lead_is_enough_to_see_p_waves() -> None:
    samples = np.full((12, 5000), np.nan)
    samples[1] = simulate("sinus", 10.0, 500.0, seed=6).samples[1]
    whole = study.study(samples, 500.0)
    only = study.judged(samples, 500.0, whole.quality._replace(usable=("II",), verdict="rhythm_only"))
    assert atrial(only).coherence > 0.7
