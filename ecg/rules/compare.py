"""What has changed between two ECGs of one person, each change with both numbers (spec-clinical 5.5).

The limits are ours, as the specification says; readers are to tune them. Nothing is said of a pair of which
one strip is to be repeated, and nothing of ST, T and Q unless both are diagnostic and the activation is the
same.
"""

from collections.abc import Iterable

import numpy as np

from ecg.rules import morphology, rhythm
from ecg.rules.complex import Complex, beat
from ecg.rules.ischaemia import NEIGHBOURS
from ecg.study import Finding, Study

_RATE_SHARE = 0.30
_PR_MS, _QRS_MS, _QTC_MS, _QTC_HIGH_MS = 40.0, 20.0, 60.0, 500.0
_AXIS_DEG = 45.0
_Q_MS, _Q_MV = 40.0, -0.1
_J_MV = 0.1
_T_MV = -0.1
_NEW = (
    "atrial_fibrillation",
    "atrial_flutter",
    "av_block_1",
    "av_block_2",
    "av_block_2_mobitz_1",
    "av_block_2_mobitz_2",
    "av_block_2_1",
    "av_block_high_grade",
    "av_block_3",
    "left_bundle_branch_block",
    "right_bundle_branch_block",
    "left_anterior_fascicular_block",
    "left_posterior_fascicular_block",
    "bifascicular_block",
    "intraventricular_conduction_delay",
    "ventricular_preexcitation",
    "atrial_fibrillation_preexcited",
    "paced_rhythm",
)
_ACTIVATION = frozenset(
    {
        "left_bundle_branch_block",
        "right_bundle_branch_block",
        "intraventricular_conduction_delay",
        "ventricular_preexcitation",
        "paced_rhythm",
        "ventricular_rhythm",
        "accelerated_ventricular_rhythm",
        "ventricular_tachycardia",
        "wide_qrs_tachycardia",
    }
)
_T_LEADS = ("I", "II", "aVL", "aVF", "V2", "V3", "V4", "V5", "V6")
_ST_LEADS = ("aVL", "I", "II", "aVF", "III", "V1", "V2", "V3", "V4", "V5", "V6")


def compare(
    now: Study,
    before: Study,
    said_now: Iterable[Finding] | None = None,
    said_before: Iterable[Finding] | None = None,
) -> list[Finding]:
    """Changes from one study to a later one; statements already made need not be made again.

    The findings' rules begin with "change."; sample ranges are left open, since a change is of the whole.
    """
    if "repeat" in (now.quality.verdict, before.quality.verdict):
        return []
    codes_now, codes_before = _codes(now, said_now), _codes(before, said_before)
    found = [
        Finding(code, "change.new", numbers={"now": 1.0, "before": 0.0})
        for code in _NEW
        if code in codes_now and code not in codes_before
    ]
    a, b = beat(before), beat(now)
    found += _intervals(a, b)
    both = now.quality.verdict == before.quality.verdict == "diagnostic"
    if both and codes_now & _ACTIVATION == codes_before & _ACTIVATION:
        found += _segments(a, b)
    return found


def _codes(study: Study, said: Iterable[Finding] | None) -> set[str]:
    if said is None:
        first = rhythm.statements(study)
        said = [*first, *morphology.statements(study, rhythm=first)]
    return {finding.code for finding in said}


def _intervals(before: Complex, now: Complex) -> list[Finding]:
    out: list[Finding] = []

    def pair(code: str, key: str, name: str) -> tuple[float, float, Finding]:
        old, new = before.measure(key), now.measure(key)
        numbers = {f"{name}_before": old, f"{name}_now": new}
        return old, new, Finding(code, f"change.{name}", numbers=numbers)

    old, new, finding = pair("change_heart_rate", "heart_rate", "rate_per_min")
    if old > 0 and abs(new - old) >= _RATE_SHARE * old:
        out.append(finding)
    old, new, finding = pair("change_pr", "pr_ms", "pr_ms")
    if new - old >= _PR_MS:
        out.append(finding)
    old, new, finding = pair("change_qrs", "qrs_ms", "qrs_ms")
    if new - old >= _QRS_MS:
        out.append(finding)
    old, new, finding = pair("change_qtc", "qtcf_ms", "qtcf_ms")
    if new - old >= _QTC_MS or old < _QTC_HIGH_MS <= new:
        out.append(finding)
    old, new, finding = pair("change_axis", "qrs_axis_deg", "qrs_axis_deg")
    if abs((new - old + 180) % 360 - 180) >= _AXIS_DEG:
        out.append(finding)
    return out


def _segments(before: Complex, now: Complex) -> list[Finding]:
    """J in two neighbouring leads, Q and T."""
    out: list[Finding] = []
    shift = {name: now.lead(name, "j_mv") - before.lead(name, "j_mv") for name in _ST_LEADS}
    for sign in (1, -1):
        moved = [name for name in _ST_LEADS if sign * shift[name] >= _J_MV]
        near = {n for a, b in NEIGHBOURS if a in moved and b in moved for n in (a, b)}
        leads = [name for name in moved if name in near]
        if leads:
            out.append(_both("change_st", "change.j", before, now, leads, "j_mv"))
    new_q = [
        name
        for name in _ST_LEADS
        if now.lead(name, "q_ms") >= _Q_MS
        and now.lead(name, "q_mv") <= _Q_MV
        and before.lead(name, "q_ms") < _Q_MS
        and name not in ("III", "V1")
    ]
    if new_q:
        out.append(_both("new_q", "change.q", before, now, new_q, "q_ms"))
    for code, first, second in (("new_t_inversion", before, now), ("resolved_t_inversion", now, before)):
        turned = [name for name in _T_LEADS if _upright(first, name) and _inverted(second, name)]
        near = {n for a, b in NEIGHBOURS if a in turned and b in turned for n in (a, b)}
        leads = [name for name in turned if name in near]
        if leads:
            out.append(_both(code, "change.t", before, now, leads, "t_neg_mv"))
    return out


def _upright(view: Complex, name: str) -> bool:
    return view.lead(name, "t_neg_mv") > _T_MV / 2 and view.lead(name, "t_mv") > 0


def _inverted(view: Complex, name: str) -> bool:
    down = view.lead(name, "t_neg_mv")
    return bool(down <= _T_MV and -down > view.lead(name, "t_mv"))


def _both(code: str, rule: str, before: Complex, now: Complex, leads: list[str], key: str) -> Finding:
    """A finding with the value of each lead before and now."""
    unit = key.rsplit("_", 1)[1]
    stem = key.split("_", 1)[0]
    numbers: dict[str, float] = {}
    for name in leads:
        numbers[f"{stem}_{name.lower()}_{unit}_before"] = before.lead(name, key)
        numbers[f"{stem}_{name.lower()}_{unit}_now"] = now.lead(name, key)
    return Finding(code, rule, tuple(leads), {k: v for k, v in numbers.items() if np.isfinite(v)})
