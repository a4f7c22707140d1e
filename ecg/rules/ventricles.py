"""How the ventricles are activated: bundle branches, fascicles, pre-excitation, axis, voltage,
hypertrophy."""

from typing import NamedTuple

import numpy as np

from ecg.rules.complex import Complex
from ecg.study import Finding

_WIDE_MS, _ALMOST_MS = 120.0, 110.0
"""QRS of complete and of incomplete bundle branch block (AHA/ACC/HRS 2009, part III)."""
_CHILD_WIDE_MS, _CHILD_ALMOST_MS = 100.0, 90.0
"""The same from 4 to 16 years (part III)."""
_ERROR_MS = 10.0
"""What a measured QRS may be too long by (IEC 60601-2-25 allows a mean error of 10 ms): right bundle branch
block is complete, and slow conduction told by width alone, from the limit and this on. The limits are a
reader's, who measures in single leads; all leads together are longer (AHA/ACC/HRS 2007, part I)."""
_PEAK_MS = 60.0
"""R peak time in V5 or V6 from which the left ventricle is late (part III)."""
_SURE_MS = 130.0
"""A QRS narrower than this, by the error of measurement, is left bundle branch block only with T against it
(Strauss et al., Am J Cardiol 2011, ask for 130 ms in women and 140 in men)."""
_R2_MV = 0.08
_Q_MV = -0.05
_LAFB_AXIS = (-90.0, -45.0)
_LPFB_AXIS, _LPFB_YEARS = (110.0, 180.0), 40.0
"""Fascicular blocks (part III: −90 to −45°, 90 to 180°). Young and slender hearts stand upright without a
block."""
_DELTA_PR_MS = 130.0
"""PR under 120 ms (part III), and the error of its measurement."""
_DELTA_SHARE, _DELTA_MS, _DELTA_LEADS = 0.30, 40.0, 4
"""Delta wave: in the first 40 ms the QRS rises so far towards its first peak and no farther, steadily, in so
many leads at least; ours (see bench_statements), since the standard asks for slurring without a number."""
_AXIS_LEFT, _AXIS_RIGHT = -30.0, 90.0
_LOW_LIMB_MV, _LOW_CHEST_MV = 0.5, 1.0
_SOKOLOW_MV, _RAVL_MV, _RV5_MV = 3.5, 1.1, 2.6
_CORNELL_MV = {"male": 2.8, "female": 2.0}
_CHINESE_MV = {"male": 4.0, "female": 3.5}
"""Left ventricle: Sokolow and Lyon 1949 (SV1 + RV5/6, RaVL, RV5/6); Cornell, Casale 1987; the sum in use in
China by sex, which is the one that speaks for voltage alone."""
_SOKOLOW_FROM_YEARS = 35.0
"""Below this age voltage alone says little (AHA/ACC/HRS 2009, part V)."""
_RV1_MV, _RV1_SV5_MV, _RVH_AXIS = 0.7, 1.05, 90.0
"""Right ventricle: R and R/S in V1, RV1 + SV5/6 (Sokolow and Lyon 1949), with the axis to the right."""
_P_MS, _PTF = 120.0, -0.04
_P_TALL_MV, _P_TALL_V1_MV = 0.25, 0.15
"""Atria (part V): P of 120 ms with a terminal force in V1 of −0.04 mm·s; P above 0.25 mV in II, 0.15 mV in
V1."""
_POOR_R_MV = 0.3
"""R in V3 (Zema and Kligfield, J Electrocardiol 1979)."""


class Conducting(NamedTuple):
    """Block of the bundle branches, as far as ST and Q rules must know."""

    kind: str
    """left, right, slow (neither), preexcited or none."""
    findings: list[Finding]


def _limits(beat: Complex) -> tuple[float, float]:
    return (_CHILD_WIDE_MS, _CHILD_ALMOST_MS) if beat.child else (_WIDE_MS, _ALMOST_MS)


