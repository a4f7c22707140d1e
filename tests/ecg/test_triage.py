"""Levels of urgency by rate."""

import pytest

from ecg.triage import THRESHOLDS, triage


@pytest.mark.parametrize(
    ("rate", "level", "codes"),
    [
        (20.0, 0, ["heart_rate_low"]),
        (35.0, 0, ["heart_rate_low"]),
        (35.1, 2, ["heart_rate_low"]),
        (50.0, 2, ["heart_rate_low"]),
        (50.1, None, []),
        (75.0, None, []),
        (119.9, None, []),
        (120.0, 2, ["heart_rate_high"]),
        (150.0, 1, ["heart_rate_high"]),
        (180.0, 0, ["heart_rate_high"]),
        (None, None, []),
    ],
)
def test_limits(rate: float | None, level: int | None, codes: list[str]) -> None:
    got, findings = triage({"heart_rate": rate}, "diagnostic")
    assert got == level
    assert [code for code, _ in findings] == codes


def test_the_evidence_names_number_and_limit() -> None:
    _, [(_, evidence)] = triage({"heart_rate": 31.4}, "rhythm_only")
    assert "31.4" in evidence
    assert "≤ 35" in evidence


def test_an_unusable_recording_says_nothing() -> None:
    assert triage({"heart_rate": 20.0}, "repeat") == (None, [])


def test_a_machine_never_calls_a_recording_normal() -> None:
    assert all(rule.level < 3 for rule in THRESHOLDS)
