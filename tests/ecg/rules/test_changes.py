"""Rhythm notes, from what was said and from runs of beats."""

import numpy as np
import pytest

from ecg.rules import changes
from ecg.study import Finding

RATE_HZ = 100.0


def _beats(kinds: str, rr: int = 80) -> tuple[np.ndarray, tuple[str, ...]]:
    return np.arange(1, len(kinds) + 1, dtype=np.int64) * rr, tuple(kinds)


def test_a_change_stands_before_the_first_beat_of_the_new_rhythm() -> None:
    r_peaks, classes = _beats("N" * 30)
    said = [
        (0, 1000, (Finding("sinus_rhythm", "x"), Finding("left_bundle_branch_block", "x"))),
        (1000, 2000, (Finding("sinus_rhythm", "x"), Finding("atrial_fibrillation", "x"))),
        (2000, 2400, (Finding("sinus_bradycardia", "x"),)),
    ]
    assert changes.notes(said, r_peaks, classes, RATE_HZ) == ((79, "(N"), (1039, "(AFIB"), (1999, "(SBR"))


def test_a_part_of_a_strip_has_its_own_rhythm_and_the_rest_goes_on() -> None:
    r_peaks, classes = _beats("N" * 20)
    part = Finding("supraventricular_tachycardia", "x", start=400, end=700)
    said = [(0, 1700, (Finding("sinus_rhythm", "x"), part))]
    assert changes.notes(said, r_peaks, classes, RATE_HZ) == ((79, "(N"), (399, "(SVTA"), (719, "(N"))


@pytest.mark.parametrize(
    ("kinds", "rr", "notes"),
    [
        ("NNNNVVVNNN", 50, ["(N", "(VT", "(N"]),
        ("NNNNVVVNNN", 80, ["(N", "(IVR", "(N"]),
        ("NNNNVVNNNN", 50, ["(N"]),
        ("NNNNVNVNVNNN", 80, ["(N", "(B", "(N"]),
        ("NNVNNVNNVNNN", 80, ["(T", "(N"]),
        ("NNNVNVNNNNNN", 80, ["(N"]),
    ],
)
def test_runs_of_ventricular_beats(kinds: str, rr: int, notes: list[str]) -> None:
    r_peaks, classes = _beats(kinds, rr)
    said = [(0, 2000, (Finding("sinus_rhythm", "x"),))]
    assert [note for _, note in changes.notes(said, r_peaks, classes, RATE_HZ)] == notes


def test_fibrillation_goes_on_under_bigeminy_but_not_in_a_tachycardia() -> None:
    said = [(0, 2000, (Finding("atrial_fibrillation", "x"),))]
    for kinds, notes in (("NNNNVNVNVNNN", ["(AFIB"]), ("NNNNVVVVNNN", ["(AFIB", "(VT", "(AFIB"])):
        r_peaks, classes = _beats(kinds, 50)
        assert [note for _, note in changes.notes(said, r_peaks, classes, RATE_HZ)] == notes


def test_a_heart_without_beats_still_has_a_rhythm_and_a_paced_one_stays_paced() -> None:
    none = np.zeros(0, dtype=np.int64)
    said = [(0, 1000, (Finding("ventricular_fibrillation", "x"),)), (1000, 2000, (Finding("asystole", "x"),))]
    assert changes.notes(said, none, (), RATE_HZ) == ((0, "(VF"), (1000, "(ASYS"))
    r_peaks, classes = _beats("VVVVVV")
    paced = [(0, 1000, (Finding("paced_rhythm", "x"),))]
    assert [note for _, note in changes.notes(paced, r_peaks, classes, RATE_HZ)] == ["(P"]
    assert changes.notes([(0, 1000, ())], none, (), RATE_HZ) == ()
