"""The table of each lead, on beats drawn by hand and on a simulated heart."""

import numpy as np
import pytest

from ecg.amplitudes import PER_LEAD, per_lead
from ecg.beats import Representative
from ecg.delineate import Boundaries, Delineation, Waves
from ecg.leads import LEADS
from ecg.simulate import simulate
from ecg.study import study

RATE_HZ = 1000.0
FOUND = Boundaries(p_on=100.0, p_off=200.0, qrs_on=250.0, qrs_off=350.0, t_peak=500.0, t_off=600.0)
NOTHING = Waves(*np.full((9, 4), np.nan))
NO_WAVES = Delineation((NOTHING,) * 12, NOTHING)


def drawn(*parts: tuple[int, int, float], level: float = 0.0) -> Representative:
    """The same beat in twelve leads: half sines (first sample, last sample, height in µV)."""
    row = np.full(800, level)
    for first, last, height in parts:
        at = np.arange(first, last + 1)
        row[at] += height * np.sin(np.pi * (at - first) / (last - first))
    return Representative(np.tile(row, (12, 1)), 290, np.arange(4), 0.9)


def lead(*parts: tuple[int, int, float], level: float = 0.0) -> dict[str, float | None]:
    return per_lead(drawn(*parts, level=level), FOUND, NO_WAVES, RATE_HZ)["V1"]


P = (100, 200, 120.0)
T = (450, 600, -300.0)


def test_q_r_s() -> None:
    got = lead(P, (250, 270, -150.0), (270, 310, 1200.0), (310, 350, -400.0), T)
    assert got["q_mv"] == pytest.approx(-0.15, abs=0.002)
    assert got["r_mv"] == pytest.approx(1.2, abs=0.002)
    assert got["s_mv"] == pytest.approx(-0.4, abs=0.002)
    assert got["r2_mv"] == got["s2_mv"] == 0
    assert got["q_ms"] == pytest.approx(20, abs=2)
    assert got["r_ms"] == pytest.approx(40, abs=2)
    assert got["s_ms"] == pytest.approx(40, abs=2)
    assert got["vat_ms"] == pytest.approx(40, abs=1)
    assert got["qrs_pp_mv"] == pytest.approx(1.6, abs=0.003)


def test_rsr() -> None:
    got = lead(P, (250, 275, 200.0), (275, 305, -300.0), (305, 350, 900.0), T)
    assert got["q_mv"] == got["s2_mv"] == 0
    assert got["r_mv"] == pytest.approx(0.2, abs=0.002)
    assert got["s_mv"] == pytest.approx(-0.3, abs=0.002)
    assert got["r2_mv"] == pytest.approx(0.9, abs=0.002)
    assert got["vat_ms"] == pytest.approx(77.5, abs=1)


def test_qs_is_all_q() -> None:
    got = lead(P, (250, 350, -900.0), T)
    assert got["q_mv"] == pytest.approx(-0.9, abs=0.002)
    assert got["r_mv"] == got["s_mv"] == 0
    assert got["q_ms"] == pytest.approx(100, abs=2)
    assert got["vat_ms"] is None


def test_p_t_and_st_stand_against_their_level() -> None:
    got = lead(P, (250, 350, 800.0), (350, 450, 200.0), T, level=500.0)
    assert got["p_mv"] == pytest.approx(0.12, abs=0.003)
    assert got["p_neg_mv"] == pytest.approx(0, abs=0.003)
    assert got["t_neg_mv"] == pytest.approx(-0.3, abs=0.003)
    assert got["j_mv"] == pytest.approx(0, abs=0.04)  # the mean of 4 ms on each side
    assert got["st20_mv"] == pytest.approx(0.2 * np.sin(np.pi * 0.2), abs=0.005)
    assert got["st40_mv"] == pytest.approx(0.2 * np.sin(np.pi * 0.4), abs=0.005)
    assert got["st60_mv"] == pytest.approx(0.2 * np.sin(np.pi * 0.6), abs=0.005)
    assert got["st80_mv"] == pytest.approx(0.2 * np.sin(np.pi * 0.8), abs=0.005)


def test_a_wave_too_small_is_none() -> None:
    got = lead(P, (250, 270, -12.0), (270, 310, 1200.0), (310, 314, -100.0), T)
    assert got["q_mv"] == 0
    assert got["s_mv"] == 0


def test_what_was_not_found_is_not_measured() -> None:
    beat = drawn(P, (250, 350, 900.0), T)
    assert set(per_lead(None, FOUND, NO_WAVES, RATE_HZ)["I"].values()) == {None}
    assert set(per_lead(beat, Boundaries(), NO_WAVES, RATE_HZ)["I"].values()) == {None}
    without = per_lead(beat, FOUND._replace(p_on=None, p_off=None, t_off=None), NO_WAVES, RATE_HZ)["I"]
    assert without["p_mv"] is None
    assert without["t_mv"] is None
    assert without["r_mv"] == pytest.approx(0.9, abs=0.003)
    gap = beat._replace(beat=np.where(np.arange(12)[:, None] == 3, np.nan, beat.beat))
    table = per_lead(gap, FOUND, NO_WAVES, RATE_HZ)
    assert set(table["aVR"].values()) == {None}
    assert table["aVL"]["r_mv"] is not None


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_gain_scales_amplitudes_and_no_duration(gain: float) -> None:
    samples = simulate("sinus", 10.0, 500.0, seed=8).samples
    plain, other = study(samples, 500.0).per_lead, study(gain * samples, 500.0).per_lead
    for name in LEADS:
        assert set(plain[name]) == set(PER_LEAD)
        for key, value in plain[name].items():
            if value is None:
                assert other[name][key] is None
            elif key.endswith("_mv") and abs(value) > 0.05:
                assert other[name][key] == pytest.approx(gain * value, abs=0.003), (name, key)
            elif key in ("p_ms", "pr_ms", "qrs_ms", "qt_ms"):
                assert other[name][key] == pytest.approx(value, abs=0.5), (name, key)
