"""How pressing is this ECG? Levels 0 (critical) to 3 (nothing found), by a profile of thresholds.

A machine may raise a case, never lower it, and it never diagnoses: level 3 is said only of a diagnostic strip
in which nothing was found, and where nothing can be said the level is None ("not judged"), not "normal".
"""

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from ecg.rules.complex import ADULT_YEARS
from ecg.rules.profiles import NEARLY_NORMAL, OURS, PROFILES, URGENT, Criterion, Level, Profile
from ecg.rules.supraventricular import limits
from ecg.study import Finding, Person, Study

_SLOW = 50.0
"""Mean rates that are alerts of their own (spec-clinical 5.2)."""
_FAST_ALERT = 120.0
_CHILD_MARGIN = 0.2
_SBP_MMHG, _SPO2_PERCENT = 90.0, 90.0
"""Shock and want of oxygen (spec-clinical 5.5)."""
_ESCALATING = ("chest_pain", "syncope", "dyspnoea")
_WATCHED = ("palpitation", "syncope")
"""Complaints that come and go: a strip that shows nothing for them is too short."""


class Reason(NamedTuple):
    """One finding and the row of the profile that says how pressing it is."""

    finding: Finding
    level: Level
    source: str


class Verdict(NamedTuple):
    """How pressing, and why."""

    level: Level | None
    """0 critical, 1 urgent, 2 abnormal, 3 nothing found; None: not judged."""
    repeat: bool
    """The strip is to be recorded again: what was not found may still be there."""
    reasons: tuple[Reason, ...]
    """What set the level, most pressing first."""
    escalated_by: tuple[str, ...]
    """Complaints and vital signs that raised it by one."""
    wants_longer: bool
    """Ten seconds cannot show what the threshold asks for: record 60 s. Never holds an alarm back."""
    profile: str
    """Id and version of the profile."""


def judge(
    study: Study,
    findings: Iterable[Finding],
    person: Person | None = None,
    symptoms: Collection[str] = (),
    vitals: Mapping[str, float] | None = None,
    profile: str | Profile = OURS,
    history: Collection[str] = (),
) -> Verdict:
    """Level of a study with its statements (rhythm and morphology together).

    `symptoms` and `history` are ids of the common language's tables, `vitals` has sbp_mmhg and spo2_percent
    where they are known. A pacemaker in the history takes third-degree block under working pacing off the
    critical list: it is not first found. Raises KeyError for a profile nobody knows.
    """
    chosen = PROFILES[profile] if isinstance(profile, str) else profile
    said = [_enriched(finding) for finding in findings]
    said += rates(study, said, person)
    codes = {finding.code for finding in said}
    escalators = _escalators(symptoms, vitals or {})
    reasons: list[Reason] = []
    longer = False
    for finding in said:
        known = "pacemaker" in history and finding.code == "av_block_3" and "paced_rhythm" in codes
        row = _row(finding, codes, symptoms, escalators, () if known else (*chosen.critical, *URGENT))
        if row is not None:
            reasons.append(Reason(finding, row.level, row.source))
            longer |= row.longer
        elif finding.code not in NEARLY_NORMAL:
            reasons.append(Reason(finding, 2, "abnormal"))
    reasons.sort(key=lambda reason: reason.level)
    repeat = study.quality.verdict == "repeat"
    level: Level | None = reasons[0].level if reasons else None
    if level is None and study.quality.verdict == "diagnostic" and said:
        level = 3
    if escalators:
        level = _raised(level)
    if level in (None, 2, 3) and any(word in symptoms for word in _WATCHED):
        longer = True
    return Verdict(level, repeat, tuple(reasons), tuple(escalators), longer, f"{chosen.id} {chosen.version}")


def rates(study: Study, said: Collection[Finding] = (), person: Person | None = None) -> list[Finding]:
    """The mean rate as a finding of its own where it is an alert (spec-clinical 5.2) or worse.

    A rhythm that speaks of its rate for itself, fast, is not told twice. In a child the alert begins a fifth
    outside the limits of its age.
    """
    rate = study.measurements.get("heart_rate")
    if rate is None or study.quality.verdict == "repeat":
        return []
    numbers = {"rate_per_min": float(rate)}
    slowest, fastest = _SLOW, _FAST_ALERT
    person = person or study.person or Person()
    if person.age_years is not None and person.age_years < ADULT_YEARS:
        slow, fast = limits(person)
        slowest, fastest = (1 - _CHILD_MARGIN) * slow, (1 + _CHILD_MARGIN) * fast
    if rate <= slowest:
        return [Finding("heart_rate_low", "rate.mean", (), numbers)]
    if rate >= fastest and not any(f.code in _FAST_RHYTHMS and f.start is None for f in said):
        return [Finding("heart_rate_high", "rate.mean", (), numbers)]
    return []


_FAST_RHYTHMS = frozenset(
    {
        "atrial_fibrillation",
        "atrial_flutter",
        "supraventricular_tachycardia",
        "ventricular_tachycardia",
        "wide_qrs_tachycardia",
    }
)


def _enriched(finding: Finding) -> Finding:
    """The finding with the numbers that profiles ask for under one name."""
    numbers = dict(finding.numbers)
    if finding.code == "qtc_prolonged":
        numbers["qtc_ms"] = numbers.get("qtc_wide_ms", numbers.get("qtcf_ms", 0.0))
    if finding.code == "st_depression":
        numbers["deep_leads"] = float(
            sum(1 for name, value in numbers.items() if name.startswith("st_") and value <= -0.1)
        )
    return finding._replace(numbers=numbers)


def _escalators(symptoms: Collection[str], vitals: Mapping[str, float]) -> list[str]:
    out = [word for word in _ESCALATING if word in symptoms]
    if vitals.get("sbp_mmhg", _SBP_MMHG) < _SBP_MMHG:
        out.append("sbp_low")
    if vitals.get("spo2_percent", _SPO2_PERCENT) < _SPO2_PERCENT:
        out.append("spo2_low")
    return out


def _raised(level: Level | None) -> Level:
    """One level up; a strip that could not be judged is at least abnormal in somebody who is ill."""
    if level is None or level == 3:
        return 2
    return 1 if level == 2 else 0


def _row(
    finding: Finding,
    codes: Collection[str],
    symptoms: Collection[str],
    escalators: Collection[str],
    rows: Iterable[Criterion],
) -> Criterion | None:
    """The first row that fits: rows stand most pressing first."""
    for row in rows:
        if row.code != finding.code and not ("*" in row.code and fnmatchcase(finding.code, row.code)):
            continue
        if row.with_code and row.with_code not in codes:
            continue
        if row.when and not (escalators if row.when == "symptoms" else row.when in symptoms):
            continue
        if all(
            limit.number in finding.numbers and limit.holds(finding.numbers[limit.number])
            for limit in row.limits
        ):
            return row
    return None
