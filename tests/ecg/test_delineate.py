"""Boundaries: where they were drawn, where cardiologists drew them, and what must not change them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import beats, delineate, filters, record
from ecg.delineate import Boundaries, Waves
from ecg.leads import LEADS
from ecg.simulate import simulate
from ecg.tools import scoring

RECORDS = ("2", "22", "44", "68", "103", "111")
"""Sinus rhythm, with ectopy, fibrillation, sinus rhythm, flutter, paced."""


def table(waves: Waves) -> np.ndarray:
    return np.array(waves).T


@pytest.fixture(scope="module")
def heart() -> tuple[np.ndarray, np.ndarray]:
    """Twelve leads of sinus rhythm with noise, and the R peaks."""
    found = simulate("sinus:68", 10.0, 500.0, seed=4)
    return found.samples, beats.detect(found.samples, 500.0)


@pytest.mark.parametrize("rate_hz", [130.0, 250.0, 257.0, 500.0, 1000.0])
def test_boundaries_lie_where_they_were_drawn(rate_hz: float) -> None:
    heart = simulate("sinus", 10.0, rate_hz, seed=1)
    r_peaks = heart.r_peaks[(heart.r_peaks > rate_hz) & (heart.r_peaks < 9 * rate_hz)]
    together = delineate.waves(heart.samples, rate_hz, r_peaks).together
    for key, within_ms in (("p_on", 22), ("p_off", 22), ("qrs_on", 14), ("qrs_off", 18), ("t_off", 30)):
        truth = float(np.median(heart.boundaries[key] - heart.r_peaks))
        got = float(np.nanmedian(getattr(together, key) - r_peaks))
        assert (got - truth) / rate_hz * 1e3 == pytest.approx(0, abs=within_ms), key


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_boundaries_of_a_beat_alone(seed: int) -> None:
    heart = simulate("sinus", 10.0, 500.0, seed=seed)
    usual = beats.representative(heart.samples, heart.r_peaks, 500.0)
    assert usual is not None
    got = delineate.delineate(usual.beat, usual.r_index, 500.0, usual.rr_s)
    for key, within_ms in (("p_on", 22), ("p_off", 22), ("qrs_on", 14), ("qrs_off", 18), ("t_off", 30)):
        truth = float(np.median(heart.boundaries[key] - heart.r_peaks))
        value = getattr(got, key)
        assert value is not None, key
        assert (value - usual.r_index - truth) * 2 == pytest.approx(0, abs=within_ms), key


def test_noise_alone_has_no_boundaries() -> None:
    noise = np.random.default_rng(1).normal(0, 30, (12, 525))
    assert delineate.delineate(noise, 200, 500.0, 0.8) == Boundaries()
    assert delineate.delineate(np.zeros((12, 525)), 200, 500.0, 0.8) == Boundaries()
    assert delineate.delineate(np.zeros((12, 40)), 20, 500.0, 0.8) == Boundaries()
    assert delineate.delineate(np.full((12, 525), np.nan), 200, 500.0, 0.8) == Boundaries()


@pytest.mark.parametrize("lead", range(12))
def test_order_within_a_beat(heart: tuple[np.ndarray, np.ndarray], lead: int) -> None:
    found = delineate.waves(heart[0], 500.0, heart[1])
    for waves in (found.per_lead[lead], found.together):
        rows = table(waves)
        assert np.isfinite(rows[1:-1]).all()
        assert (np.diff(rows[1:-1], axis=1) >= 0).all()


@settings(max_examples=8, deadline=None)
@given(shift=st.integers(1, 700))
def test_a_later_start_moves_every_boundary(heart: tuple[np.ndarray, np.ndarray], shift: int) -> None:
    samples, r_peaks = heart
    whole = delineate.waves(samples, 500.0, r_peaks)
    later = delineate.waves(samples[:, shift:], 500.0, r_peaks[3:] - shift)
    for a, b in zip((*whole.per_lead, whole.together), (*later.per_lead, later.together), strict=True):
        # The first R peaks are missing from the second, so the first beats' neighbours differ.
        assert np.allclose(table(a)[5:-1] - shift, table(b)[2:-1], atol=0.25)


@settings(max_examples=8, deadline=None)
@given(gain=st.sampled_from([0.2, 0.5, 3.0, 8.0]), offset=st.floats(-5e3, 5e3), seed=st.integers(0, 99))
def test_gain_offset_and_order_of_leads_change_nothing(
    heart: tuple[np.ndarray, np.ndarray], gain: float, offset: float, seed: int
) -> None:
    samples, r_peaks = heart
    order = np.random.default_rng(seed).permutation(12)
    plain = delineate.waves(samples, 500.0, r_peaks)
    other = delineate.waves(gain * samples[order] + offset, 500.0, r_peaks)
    assert np.allclose(table(plain.together), table(other.together), atol=0.05, equal_nan=True)
    for k, lead in enumerate(order):
        assert np.allclose(table(plain.per_lead[lead]), table(other.per_lead[k]), atol=0.05, equal_nan=True)


def test_a_lead_without_data_has_nothing_and_takes_nothing(heart: tuple[np.ndarray, np.ndarray]) -> None:
    samples, r_peaks = heart[0].copy(), heart[1]
    samples[6] = np.nan
    samples[7, 2000:3000] = np.nan
    samples[8] = 0.0
    found = delineate.waves(samples, 500.0, r_peaks)
    assert np.isnan(table(found.per_lead[6])).all()
    assert np.isnan(table(found.per_lead[8])).all()
    in_gap = (r_peaks > 2000) & (r_peaks < 3000)
    clear = (r_peaks < 1900) | (r_peaks > 3100)
    assert in_gap.any()
    assert np.isnan(found.per_lead[7].qrs_on[in_gap]).all()
    assert np.isfinite(found.per_lead[7].qrs_on[clear][1:-1]).all()
    assert np.isfinite(found.together.qrs_on[1:-1]).all()


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((12, 0)),
        np.zeros((12, 1)),
        np.zeros((1, 5000)),
        np.full((3, 5000), np.nan),
        np.full((2, 5000), 32767.0),
        np.where(np.arange(5000) % 400 < 200, 4e6, -4e6)[None],
    ],
    ids=["empty", "one sample", "flat", "no data", "saturated", "square"],
)
@pytest.mark.parametrize("r_peaks", [[], [0], [700, 1400, 2100]], ids=["none", "one", "three"])
def test_bad_input_has_a_defined_answer(samples: np.ndarray, r_peaks: list[int]) -> None:
    found = delineate.waves(samples, 500.0, np.array(r_peaks, dtype=np.int64))
    assert len(found.per_lead) == len(samples)
    for waves in (*found.per_lead, found.together):
        rows = table(waves)
        assert rows.shape == (len(r_peaks), 9)
        inside = rows[np.isfinite(rows)]
        assert ((inside >= 0) & (inside < max(1, samples.shape[1]))).all()
        if not samples.size or not np.ptp(samples) > 0:
            assert not inside.size


def test_hours_are_read_in_parts() -> None:
    """Beats where two parts meet are read as in the middle of one."""
    heart = simulate("sinus:80", 10.0, 250.0, seed=2)
    one = heart.samples[1, 500:2000]
    rr = round(60 / 80 * 250)
    piece = one[: one.size // rr * rr]
    long = np.tile(piece, 40)
    r_peaks = beats.detect(long, 250.0)
    found = delineate.waves(long, 250.0, r_peaks).per_lead[0]
    assert long.size > 2 * 60 * 250
    away = (table(found) - r_peaks[:, None])[3:-3]
    assert np.isfinite(away).all()
    assert float(np.abs(away - np.median(away, axis=0)).max()) < 6


def test_waves_of_real_records(ecg_data: Path, tmp_path: Path) -> None:
    """Floors on a few records; tests/bench/bench_waves.py has the figures on all, unseen."""
    errors: dict[str, list[np.ndarray]] = {name: [] for name in scoring.POINTS}
    missed = false = invented = without_p = 0
    for name in RECORDS:
        record.unpack(ecg_data / "ludb" / f"{name}.tar.xz", tmp_path)
        header = next(tmp_path.rglob(f"{name}.hea"))
        signals = record.read_any(header)
        clean = filters.stored(signals.samples, signals.rate_hz, 0.05, 150.0)
        r_peaks = beats.detect(signals.samples, signals.rate_hz)
        found = delineate.waves(clean, signals.rate_hz, r_peaks)
        for lead, waves in zip(LEADS, found.per_lead, strict=True):
            marks = record.read_annotations(header.parent, name, lead.lower())
            reference = scoring.points_of(marks)
            within = (float(marks.samples[0]), float(marks.samples[-1]))
            for point, values in waves._asdict().items():
                own = np.unique(np.rint(values[np.isfinite(values)]).astype(np.int64))
                one = scoring.point(reference[point], own, signals.rate_hz, within)
                errors[point].append(one.errors_ms)
                if point in ("qrs_peak", "t_peak"):
                    missed, false = missed + one.missed, false + one.false
            if not reference["p_peak"].size:
                invented += int(np.isfinite(waves.p_peak).sum())
                without_p += r_peaks.size
    limits = {"p_on": (4, 14), "p_off": (4, 13), "qrs_on": (4, 12), "qrs_off": (4, 11), "t_off": (5, 26)}
    for point, (mean_ms, sd_ms) in limits.items():
        all_errors = np.concatenate(errors[point])
        assert all_errors.size > 200
        assert abs(float(all_errors.mean())) <= mean_ms, point
        assert float(all_errors.std()) <= sd_ms, point
    assert missed + false <= 12
    assert invented <= 0.05 * without_p
