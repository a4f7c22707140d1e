"""Pacing spikes: where they are drawn, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest

from ecg import pacing, record
from ecg.simulate import simulate


@pytest.mark.parametrize("scenario", ["paced", "paced_dual", "paced_failing", "af_paced"])
def test_simulated_spikes_are_found(scenario: str) -> None:
    heart = simulate(scenario, 10.0, 1000.0, seed=2)
    found = pacing.spikes(heart.samples, 1000.0)
    assert found.size == heart.spikes.size
    assert (np.abs(found - heart.spikes) <= 3).all()
    one = pacing.spikes(heart.samples[1], 1000.0)
    assert one.size == heart.spikes.size


@pytest.mark.parametrize("rate_hz", [250.0, 360.0, 500.0, 1000.0])
def test_a_spike_of_one_sample_is_found_at_any_rate(rate_hz: float) -> None:
    samples = simulate("sinus", 10.0, rate_hz, seed=3).samples.copy()
    at = np.round(np.arange(0.9, 9.5, 0.77) * rate_hz).astype(int)
    samples[:, at] += 800.0
    found = pacing.spikes(samples, rate_hz)
    assert found.size >= at.size - 2  # one may fall into a QRS, where it is none
    assert np.isin(found, at).all()


@pytest.mark.parametrize("scenario", ["sinus", "pvc", "wpw", "noise", "lead_off", "sinus:180", "vt"])
def test_no_spikes_without_a_pacemaker(scenario: str) -> None:
    for rate_hz in (250.0, 500.0):
        assert pacing.spikes(simulate(scenario, 10.0, rate_hz, seed=4).samples, rate_hz).size == 0


def test_slow_sampling_and_nothing_at_all() -> None:
    heart = simulate("paced", 10.0, 125.0, seed=2)
    assert pacing.spikes(heart.samples, 125.0).size == 0
    for samples in (np.zeros((12, 0)), np.zeros(1), np.full((3, 900), np.nan), np.full((1, 900), 5.0)):
        assert pacing.spikes(samples, 500.0).size == 0


def test_a_lost_sample_is_no_pacemaker() -> None:
    samples = simulate("sinus", 10.0, 500.0, seed=3).samples.copy()
    samples[:, [1200, 3100]] += 700.0
    assert pacing.spikes(samples, 500.0).size == 0


def test_samples_without_spikes_are_what_they_were_elsewhere() -> None:
    heart = simulate("paced", 10.0, 500.0, seed=2)
    at = pacing.spikes(heart.samples, 500.0)
    rest = pacing.without(heart.samples, at, 500.0)
    near = np.zeros(5000, dtype=bool)
    for k in at:
        near[k - 4 : k + 11] = True
    assert (rest[:, ~near] == heart.samples[:, ~near]).all()
    assert np.abs(np.diff(rest[:, near], axis=1)).max() < np.abs(np.diff(heart.samples, axis=1)).max() / 3
    assert pacing.without(heart.samples, at[:0], 500.0) is heart.samples


def test_real_pacemakers(ecg_data: Path, tmp_path: Path) -> None:
    counts = {}
    for folder, name in (
        ("ludb", "34"),
        ("ludb", "93"),
        ("ludb", "111"),
        ("cinc12", "HR12083"),
        ("ludb", "2"),
    ):
        record.unpack(ecg_data / folder / f"{name}.tar.xz", tmp_path)
        signals = record.read_any(tmp_path / f"{name}.hea")
        counts[name] = pacing.spikes(signals.samples, signals.rate_hz).size
    assert counts == {"34": 10, "93": 10, "111": 10, "HR12083": 8, "2": 0}
