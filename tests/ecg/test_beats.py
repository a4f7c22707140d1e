"""QRS detection: on the simulated heart to the sample, on real records as a number."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import beats, record
from ecg.__main__ import examine, matched
from ecg.simulate import simulate


def _agree(found: np.ndarray, truth: np.ndarray, rate_hz: float, within_ms: float = 10.0) -> bool:
    return len(found) == len(truth) and bool((np.abs(found - truth) <= within_ms * rate_hz / 1e3).all())


@pytest.mark.parametrize("rate_hz", [250.0, 360.0, 500.0, 1000.0])
@pytest.mark.parametrize(
    "scenario", ["sinus:35", "sinus:72", "sinus:150", "sinus:200", "af", "pvc", "pause", "noise"]
)
def test_every_beat_once_at_its_peak(scenario: str, rate_hz: float) -> None:
    heart = simulate(scenario, 20.0, rate_hz, seed=5)
    edge = 0.15 * rate_hz
    inside = heart.r_peaks[(heart.r_peaks > edge) & (heart.r_peaks < heart.samples.shape[1] - edge)]
    found = beats.detect(heart.samples, rate_hz)
    found = found[(found > edge) & (found < heart.samples.shape[1] - edge)]
    assert _agree(found, inside, rate_hz)


def test_one_lead_is_enough() -> None:
    heart = simulate("sinus", 10.0, 500.0, seed=2)
    for lead in (0, 1, 7, 11):
        assert len(beats.detect(heart.samples[lead], 500.0)) == len(heart.r_peaks)


def test_asystole_and_silence_have_no_beats() -> None:
    assert beats.detect(simulate("asystole", 10.0).samples, 500.0).size == 0
    assert beats.detect(np.zeros((12, 5000)), 500.0).size == 0
    assert beats.detect(np.full((12, 5000), np.nan), 500.0).size == 0
    assert beats.detect(np.zeros((12, 3)), 500.0).size == 0
    assert beats.detect(np.zeros((12, 0)), 500.0).size == 0


def test_a_lead_that_fell_off_does_not_disturb_the_others() -> None:
    heart = simulate("lead_off", 10.0, 500.0, seed=3)
    assert _agree(beats.detect(heart.samples, 500.0), heart.r_peaks, 500.0)


def test_gaps_cost_their_own_beats_only() -> None:
    heart = simulate("sinus", 20.0, 500.0, seed=4)
    samples = heart.samples.copy()
    samples[:, 4000:5000] = np.nan
    found = beats.detect(samples, 500.0)
    outside = heart.r_peaks[(heart.r_peaks < 3900) | (heart.r_peaks > 5100)]
    assert len(matched(outside, found, 10)) == len(outside)
    assert not ((found > 4050) & (found < 4950)).any()


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(0, 1200)),
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([0.0, 1.0, 1e3, 1e6]),
    holes=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_anything_gives_ascending_indices_inside(
    shape: tuple[int, int], seed: int, scale: float, holes: float
) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 1, shape) * scale
    samples[rng.random(shape) < holes] = np.nan
    found = beats.detect(samples, 250.0)
    assert (np.diff(found) > 0).all()
    assert ((found >= 0) & (found < shape[1])).all()


def test_the_representative_beat_is_the_usual_one() -> None:
    heart = simulate("pvc", 20.0, 500.0, seed=6)
    found = beats.detect(heart.samples, 500.0)
    usual = beats.representative(heart.samples, found, 500.0)
    assert usual is not None
    kinds = {heart.symbols[int(np.abs(heart.r_peaks - found[k]).argmin())] for k in usual.members}
    assert kinds == {"N"}
    assert abs(int(np.abs(usual.beat[1]).argmax()) - usual.r_index) <= 2
    assert beats.representative(heart.samples, found[:2], 500.0) is None


@pytest.mark.parametrize("name", ["101", "119", "223"])
def test_real_arrhythmia_records(ecg_data: Path, tmp_path: Path, name: str) -> None:
    record.unpack(ecg_data / "mitdb" / f"{name}.tar.xz", tmp_path)
    line, _, scored = examine(tmp_path / f"{name}.hea")
    assert scored is not None
    assert line["se_percent"] >= 99.8
    assert line["ppv_percent"] >= 99.7
