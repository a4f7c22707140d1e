"""How pressing is this ECG? Thresholds as data, and the rule that fired with its number.

A machine may raise a case, never lower it, and it never diagnoses: without a finding the level is None
("not judged"), not "normal".
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Level = Literal[0, 1, 2, 3]


class Threshold(NamedTuple):
    """One limit on one measurement."""

    code: str
    """Statement code of the common language."""
    measurement: str
    limit: float
    above: bool
    """True: fires at or above the limit; False: at or below."""
    level: Level
    source: str


_CRITICAL, _ALERT = "spec-clinical 5.4", "spec-clinical 5.2"

THRESHOLDS: tuple[Threshold, ...] = (
    Threshold("heart_rate_low", "heart_rate", 35.0, above=False, level=0, source=_CRITICAL),
    Threshold("heart_rate_high", "heart_rate", 180.0, above=True, level=0, source=_CRITICAL),
    Threshold("heart_rate_high", "heart_rate", 150.0, above=True, level=1, source=_CRITICAL),
    Threshold("heart_rate_low", "heart_rate", 50.0, above=False, level=2, source=_ALERT),
    Threshold("heart_rate_high", "heart_rate", 120.0, above=True, level=2, source=_ALERT),
)
"""Adult limits, not for young children; critical, VT and alert rates. Most pressing first: the first that
fires for a measurement speaks for it."""


def triage(
    measurements: Mapping[str, float | None], verdict: str
) -> tuple[Level | None, list[tuple[str, str]]]:
    """Level 0 (critical) … 2, or None where no rule fired; and (statement code, evidence) of each finding.

    With verdict "repeat" (see quality.assess) the numbers are worth nothing: nothing is said.
    """
    if verdict == "repeat":
        return None, []
    fired: dict[str, Threshold] = {}
    for rule in THRESHOLDS:
        value = measurements.get(rule.measurement)
        if value is None or rule.measurement in fired:
            continue
        if value >= rule.limit if rule.above else value <= rule.limit:
            fired[rule.measurement] = rule
    findings = [(rule.code, _evidence(rule, measurements)) for rule in fired.values()]
    return min((rule.level for rule in fired.values()), default=None), findings


def _evidence(rule: Threshold, measurements: Mapping[str, float | None]) -> str:
    sign = "≥" if rule.above else "≤"
    return f"{rule.measurement} {measurements[rule.measurement]:g} {sign} {rule.limit:g} ({rule.source})"
