"""Measurements against the simulated truth, and None where there is nothing to measure."""

import numpy as np
import pytest

from ecg.leads import LEADS
from ecg.measure import MEASUREMENTS, measure
from ecg.simulate import simulate


@pytest.mark.parametrize("rate_hz", [250.0, 500.0, 1000.0])
@pytest.mark.parametrize("scenario", ["sinus:50", "sinus:72", "sinus:110", "pvc", "af"])
def test_against_the_truth(scenario: str, rate_hz: float) -> None:
    heart = simulate(scenario, 10.0, rate_hz, seed=8)
    got = measure(heart.samples, rate_hz)
    assert set(got) == set(MEASUREMENTS)
    assert got["heart_rate"] == pytest.approx(heart.truth["heart_rate"], abs=2)
    for key, within_ms in (("p_ms", 15), ("pr_ms", 12), ("qrs_ms", 22), ("qt_ms", 25)):
        if heart.truth[key] is None:
            assert got[key] is None
        else:
            assert got[key] == pytest.approx(heart.truth[key], abs=within_ms), key


def test_amplitudes_and_axes() -> None:
    heart = simulate("sinus", 10.0, 500.0, seed=8)
    got = measure(heart.samples, 500.0)
    assert got["rv5_mv"] == pytest.approx(1.45, abs=0.06)
    assert got["sv1_mv"] == pytest.approx(0.95, abs=0.06)
    assert got["rv5_sv1_mv"] == pytest.approx(2.40, abs=0.1)
    assert got["qrs_axis_deg"] is not None
    assert 30 <= got["qrs_axis_deg"] <= 80
    assert got["p_axis_deg"] is not None
    assert 30 <= got["p_axis_deg"] <= 80


def test_wide_beats_are_wide() -> None:
    got = measure(simulate("lbbb", 10.0, 500.0, seed=8).samples, 500.0)
    assert got["qrs_ms"] is not None
    assert got["qrs_ms"] > 130


def test_corrected_qt_follows_its_formula() -> None:
    got = measure(simulate("sinus:100", 10.0, 500.0, seed=8).samples, 500.0)
    assert got["qt_ms"] is not None
    assert got["qtcf_ms"] == pytest.approx(got["qt_ms"] / 0.6 ** (1 / 3), rel=0.01)
    assert got["qtcb_ms"] == pytest.approx(got["qt_ms"] / 0.6**0.5, rel=0.01)


@pytest.mark.parametrize("seed", range(1, 9))
def test_no_p_wave_in_atrial_fibrillation(seed: int) -> None:
    got = measure(simulate("af", 10.0, 500.0, seed=seed).samples, 500.0)
    assert got["p_ms"] is None
    assert got["pr_ms"] is None
    assert got["p_axis_deg"] is None


def test_nothing_is_made_of_nothing() -> None:
    for samples in (
        simulate("asystole", 10.0).samples,
        np.zeros((12, 5000)),
        np.full((12, 5000), np.nan),
        np.zeros((12, 0)),
    ):
        assert set(measure(samples, 500.0).values()) == {None}


def test_noise_leaves_the_rate_and_no_interval() -> None:
    heart = simulate("noise", 10.0, 500.0, seed=3)
    got = measure(heart.samples, 500.0)
    assert got["heart_rate"] == pytest.approx(heart.truth["heart_rate"], abs=2)
    assert got["qrs_ms"] is None
    assert got["qt_ms"] is None


def test_a_missing_lead_takes_its_amplitude_only() -> None:
    samples = simulate("sinus", 10.0, 500.0, seed=8).samples.copy()
    samples[LEADS.index("V5")] = np.nan
    got = measure(samples, 500.0)
    assert got["rv5_mv"] is None
    assert got["rv5_sv1_mv"] is None
    assert got["sv1_mv"] is not None
    assert got["qrs_ms"] is not None


def test_only_the_leads_trusted_are_used() -> None:
    samples = simulate("sinus", 10.0, 500.0, seed=8).samples
    got = measure(samples, 500.0, usable=[name for name in LEADS if name != "V1"])
    assert got["sv1_mv"] is None
    assert got["rv5_mv"] is not None


def test_another_number_of_leads_is_refused() -> None:
    with pytest.raises(ValueError, match="twelve"):
        measure(np.zeros((8, 5000)), 500.0)