def conducting(beat: Complex) -> Conducting:
    """Pre-excitation, bundle branch block or slow conduction, and fascicular blocks."""
    qrs_ms = beat.measure("qrs_ms")
    wide, almost = _limits(beat)
    if not np.isfinite(qrs_ms):
        return Conducting("none", [])
    delta = _preexcited(beat, qrs_ms)
    if delta is not None:
        return Conducting("preexcited", [delta])
    found: list[Finding] = []
    kind = "none"
    numbers = {"qrs_ms": qrs_ms}
    surely = qrs_ms >= wide + _ERROR_MS
    if qrs_ms >= almost:
        if _right(beat):
            kind = "right" if surely else "none"
            code = "right_bundle_branch_block" if surely else "incomplete_right_bundle_branch_block"
            more = {"v1_r2_mv": beat.lead("V1", "r2_mv"), "v6_s_ms": beat.lead("V6", "s_ms")}
            found.append(Finding(code, "bundle.right", ("V1", "I", "V6"), numbers | _known(more)))
        elif _left(beat, complete=qrs_ms >= wide):
            kind = "left" if qrs_ms >= wide else "none"
            code = "left_bundle_branch_block" if qrs_ms >= wide else "incomplete_left_bundle_branch_block"
            more = {"v6_peak_ms": beat.lead("V6", "vat_ms"), "v1_s_mv": beat.s("V1")}
            found.append(Finding(code, "bundle.left", ("I", "V1", "V5", "V6"), numbers | _known(more)))
        elif surely:
            kind = "slow"
            found.append(Finding("intraventricular_conduction_delay", "bundle.neither", beat.leads, numbers))
    elif _rsr(beat):
        more = {"v1_r2_mv": beat.lead("V1", "r2_mv")}
        found.append(
            Finding("incomplete_right_bundle_branch_block", "bundle.rsr_v1", ("V1",), numbers | _known(more))
        )
    fascicle = _fascicle(beat, kind)
    if fascicle is not None:
        found.append(fascicle)
        if kind == "right":
            found.append(Finding("bifascicular_block", "bundle.right_and_fascicle", beat.leads, numbers))
    return Conducting(kind, found)


def _known(numbers: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in numbers.items() if np.isfinite(value)}


def _rsr(beat: Complex) -> bool:
    """rSr′ in V1 with a final S in I or V6."""
    r2, s = beat.lead("V1", "r2_mv"), beat.lead("V1", "s_mv")
    if not (r2 >= _R2_MV and s <= -0.05 and beat.lead("V1", "s2_mv") > -0.1):
        return False
    return beat.lead("V6", "s_mv") < -_R2_MV or beat.lead("I", "s_mv") < -_R2_MV


def _right(beat: Complex) -> bool:
    """rsR′, rSR′ or a notched broad R in V1 with S in I and V6 that is wider than 40 ms or than R."""
    last_up = beat.lead("V1", "r2_mv") >= 0.1 and beat.lead("V1", "s2_mv") > -beat.lead("V1", "r2_mv")
    broad_r = (
        beat.lead("V1", "r_mv") >= 0.2
        and beat.lead("V1", "s_mv") > -0.3 * beat.lead("V1", "r_mv")
        and beat.lead("V1", "vat_ms") >= 50
    )
    qr = beat.lead("V1", "q_mv") < _Q_MV and beat.lead("V1", "r_mv") > 0.1 and beat.lead("V1", "vat_ms") >= 50
    v2 = beat.lead("V2", "r2_mv") >= max(0.2, -0.5 * beat.lead("V2", "s_mv"))
    if not (last_up or broad_r or qr or v2):
        return False
    wide_s = 0
    for name in ("I", "V6", "V5"):
        s_ms, r_ms = beat.lead(name, "s_ms"), beat.lead(name, "r_ms")
        wide_s += bool(beat.lead(name, "s_mv") <= -0.04 and (s_ms >= 40 or s_ms >= r_ms))
    return wide_s >= 1


def _left(beat: Complex, *, complete: bool) -> bool:
    """A late R without q in I, V5 or V6, and rS or QS in V1."""
    v1_down = beat.s("V1") > 2 * max(beat.r("V1"), 0.0) and beat.lead("V1", "r2_mv") < 0.1
    late = sum(bool(beat.lead(name, "vat_ms") >= _PEAK_MS) for name in ("V5", "V6", "I", "aVL"))
    q_free = sum(bool(beat.lead(name, "q_mv") > _Q_MV) for name in ("I", "V5", "V6"))
    if not complete and not (late >= 3 and q_free == 3):
        return False
    upright = sum(bool(beat.r(name) > beat.s(name)) for name in ("I", "V5", "V6")) >= (1 if complete else 2)
    sure = beat.measure("qrs_ms") >= _SURE_MS or not complete
    opposite = any(-beat.lead(n, "t_neg_mv") > beat.lead(n, "t_mv") for n in ("I", "V5", "V6"))
    return v1_down and late >= 2 and q_free >= 2 and upright and (sure or opposite)


def _or(value: float, other: float) -> float:
    return value if np.isfinite(value) else other


