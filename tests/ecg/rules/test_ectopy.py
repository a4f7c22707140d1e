"""Premature beats and their patterns, runs, pauses, spikes without an answer."""

from dataclasses import replace

import numpy as np
import pytest

from ecg import study
from ecg.rules import ectopy
from ecg.rules.strip import Strip, strip
from ecg.simulate import simulate

LETTERS = {"A": "S", "E": "V", "L": "N", "R": "N"}


def seen(scenario: str, seconds: float = 10.0, seed: int = 3) -> Strip:
    """A strip whose beats, classes and spikes are those of the simulation."""
    heart = simulate(scenario, seconds, 500.0, seed=seed)
    found = study.study(heart.samples, 500.0)
    kinds = tuple(LETTERS.get(s, s) for s in heart.symbols)
    return strip(replace(found, r_peaks=heart.r_peaks, classes=kinds, spikes=heart.spikes))


def codes(strip_seen: Strip) -> set[str]:
    return {finding.code for finding in ectopy.beats(strip_seen)}


@pytest.mark.parametrize(
    ("scenario", "said", "unsaid"),
    [
        ("pvc", {"ventricular_premature"}, {"ventricular_couplet", "ventricular_bigeminy"}),
        ("bigeminy", {"ventricular_premature", "ventricular_bigeminy"}, {"ventricular_trigeminy"}),
        ("couplet", {"ventricular_premature", "ventricular_couplet"}, {"ventricular_bigeminy"}),
        ("ventricular_run", {"ventricular_tachycardia_unsustained"}, {"ventricular_couplet"}),
        ("pac", {"atrial_premature"}, {"ventricular_premature", "atrial_couplet"}),
        ("r_on_t", {"ventricular_premature", "r_on_t"}, {"ventricular_couplet"}),
        ("sinus", set(), {"ventricular_premature", "atrial_premature"}),
        ("vt", set(), {"ventricular_premature"}),
    ],
)
def test_each_pattern_has_its_name(scenario: str, said: set[str], unsaid: set[str]) -> None:
    found = codes(seen(scenario))
    assert said <= found
    assert not unsaid & found


def test_trigeminy_is_two_and_one() -> None:
    base = seen("sinus", 14.0)
    kinds = tuple("V" if k % 3 == 2 else "N" for k in range(len(base.kinds)))
    assert "ventricular_trigeminy" in codes(replace(base, kinds=kinds))


def test_a_premature_beat_tells_how_many_and_how_early() -> None:
    (first, *_) = ectopy.beats(seen("pvc"))
    assert first.numbers["beats"] == 2
    assert first.numbers["shortest_coupling_ms"] == pytest.approx(567, abs=10)
    assert first.start is not None
    assert first.end is not None
    assert first.end - first.start == 100


@pytest.mark.parametrize(
    ("rate", "code"),
    [
        (170.0, "ventricular_tachycardia"),
        (80.0, "accelerated_ventricular_rhythm"),
        (35.0, "ventricular_rhythm"),
    ],
)
def test_a_run_is_named_by_its_rate(rate: float, code: str) -> None:
    base = seen(f"vt:{rate:.0f}")
    run = ectopy.Run(0, len(base.kinds) - 1, rate)
    assert ectopy.tachycardia(base, run).code == code


def test_a_run_that_changes_its_shape_is_polymorphic() -> None:
    base = seen("vt")
    rng = np.random.default_rng(4)
    clean = base.study.clean.copy()
    for r in base.study.r_peaks:
        clean[:, max(0, r - 60) : r + 60] *= rng.choice([-1.0, 1.0], (12, 1))
    changed = replace(base, study=replace(base.study, clean=clean))
    run = ectopy.Run(0, len(base.kinds) - 1, 170.0)
    assert ectopy.tachycardia(changed, run).code == "polymorphic_ventricular_tachycardia"


def test_a_ventricular_beat_that_comes_late_stands_in() -> None:
    base = seen("pause")
    gap = int(np.argmax(base.rr_s)) + 1
    kinds = tuple("V" if k == gap else "N" for k in range(len(base.kinds)))
    found = codes(replace(base, kinds=kinds))
    assert "ventricular_escape" in found
    assert "ventricular_premature" not in found


def test_a_pause_is_told_once_with_its_length_and_place() -> None:
    (found,) = ectopy.pauses(seen("pause"))
    assert found.code == "long_rr"
    assert found.numbers["rr_ms"] == pytest.approx(3500, abs=10)
    assert found.start is not None
    assert found.end is not None
    assert found.end - found.start == pytest.approx(1750, abs=5)
    assert ectopy.pauses(seen("sinus")) == []


def test_a_missed_beat_is_no_pause() -> None:
    base = seen("sinus:40", 10.0)
    few = np.delete(base.study.r_peaks, 3)
    kinds = tuple("N" * few.size)
    assert ectopy.pauses(strip(replace(base.study, r_peaks=few, classes=kinds))) == []


def test_a_spike_without_a_beat_is_a_failure_and_fusion_is_none() -> None:
    (found,) = ectopy.pacing(seen("paced_failing"))
    assert found.code == "failure_to_capture"
    assert found.numbers["silent_spikes"] >= 5
    for working in ("paced", "paced_dual", "paced_block"):
        assert ectopy.pacing(seen(working)) == []
