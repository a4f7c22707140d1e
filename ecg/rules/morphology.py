"""Statements about the shape of the beat: conduction, hypertrophy, axis, voltage, ST, Q, T and QT.

A strip that is not diagnostic says nothing of ST, Q and T; a strip to be repeated says nothing at all.
Secondary changes behind bundle branch block, pacing, pre-excitation and hypertrophy are named as such.
"""

from collections.abc import Collection

import numpy as np

from ecg.rules import ischaemia, repolarisation, ventricles
from ecg.rules.complex import Complex, beat
from ecg.rules.strip import known
from ecg.study import Finding, Person, Study

_QTC_LONG_MS = {"male": 450.0, "female": 460.0}
"""QTc (Fridericia) from which it is long (spec-clinical 5.2; AHA/ACC/HRS 2009, part IV)."""
_QTC_HIGH_MS = 500.0
_QTC_SHORT_MS = 340.0
"""Part IV calls 390 ms short; one adult in five has less at rest, so this is the limit of the ESC 2015
guideline on ventricular arrhythmias for the short-QT syndrome."""
_QTC_RATES = (40.0, 130.0)
"""Outside these rates no correction holds; a long QTc is then not spoken of below 500 ms."""
_NOT_PACED = 0.3
_DOUBT = 2.0
"""Flutter waves lie in ST and T: elevation counts from twice its threshold, QT not at all."""
_LEAST_BEATS = 3


def statements(
    study: Study,
    person: Person | None = None,
    rhythm: Collection[Finding] = (),
    swapped: Collection[str] = (),
) -> list[Finding]:
    """Every morphology statement of one study.

    `rhythm` is what rhythm.statements said: pacing, ventricular rhythms and fibrillation change what shape
    means. `swapped` are leads that electrodes seem to be swapped in: what is read from the shape of one of
    them says so by the number `leads_swapped`, and is not withheld, since it may be true all the same. Raises
    nothing, whatever the samples.
    """
    found = _shapes(study, person, rhythm)
    return [_doubted(finding, swapped) if finding.code not in _OF_TIME else finding for finding in found]


def _doubted(finding: Finding, swapped: Collection[str]) -> Finding:
    count = len(set(finding.leads) & set(swapped))
    return finding._replace(numbers={**finding.numbers, "leads_swapped": float(count)}) if count else finding


def _shapes(study: Study, person: Person | None, rhythm: Collection[Finding]) -> list[Finding]:
    view = beat(study, person)
    codes = {finding.code for finding in rhythm if finding.start is None}
    if study.quality.verdict == "repeat" or study.r_peaks.size < _LEAST_BEATS or codes & _NO_SHAPE:
        return []
    paced = "paced_rhythm" in codes or study.classes.count("/") >= _NOT_PACED * max(1, len(study.classes))
    ventricular = bool(codes & _VENTRICULAR)
    conducting = ventricles.Conducting("paced" if paced else "none", [])
    if not paced and not ventricular:
        conducting = ventricles.conducting(view)
    found = list(conducting.findings)
    if not paced and not ventricular:
        found += ventricles.axis(view) + _short_pr(view, conducting.kind, codes)
    found += ventricles.voltage(view)
    if study.quality.verdict != "diagnostic":
        return _once(found)
    if ventricular:
        # Without P and with a broad QRS the sino-ventricular rhythm of hyperkalaemia passes for one of these.
        return _once(found + repolarisation.potassium(view, without_p=True) if codes & _SUBSTITUTE else found)
    kind = conducting.kind
    strained = () if paced else ischaemia.strain(view)
    grown = [] if paced else ventricles.hypertrophy(view, kind, strained)
    high = any(f.code in _LEFT_GROWN for f in grown)
    fluttering = "atrial_flutter" in codes
    doubt = _DOUBT if fluttering else 1.0
    st = ischaemia.segments(view, kind, high_voltage=high, strained=strained, doubt=doubt)
    found += grown + st
    infarct = any(f.code.startswith("mi_") for f in st)
    if kind not in _SECONDARY and not any(f.code.endswith("acute") for f in st):
        found += repolarisation.t_waves(view, kind, high_voltage=high, strained=strained)
    if not paced and not infarct:
        found += ventricles.poor_r(view, kind)
    if kind not in _SECONDARY:
        found += repolarisation.potassium(view, without_p=not codes & _WITH_P)
    return _once(found if fluttering else found + _qtc(view))


def _once(found: list[Finding]) -> list[Finding]:
    """Each statement once, its first reason."""
    first: dict[str, Finding] = {}
    for finding in found:
        first.setdefault(finding.code, known(finding))
    return list(first.values())


_SECONDARY = frozenset({"left", "paced", "preexcited"})
"""Activation behind which ST and T follow the QRS."""
_WITH_P = frozenset(
    {"sinus_rhythm", "sinus_bradycardia", "sinus_tachycardia", "atrial_rhythm", "atrial_tachycardia"}
)
_NO_SHAPE = frozenset(
    {
        "ventricular_fibrillation",
        "ventricular_flutter",
        "torsades_de_pointes",
        "asystole",
        "ventricular_standstill",
        "polymorphic_ventricular_tachycardia",
    }
)
_VENTRICULAR = frozenset(
    {
        "ventricular_tachycardia",
        "wide_qrs_tachycardia",
        "ventricular_rhythm",
        "accelerated_ventricular_rhythm",
    }
)
_OF_TIME = frozenset({"intraventricular_conduction_delay", "short_pr", "qtc_prolonged", "qtc_short"})
"""Statements about duration alone, which no swap changes."""
_SUBSTITUTE = frozenset({"ventricular_rhythm", "accelerated_ventricular_rhythm"})
_LEFT_GROWN = ("left_ventricular_hypertrophy", "left_ventricular_high_voltage")


def _short_pr(view: Complex, kind: str, codes: set[str]) -> list[Finding]:
    """PR under 120 ms without pre-excitation, in sinus rhythm."""
    pr_ms = view.measure("pr_ms")
    sinus = codes & {"sinus_rhythm", "sinus_bradycardia", "sinus_tachycardia"}
    if kind == "preexcited" or not sinus or not pr_ms < 120 or view.child:
        return []
    return [Finding("short_pr", "pr.short", ("II",), {"pr_ms": pr_ms})]


def _qtc(view: Complex) -> list[Finding]:
    """Long and short QTc; with a broad QRS the value that takes its width off."""
    wide, plain = view.measure("qtc_wide_ms"), view.measure("qtcf_ms")
    qtc = wide if np.isfinite(wide) else plain
    if not np.isfinite(qtc):
        return []
    rate = view.measure("heart_rate")
    numbers = {"qtcf_ms": plain, "qt_ms": view.measure("qt_ms"), "rate_per_min": rate}
    if np.isfinite(wide):
        numbers["qtc_wide_ms"] = wide
    if view.measure("qtc_unsteady") == 1.0:
        numbers["unsteady"] = 1.0
    limit = _QTC_LONG_MS["female" if view.female else "male"]
    steady_rate = _QTC_RATES[0] <= rate <= _QTC_RATES[1]
    if qtc > limit and (steady_rate or qtc >= _QTC_HIGH_MS):
        return [Finding("qtc_prolonged", "qt.long", view.leads, numbers | {"limit_ms": limit})]
    if qtc < _QTC_SHORT_MS and steady_rate:
        return [Finding("qtc_short", "qt.short", view.leads, numbers | {"limit_ms": _QTC_SHORT_MS})]
    return []
