"""Measurements against the simulated truth, and None where there is nothing to measure."""

import numpy as np
import pytest

from ecg import quality
from ecg.beats import Representative
from ecg.delineate import Boundaries
from ecg.leads import LEADS
from ecg.measure import MEASUREMENTS, corrected, measurements
from ecg.simulate import simulate
from ecg.study import judged, study
from protocols import statements


@pytest.mark.parametrize("rate_hz", [250.0, 500.0, 1000.0])
@pytest.mark.parametrize("scenario", ["sinus:50", "sinus:72", "sinus:110", "pvc", "af"])
def test_against_the_truth(scenario: str, rate_hz: float) -> None:
    heart = simulate(scenario, 10.0, rate_hz, seed=8)
    got = study(heart.samples, rate_hz).measurements
    assert set(got) == set(MEASUREMENTS)
    assert got["heart_rate"] == pytest.approx(heart.truth["heart_rate"], abs=2)
    for key, within_ms in (("p_ms", 15), ("pr_ms", 12), ("qrs_ms", 22), ("qt_ms", 25)):
        if heart.truth[key] is None:
            assert got[key] is None
        else:
            assert got[key] == pytest.approx(heart.truth[key], abs=within_ms), key


def test_amplitudes_and_axes() -> None:
    heart = simulate("sinus", 10.0, 500.0, seed=8)
    got = study(heart.samples, 500.0).measurements
    assert got["rv5_mv"] == pytest.approx(1.45, abs=0.06)
    assert got["sv1_mv"] == pytest.approx(0.95, abs=0.06)
    assert got["rv5_sv1_mv"] == pytest.approx(2.40, abs=0.1)
    assert got["qrs_axis_deg"] is not None
    assert 30 <= got["qrs_axis_deg"] <= 80
    assert got["p_axis_deg"] is not None
    assert 30 <= got["p_axis_deg"] <= 80


def test_wide_beats_are_wide() -> None:
    got = study(simulate("lbbb", 10.0, 500.0, seed=8).samples, 500.0).measurements
    assert got["qrs_ms"] is not None
    assert got["qrs_ms"] > 130


def test_four_formulas_for_the_corrected_qt() -> None:
    """QT 400 ms at RR 0.64 s, a rate of 93.75, worked out by hand from spec-clinical 5.1."""
    got = corrected(400.0, 0.64)
    assert got["qtcb_ms"] == 500.0
    assert got["qtcf_ms"] == pytest.approx(464.2, abs=0.05)
    assert got["qtcfr_ms"] == pytest.approx(455.4, abs=0.05)
    assert got["qtch_ms"] == pytest.approx(459.1, abs=0.05)
    assert set(corrected(400.0, 1.0).values()) == {400.0}


def test_corrected_qt_follows_its_formula() -> None:
    got = study(simulate("sinus:100", 10.0, 500.0, seed=8).samples, 500.0).measurements
    assert got["qt_ms"] is not None
    assert got["jt_ms"] is not None
    assert got["qrs_ms"] is not None
    assert got["qtcf_ms"] == pytest.approx(got["qt_ms"] / 0.6 ** (1 / 3), rel=0.01)
    assert got["qtcb_ms"] == pytest.approx(got["qt_ms"] / 0.6**0.5, rel=0.01)
    assert got["jt_ms"] == pytest.approx(got["qt_ms"] - got["qrs_ms"], abs=0.2)
    assert got["qtc_unsteady"] == 0
    assert got["qtc_wide_ms"] is None


def test_an_unsteady_rate_is_said() -> None:
    got = study(simulate("af", 10.0, 500.0, seed=8).samples, 500.0).measurements
    assert got["qtc_unsteady"] == 1
    assert got["rr_min_ms"] is not None
    assert got["rr_max_ms"] is not None
    assert got["rr_ms"] is not None
    assert got["rr_min_ms"] < got["rr_ms"] < got["rr_max_ms"]


def test_a_wide_qrs_has_its_own_qtc() -> None:
    got = study(simulate("lbbb", 10.0, 500.0, seed=8).samples, 500.0).measurements
    assert got["qtc_wide_ms"] is not None
    assert got["qtcf_ms"] is not None
    assert got["qrs_ms"] is not None
    assert got["qtc_wide_ms"] == pytest.approx(got["qtcf_ms"] - (got["qrs_ms"] - 100), abs=0.2)


@pytest.mark.parametrize("seed", range(1, 9))
def test_no_p_wave_in_atrial_fibrillation(seed: int) -> None:
    got = study(simulate("af", 10.0, 500.0, seed=seed).samples, 500.0).measurements
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
        assert set(study(samples, 500.0).measurements.values()) == {None}


def test_noise_leaves_the_rate_and_no_interval() -> None:
    heart = simulate("noise", 10.0, 500.0, seed=3)
    got = study(heart.samples, 500.0).measurements
    assert got["heart_rate"] == pytest.approx(heart.truth["heart_rate"], abs=2)
    assert got["qrs_ms"] is None
    assert got["qt_ms"] is None


