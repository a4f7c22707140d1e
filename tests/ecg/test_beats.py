"""Beats: on the simulated heart to the sample, on real records not below what was reached."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import beat_classes, beats, pacing, record
from ecg.simulate import simulate
from ecg.tools import scoring
from ecg.tools.figures import beat_figures

MINUTES = {
    "101": (0, 6),
    "104": (0, 6),
    "108": (18, 24),
    "119": (0, 5),
    "203": (0, 6),
    "207": (0, 5),
    "208": (0, 5),
    "223": (0, 5),
}
"""Record → minutes: noise, pacing, tall P, bigeminy, fibrillation, block, couplets, runs."""


def _agree(found: np.ndarray, truth: np.ndarray, rate_hz: float, within_ms: float = 10.0) -> bool:
    return len(found) == len(truth) and bool((np.abs(found - truth) <= within_ms * rate_hz / 1e3).all())


def _away_from_ends(at: np.ndarray, n: int, rate_hz: float, by_s: float = 0.15) -> np.ndarray:
    return at[(at > by_s * rate_hz) & (at < n - by_s * rate_hz)]


@pytest.mark.parametrize("rate_hz", [125.0, 250.0, 360.0, 500.0, 1000.0])
@pytest.mark.parametrize(
    "scenario",
    ["sinus:35", "sinus:72", "sinus:150", "sinus:200", "af", "pvc", "pause", "noise", "av_block_high_grade"],
)
def test_every_beat_once_at_its_peak(scenario: str, rate_hz: float) -> None:
    heart = simulate(scenario, 20.0, rate_hz, seed=5)
    n = heart.samples.shape[1]
    found = _away_from_ends(beats.detect(heart.samples, rate_hz), n, rate_hz)
    assert _agree(found, _away_from_ends(heart.r_peaks, n, rate_hz), rate_hz)


@pytest.mark.parametrize(
    "scenario", ["vt", "ventricular_run", "couplet", "bigeminy", "r_on_t", "svt", "lbbb", "paced_failing"]
)
def test_wide_early_and_paced_beats(scenario: str) -> None:
    heart = simulate(scenario, 10.0, 500.0, seed=3)
    found = _away_from_ends(beats.detect(heart.samples, 500.0), 5000, 500.0)
    truth = _away_from_ends(heart.r_peaks, 5000, 500.0)
    assert _agree(found, truth, 500.0, within_ms=60.0)


def test_one_lead_is_enough() -> None:
    heart = simulate("sinus", 10.0, 500.0, seed=2)
    for lead in (0, 1, 7, 11):
        assert len(beats.detect(heart.samples[lead], 500.0)) == len(heart.r_peaks)


@pytest.mark.parametrize("lead", [slice(0, 12), slice(1, 2)])
def test_fibrillation_has_no_regular_beats(lead: slice) -> None:
    for seed in range(1, 5):
        assert beats.detect(simulate("vf", 10.0, 500.0, seed=seed).samples[lead], 500.0).size <= 3


def test_no_beats_where_there_are_none() -> None:
    assert beats.detect(simulate("asystole", 10.0).samples, 500.0).size == 0
    assert beats.detect(simulate("standstill", 10.0).samples, 500.0).size == 0  # P waves alone
    for samples in (
        np.zeros((12, 5000)),
        np.full((12, 5000), np.nan),
        np.full((12, 5000), 32767.0),
        np.zeros((12, 3)),
        np.zeros((12, 0)),
        np.zeros(1),
        np.full((1, 5000), np.inf),
        2000 * np.sin(2 * np.pi * 50 * np.arange(5000) / 500)[None, :],
    ):
        assert beats.detect(samples, 500.0).size == 0


def test_spikes_alone_are_no_beats() -> None:
    samples = np.random.default_rng(1).normal(0, 4, (12, 5000))
    samples[:, 250::250] += 2000.0
    assert beats.detect(samples, 500.0).size == 0


def test_a_lead_that_fell_off_does_not_disturb_the_others() -> None:
    heart = simulate("lead_off", 10.0, 500.0, seed=3)
    assert _agree(beats.detect(heart.samples, 500.0), heart.r_peaks, 500.0)


def test_gaps_cost_their_own_beats_only() -> None:
    heart = simulate("sinus", 20.0, 500.0, seed=4)
    samples = heart.samples.copy()
    samples[:, 4000:5000] = np.nan
    found = beats.detect(samples, 500.0)
    outside = heart.r_peaks[(heart.r_peaks < 3900) | (heart.r_peaks > 5100)]
    assert len(scoring.matched(outside, found, 10)) == len(outside)
    assert not ((found > 4050) & (found < 4950)).any()


def test_a_long_strip_is_read_like_a_short_one() -> None:
    heart = simulate("pvc", 1300.0, 125.0, seed=8)
    found = beats.detect(heart.samples[1], 125.0)
    truth = _away_from_ends(heart.r_peaks, heart.samples.shape[1], 125.0)
    assert _agree(_away_from_ends(found, heart.samples.shape[1], 125.0), truth, 125.0, within_ms=16.0)


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
    spikes = pacing.spikes(samples, 250.0)
    assert ((spikes >= 0) & (spikes < shape[1])).all()
    assert len(beat_classes.classify(samples, 250.0, found, spikes)) == found.size


@given(
    shift=st.integers(0, 400), gain=st.floats(0.5, 20), offset=st.floats(-5000, 5000), seed=st.integers(1, 9)
)
@settings(max_examples=25, deadline=None)
def test_shift_moves_beats_and_gain_offset_and_order_do_nothing(
    shift: int, gain: float, offset: float, seed: int
) -> None:
    samples = simulate("pvc", 11.0, 500.0, seed=seed).samples
    found = beats.detect(samples[:, :5000], 500.0)
    moved = beats.detect(samples[:, shift : shift + 5000], 500.0) + shift
    inside = (found > shift + 150) & (found < 4850)
    assert np.isin(found[inside], moved + np.arange(-2, 3)[:, None]).all()
    changed = beats.detect(samples[::-1, :5000] * gain + offset, 500.0)
    assert (changed == found).all()


def test_the_representative_beat_is_the_usual_one() -> None:
    heart = simulate("pvc", 20.0, 500.0, seed=6)
    found = beats.detect(heart.samples, 500.0)
    usual = beats.representative(heart.samples, found, 500.0)
    assert usual is not None
    kinds = {heart.symbols[int(np.abs(heart.r_peaks - found[k]).argmin())] for k in usual.members}
    assert kinds == {"N"}
    assert abs(int(np.abs(usual.beat[1]).argmax()) - usual.r_index) <= 2
    assert usual.rr_s == pytest.approx(60 / 72, abs=0.01)


def test_each_class_has_its_representative() -> None:
    heart = simulate("bigeminy", 20.0, 500.0, seed=6)
    found = beats.detect(heart.samples, 500.0)
    classes = np.array(
        beat_classes.classify(heart.samples, 500.0, found, pacing.spikes(heart.samples, 500.0))
    )
    usual = beats.representative(heart.samples, found[classes == "N"], 500.0)
    early = beats.representative(heart.samples, found[classes == "V"], 500.0)
    assert usual is not None
    assert early is not None
    assert np.corrcoef(usual.beat[6], early.beat[6])[0, 1] < 0.9


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_beats_have_no_representative(count: int) -> None:
    heart = simulate("sinus", 10.0, 500.0, seed=6)
    assert beats.representative(heart.samples, heart.r_peaks[2 : 2 + count], 500.0) is None


@pytest.mark.parametrize("name", ["101", "119", "223"])
def test_real_arrhythmia_records(ecg_data: Path, tmp_path: Path, name: str) -> None:
    record.unpack(ecg_data / "mitdb" / f"{name}.tar.xz", tmp_path)
    signals = record.read_any(tmp_path / f"{name}.hea")
    found = beats.detect(signals.samples[0], signals.rate_hz)
    own = record.Annotations(found, ("N",) * found.size)
    marks = record.read_annotations(tmp_path, name, "atr")
    figures = beat_figures(scoring.beats(marks, own, signals.rate_hz))
    assert figures["se_percent"] >= 99.8
    assert figures["ppv_percent"] >= 99.7


def test_some_minutes_of_the_hardest_records(ecg_data: Path, tmp_path: Path) -> None:
    """First channel alone."""
    scores = []
    for name, (start, end) in MINUTES.items():
        record.unpack(ecg_data / "mitdb" / f"{name}.tar.xz", tmp_path)
        signals = record.read_any(tmp_path / f"{name}.hea")
        marks = record.read_annotations(tmp_path, name, "atr")
        first, last = round(start * 60 * signals.rate_hz), round(end * 60 * signals.rate_hz)
        inside = (marks.samples >= first) & (marks.samples < last)
        symbols = tuple(s for s, kept in zip(marks.symbols, inside.tolist(), strict=True) if kept)
        found = beats.detect(signals.samples[0, first:last], signals.rate_hz)
        own = record.Annotations(found, ("N",) * found.size)
        scores.append(
            scoring.beats(record.Annotations(marks.samples[inside] - first, symbols), own, signals.rate_hz)
        )
    score = scoring.beats_together(scores)
    assert score.true + score.missed == 3338
    assert score.missed <= 11
    assert score.false <= 12
    assert abs(score.offsets_ms.mean()) < 3