def _fascicle(beat: Complex, kind: str) -> Finding | None:
    """Left anterior or posterior fascicular block, with or without right bundle branch block."""
    axis = beat.measure("qrs_axis_deg")
    qrs_ms = beat.measure("qrs_ms")
    if kind == "left" or (kind == "slow" and qrs_ms >= _SURE_MS) or not np.isfinite(axis):
        return None
    numbers = {"qrs_axis_deg": axis, "qrs_ms": qrs_ms}
    if _LAFB_AXIS[0] <= axis <= _LAFB_AXIS[1]:
        q_r = beat.lead("aVL", "q_mv") <= 0 and beat.r("aVL") > beat.s("aVL")
        r_s = all(beat.s(name) > beat.r(name) and beat.lead(name, "r_mv") > 0.02 for name in ("II", "III"))
        if q_r and r_s:
            return Finding(
                "left_anterior_fascicular_block", "fascicle.anterior", ("II", "III", "aVL"), numbers
            )
    old_enough = (beat.person.age_years or _LPFB_YEARS) >= _LPFB_YEARS
    if _LPFB_AXIS[0] <= axis <= _LPFB_AXIS[1] and old_enough:
        r_s = beat.s("I") > beat.r("I") and beat.lead("I", "r_mv") > 0.02
        q_r = all(beat.lead(name, "q_mv") < -0.03 and beat.r(name) > 0.5 for name in ("III", "aVF"))
        if r_s and q_r and not beat.r("V1") > 0.5:
            return Finding(
                "left_posterior_fascicular_block", "fascicle.posterior", ("I", "III", "aVF"), numbers
            )
    return None


def _preexcited(beat: Complex, qrs_ms: float) -> Finding | None:
    """Short PR and a QRS that starts slowly in several leads."""
    pr_ms = beat.measure("pr_ms")
    _, almost = _limits(beat)
    if not (pr_ms <= _DELTA_PR_MS and qrs_ms >= almost - 10):
        return None
    slow = slurred(beat)
    if len(slow) < _DELTA_LEADS:
        return None
    numbers = {"pr_ms": pr_ms, "qrs_ms": qrs_ms, "slurred_leads": float(len(slow))}
    return Finding("ventricular_preexcitation", "preexcitation.delta", tuple(slow), numbers)


def slurred(beat: Complex) -> list[str]:
    """Leads whose QRS starts slowly: after 40 ms it has covered little of the way to its first peak, yet
    some."""
    usual, found = beat.study.usual, beat.study.boundaries
    if usual is None or found.qrs_on is None or found.qrs_off is None:
        return []
    on, off = max(0, round(found.qrs_on)), round(found.qrs_off)
    early = on + round(_DELTA_MS * beat.study.rate_hz / 1e3)
    names = []
    for row, name in zip(usual.beat, _NAMES, strict=True):
        if name not in beat.leads or not np.isfinite(row).all() or early >= off:
            continue
        part = row[on : off + 1] - row[on]
        top = int(np.abs(part).argmax())
        height = float(part[top])
        if abs(height) < 250 or top <= early - on:
            continue
        share = float(part[early - on]) / height
        monotone = float(np.abs(np.diff(part[: early - on + 1])).sum())
        straight = abs(float(part[early - on])) / max(monotone, 1e-9)
        if 0.08 <= share <= _DELTA_SHARE and straight > 0.8:
            names.append(name)
    return names


_NAMES = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def axis(beat: Complex) -> list[Finding]:
    """Deviation of the frontal QRS axis."""
    degrees = beat.measure("qrs_axis_deg")
    if not np.isfinite(degrees):
        return []
    right = 110.0 if beat.child else _AXIS_RIGHT
    code = ""
    if -90 <= degrees < _AXIS_LEFT:
        code = "left_axis_deviation"
    elif right < degrees <= 180:
        code = "right_axis_deviation"
    elif degrees < -90:
        code = "right_superior_axis"
    return [Finding(code, "axis.frontal", ("I", "aVF"), {"qrs_axis_deg": degrees})] if code else []


def voltage(beat: Complex) -> list[Finding]:
    """Low voltage in all limb or all chest leads, and R waves that do not grow across the chest."""
    out: list[Finding] = []
    limb = [beat.lead(name, "qrs_pp_mv") for name in _NAMES[:6]]
    chest = [beat.lead(name, "qrs_pp_mv") for name in _NAMES[6:]]
    for heights, limit, name in ((limb, _LOW_LIMB_MV, "limb"), (chest, _LOW_CHEST_MV, "chest")):
        if all(np.isfinite(heights)) and max(heights) < limit:
            leads = _NAMES[:6] if name == "limb" else _NAMES[6:]
            numbers = {"largest_mv": round(max(heights), 3), "limit_mv": limit}
            out.append(Finding("low_voltage", f"voltage.low_{name}", leads, numbers))
            break
    return out


def poor_r(beat: Complex, kind: str) -> list[Finding]:
    """R of 0.3 mV at most in V3, no higher than in V2 or hardly; not with blocks that make it so."""
    if kind != "none" or not beat.has("V1", "V2", "V3", "V4"):
        return []
    r3, r4 = beat.lead("V3", "r_mv"), beat.lead("V4", "r_mv")
    if r3 <= _POOR_R_MV and r4 > r3 and beat.s("V3") > 0.3:
        numbers = {"v3_r_mv": r3, "v4_r_mv": r4}
        return [Finding("poor_r_progression", "voltage.r_v3", ("V1", "V2", "V3", "V4"), numbers)]
    return []


