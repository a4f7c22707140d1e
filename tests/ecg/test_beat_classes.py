"""Classes of beats: the simulated heart's own, real ventricular beats, and no class without evidence."""

from pathlib import Path

import numpy as np
import pytest

from ecg import beat_classes, beats, pacing, record
from ecg.simulate import simulate
from ecg.tools import scoring

NONE = np.zeros(0, dtype=np.int64)


def _classes(samples: np.ndarray, rate_hz: float) -> tuple[np.ndarray, tuple[str, ...]]:
    found = beats.detect(samples, rate_hz)
    return found, beat_classes.classify(samples, rate_hz, found, pacing.spikes(samples, rate_hz))


@pytest.mark.parametrize("rate_hz", [250.0, 500.0])
@pytest.mark.parametrize(
    "scenario", ["sinus", "pvc", "pac", "bigeminy", "couplet", "ventricular_run", "rbbb"]
)
def test_simulated_beats_are_what_they_are(scenario: str, rate_hz: float) -> None:
    heart = simulate(scenario, 12.0, rate_hz, seed=2)
    found, classes = _classes(heart.samples, rate_hz)
    for at, kind in zip(found, classes, strict=True):
        true = scoring.CLASS_OF[heart.symbols[int(np.abs(heart.r_peaks - at).argmin())]]
        assert kind == true


def test_a_wide_fast_even_rhythm_is_ventricular() -> None:
    _, classes = _classes(simulate("vt", 10.0, 500.0, seed=2).samples, 500.0)
    assert classes.count("V") >= len(classes) - 2
    _, classes = _classes(simulate("svt", 10.0, 500.0, seed=2).samples, 500.0)
    assert "V" not in classes


def test_paced_beats_follow_their_spike() -> None:
    heart = simulate("paced_failing", 20.0, 1000.0, seed=2)
    _, classes = _classes(heart.samples, 1000.0)
    assert set(classes) == {"/"}
    found = beats.detect(heart.samples, 1000.0)
    assert "/" not in beat_classes.classify(heart.samples, 1000.0, found, NONE)
    late = found - 300  # a spike long before is not this beat's
    assert "/" not in beat_classes.classify(heart.samples, 1000.0, found, late)


def test_nothing_to_compare_with() -> None:
    samples = simulate("sinus", 10.0, 500.0, seed=2).samples
    at = np.array([1000, 1500])
    assert beat_classes.classify(samples, 500.0, NONE, NONE) == ()
    assert beat_classes.classify(samples, 500.0, at[:1], NONE) == ("Q",)
    assert beat_classes.classify(samples, 500.0, at, np.array([930, 1430])) == ("/", "/")
    assert (
        beat_classes.classify(np.full((12, 5000), np.nan), 500.0, np.array([1000, 1500, 2000]), NONE)
        == ("Q",) * 3
    )
    flat = beat_classes.classify(np.zeros((1, 5000)), 500.0, np.array([1000, 1500, 2000]), NONE)
    assert set(flat) <= {"N", "Q"}


def test_gain_offset_and_lead_order_change_no_class() -> None:
    samples = simulate("pvc", 12.0, 500.0, seed=5).samples
    found, classes = _classes(samples, 500.0)
    assert beat_classes.classify(samples[::-1] * 7 - 300, 500.0, found, NONE) == classes


def test_the_usual_kind_in_bigeminy_is_the_narrow_one() -> None:
    narrow = np.tile([1.0, 0.0], (10, 1))
    wide = np.tile([0.0, 1.0], (10, 1))
    kinds = beat_classes.kinds_of(np.concatenate([wide, narrow]), np.repeat([90.0, 40.0], 10))
    assert (kinds.of[10:] == kinds.usual).all()
    assert not (kinds.of[:10] == kinds.usual).any()


def test_real_ventricular_and_supraventricular_beats(ecg_data: Path, tmp_path: Path) -> None:
    scores = []
    for name, minutes in (("119", 6), ("208", 4), ("209", 8), ("215", 5), ("220", 8), ("114", 5)):
        record.unpack(ecg_data / "mitdb" / f"{name}.tar.xz", tmp_path)
        signals = record.read_any(tmp_path / f"{name}.hea")
        marks = record.read_annotations(tmp_path, name, "atr")
        end = round(minutes * 60 * signals.rate_hz)
        inside = marks.samples < end
        symbols = tuple(s for s, kept in zip(marks.symbols, inside.tolist(), strict=True) if kept)
        found, classes = _classes(signals.samples[:1, :end], signals.rate_hz)
        scores.append(
            scoring.beats(
                record.Annotations(marks.samples[inside], symbols),
                record.Annotations(found, classes),
                signals.rate_hz,
            )
        )
    pairs = scoring.beats_together(scores).pairs
    v, s = scoring.class_figures(pairs, "V"), scoring.class_figures(pairs, "S")
    assert v["se_percent"] >= 98
    assert v["ppv_percent"] >= 97
    assert s["se_percent"] >= 75
    assert s["ppv_percent"] >= 92