def test_a_missing_lead_takes_its_amplitude_only() -> None:
    samples = simulate("sinus", 10.0, 500.0, seed=8).samples.copy()
    samples[LEADS.index("V5")] = np.nan
    got = study(samples, 500.0).measurements
    assert got["rv5_mv"] is None
    assert got["rv5_sv1_mv"] is None
    assert got["sv1_mv"] is not None
    assert got["qrs_ms"] is not None


def test_only_the_leads_trusted_are_used() -> None:
    samples = simulate("sinus", 10.0, 500.0, seed=8).samples
    trusted = tuple(name for name in LEADS if name != "V1")
    verdict = quality.assess(samples, 500.0, LEADS)._replace(usable=trusted)
    got = judged(samples, 500.0, verdict).measurements
    assert got["sv1_mv"] is None
    assert got["rv5_mv"] is not None


def test_another_number_of_leads_is_refused() -> None:
    with pytest.raises(ValueError, match="twelve"):
        study(np.zeros((8, 5000)), 500.0)


def half_sine(first: int, last: int, height: float) -> np.ndarray:
    at = np.arange(1000)
    inside = (at >= first) & (at <= last)
    return np.where(inside, height * np.sin(np.pi * (at - first) / (last - first)), 0.0)


def drawn() -> tuple[Representative, Boundaries]:
    """A beat in twelve leads at 1000 Hz: P 100-200, QRS 300-400, T 500-700."""
    beat = np.zeros((12, 1000))
    angle = {"p": 60.0, "qrs": 30.0, "t": -20.0}
    for name, (first, last, size) in {
        "p": (100, 200, 150),
        "qrs": (300, 400, 1000),
        "t": (500, 700, 300),
    }.items():
        wave = half_sine(first, last, size)
        x, y = np.cos(np.radians(angle[name])), np.sin(np.radians(angle[name]))
        beat[LEADS.index("I")] += x * wave
        beat[LEADS.index("aVF")] += y * 3**0.5 / 2 * wave
    beat[LEADS.index("aVL")] += half_sine(300, 400, 700)
    beat[LEADS.index("V1")] += (
        half_sine(300, 400, -1100) + half_sine(100, 150, 80) + half_sine(150, 200, -120)
    )
    beat[LEADS.index("V3")] += half_sine(300, 400, -1500)
    beat[LEADS.index("V5")] += half_sine(300, 400, 2000)
    beat[LEADS.index("V6")] += half_sine(300, 400, 2300)
    found = Boundaries(p_on=100.0, p_off=200.0, qrs_on=300.0, qrs_off=400.0, t_peak=600.0, t_off=700.0)
    return Representative(beat, 350, np.arange(5), 1.0), found


def test_voltages_axes_and_forces_of_a_drawn_beat() -> None:
    usual, found = drawn()
    got = measurements(np.arange(1, 7) * 1000, 1000.0, usual, found)
    assert got["p_axis_deg"] == pytest.approx(60, abs=1)
    assert got["qrs_axis_deg"] == pytest.approx(30, abs=1)
    assert got["t_axis_deg"] == pytest.approx(-20, abs=1)
    assert got["qrs_t_angle_deg"] == pytest.approx(50, abs=2)
    assert got["rv5_mv"] == pytest.approx(2.0, abs=0.003)
    assert got["sv1_mv"] == pytest.approx(1.1, abs=0.003)
    assert got["rv5_sv1_mv"] == pytest.approx(3.1, abs=0.005)
    assert got["sokolow_mv"] == pytest.approx(3.4, abs=0.005)
    assert got["cornell_mv"] == pytest.approx(2.2, abs=0.005)
    # 1.2 mm deep for 50 ms
    assert got["ptf_v1_mms"] == pytest.approx(-0.06, abs=0.002)
    assert got["tpe_ms"] == 100
    assert (got["p_ms"], got["pr_ms"], got["qrs_ms"], got["qt_ms"]) == (100, 200, 100, 400)
    assert got["qtcf_ms"] == got["qtcb_ms"] == got["qtcfr_ms"] == got["qtch_ms"] == 400


def test_no_p_no_pr() -> None:
    usual, found = drawn()
    got = measurements(np.arange(1, 7) * 1000, 1000.0, usual, found._replace(p_on=None, p_off=None))
    for name in ("p_ms", "pr_ms", "p_axis_deg", "ptf_v1_mms"):
        assert got[name] is None, name
    assert got["qrs_ms"] == 100


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_gain_scales_voltages_and_nothing_else(gain: float) -> None:
    samples = simulate("sinus", 10.0, 500.0, seed=8).samples
    plain, other = study(samples, 500.0).measurements, study(gain * samples, 500.0).measurements
    for name, value in plain.items():
        if value is None:
            assert other[name] is None, name
        elif name.endswith(("_mv", "_mms")):
            assert other[name] == pytest.approx(gain * value, rel=0.01, abs=0.002), name
        else:
            assert other[name] == pytest.approx(value, abs=1), name


def test_every_id_has_a_row_in_the_common_language() -> None:
    assert {row.id for row in statements.MEASUREMENTS} == set(MEASUREMENTS)