def hypertrophy(beat: Complex, kind: str, strained: tuple[str, ...]) -> list[Finding]:
    """Left and right ventricle by voltage and what goes with it; atria by the P wave.

    `strained` are the leads with ST down and T inverted opposite to a tall R.
    """
    out: list[Finding] = []
    left = _left_ventricle(beat, kind, strained)
    right = _right_ventricle(beat, kind)
    out += [f for f in (left, right) if f is not None]
    if left is not None and right is not None and left.code == "left_ventricular_hypertrophy":
        out.append(Finding("biventricular_hypertrophy", "hypertrophy.both", beat.leads, dict(left.numbers)))
    out += _atria(beat)
    return out


def _left_ventricle(beat: Complex, kind: str, strained: tuple[str, ...]) -> Finding | None:
    if kind in ("left", "preexcited", "slow") or beat.child:
        return None
    sex = "female" if beat.female else "male"
    sokolow, cornell = beat.measure("sokolow_mv"), beat.measure("cornell_mv")
    signs = {
        "sokolow_mv": (sokolow, _CHINESE_MV[sex]),
        "cornell_mv": (cornell, _CORNELL_MV[sex]),
        "ravl_mv": (beat.r("aVL"), _RAVL_MV),
        "rv5_mv": (max(_or(beat.r("V5"), 0.0), _or(beat.r("V6"), 0.0)), _RV5_MV),
    }
    numbers = {name: round(value, 3) for name, (value, limit) in signs.items() if value > limit}
    classic = sokolow > _SOKOLOW_MV and not (beat.person.age_years or 99) < _SOKOLOW_FROM_YEARS
    if not numbers and not classic:
        return None
    if classic:
        numbers["sokolow_mv"] = round(sokolow, 3)
    leads = ("I", "aVL", "V1", "V3", "V5", "V6")
    if strained:
        more = {"strained_leads": float(len(strained))}
        return Finding("left_ventricular_hypertrophy", "hypertrophy.left_strain", leads, numbers | more)
    ptf = beat.measure("ptf_v1_mms")
    if len(numbers) >= 2 or ptf <= _PTF:
        more = {"ptf_v1_mms": ptf} if ptf <= _PTF else {}
        return Finding("left_ventricular_hypertrophy", "hypertrophy.left_signs", leads, numbers | more)
    return Finding("left_ventricular_high_voltage", "hypertrophy.left_voltage", leads, numbers)


def _right_ventricle(beat: Complex, kind: str) -> Finding | None:
    """A dominant R in V1 with the axis to the right, in adults without right bundle branch block."""
    axis_deg = beat.measure("qrs_axis_deg")
    if kind != "none" or beat.child or not axis_deg > _RVH_AXIS:
        return None
    r1, s1 = beat.r("V1"), beat.s("V1")
    deep = max(_or(beat.s("V5"), 0.0), _or(beat.s("V6"), 0.0))
    signs = {
        "v1_r_mv": r1 if r1 >= _RV1_MV and r1 > s1 else float("nan"),
        "rv1_sv5_mv": r1 + deep if r1 + deep > _RV1_SV5_MV and (r1 > s1 or deep >= 0.7) else float("nan"),
    }
    numbers = _known(signs)
    if not numbers:
        return None
    return Finding(
        "right_ventricular_hypertrophy",
        "hypertrophy.right",
        ("V1", "V5", "V6"),
        numbers | {"qrs_axis_deg": axis_deg},
    )


def _atria(beat: Complex) -> list[Finding]:
    out: list[Finding] = []
    p_ms, ptf = beat.measure("p_ms"), beat.measure("ptf_v1_mms")
    left = p_ms >= _P_MS and ptf <= _PTF
    tall = max(_or(beat.lead(name, "p_mv"), 0.0) for name in ("II", "III", "aVF"))
    first_v1 = _or(beat.lead("V1", "p_mv"), 0.0)
    right = tall > _P_TALL_MV or first_v1 > _P_TALL_V1_MV
    if left:
        numbers = {"p_ms": p_ms, "ptf_v1_mms": ptf}
        out.append(Finding("left_atrial_enlargement", "atria.left", ("II", "V1"), numbers))
    if right:
        numbers = {"p_mv": round(tall, 3), "p_v1_mv": round(first_v1, 3)}
        out.append(Finding("right_atrial_enlargement", "atria.right", ("II", "III", "aVF", "V1"), numbers))
    return out
