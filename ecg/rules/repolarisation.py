"""T waves: inverted, flat, pointed; and the patterns that mean more than a T wave. numpy only."""

import numpy as np

from ecg.leads import LEADS
from ecg.rules.complex import Complex
from ecg.rules.ischaemia import NEIGHBOURS, elevated, level, pathological_q
from ecg.study import Finding

_T_DOWN_MV, _T_DEEP_MV = -0.1, -0.3
"""T inverted (AHA/ACC/HRS 2009, part IV: 0.1 mV), and deep (0.5 mV there; 0.3 mV ours, for the urgent
tier)."""
_FLAT = 0.1
"""T over R below which it is flat (Chinese practice; part IV)."""
_TALL_T_MV, _TALL_LIMB_MV, _TALL_LEADS, _OVER_QRS = 1.0, 0.5, 3, 0.5
"""Tall T in chest and limb leads (part IV: above the 98th centile), in three leads at least, and at least
half as high as the larger wave of the QRS."""
_POTASSIUM_QRS_MS = 130.0
_PEAKED = 0.25
"""Width of T at half its height over the QT interval, up to which it is narrow; ours: 0.2 in the simulated
pattern, more than this in development strips with a tall T."""
_WELLENS_ST_MV, _WELLENS_T_MV, _WELLENS_R_MV = (-0.05, 0.15), (-0.15, -0.25), 0.2
_DE_WINTER_J_MV, _DE_WINTER_RISE_MV, _DE_WINTER_T_MV = -0.1, 0.05, 0.5
_CHEST = LEADS[6:]
_LATERAL = frozenset({"I", "aVL", "V4", "V5", "V6"})


def t_waves(beat: Complex, kind: str, *, high_voltage: bool, strained: tuple[str, ...]) -> list[Finding]:
    """Patterns first, then inversion in neighbouring leads, then flat T."""
    out = _wellens(beat, kind, high_voltage=high_voltage)
    if kind == "none":
        out += _de_winter(beat)
    if out:
        return out
    inverted = {
        name: beat.lead(name, "t_neg_mv")
        for name in ("I", "II", "aVL", "aVF", "V2", "V3", "V4", "V5", "V6")
        if beat.lead(name, "t_neg_mv") <= _T_DOWN_MV
        and -beat.lead(name, "t_neg_mv") > beat.lead(name, "t_mv")
        and not (kind == "right" and name in ("V2", "V3"))
        and (name != "aVL" or beat.r("aVL") > beat.s("aVL"))
    }
    pairs = {name for a, b in NEIGHBOURS if a in inverted and b in inverted for name in (a, b)}
    leads = tuple(name for name in inverted if name in pairs)
    if not leads:
        return _flat(beat)
    numbers = {f"t_{name.lower()}_mv": inverted[name] for name in leads}
    if strained and high_voltage and set(leads) <= {*strained, *_LATERAL}:
        return [Finding("secondary_st_t_change", "t.strain", leads, numbers)]
    deep = min(inverted[name] for name in leads) <= _T_DEEP_MV
    return [Finding("t_inversion", "t.inverted_deep" if deep else "t.inverted", leads, numbers)]


def _flat(beat: Complex) -> list[Finding]:
    """T lower than a tenth of R in three leads or more that have a tall R."""
    flat = [
        name
        for name in ("I", "II", "V4", "V5", "V6")
        if beat.r(name) > 0.5
        and beat.lead(name, "t_mv") < _FLAT * beat.r(name)
        and beat.lead(name, "t_neg_mv") > _T_DOWN_MV
    ]
    if len(flat) < 3:
        return []
    numbers = {f"t_{name.lower()}_mv": beat.lead(name, "t_mv") for name in flat}
    return [Finding("t_abnormal", "t.flat", tuple(flat), numbers)]


def _wellens(beat: Complex, kind: str, *, high_voltage: bool) -> list[Finding]:
    """T inverted, or up and then down, in V2 and V3 with ST hardly up and R kept (de Zwaan et al., 1982)."""
    own = {"V2", "V3"}
    if kind != "none" or high_voltage or not beat.has("V2", "V3", "V4"):
        return []
    if own & elevated(beat, kind, high_voltage=high_voltage).keys() or own & pathological_q(beat):
        return []
    low, high = _WELLENS_ST_MV
    if not all(low <= level(beat, name) <= high for name in sorted(own)):
        return []
    down = [beat.lead(name, "t_neg_mv") for name in ("V2", "V3")]
    shallow, deep = _WELLENS_T_MV
    if not (max(down) <= shallow and min(down) <= deep and beat.r("V3") > _WELLENS_R_MV):
        return []
    return [Finding("wellens_pattern", "t.wellens", ("V2", "V3"), {"t_v2_mv": down[0], "t_v3_mv": down[1]})]


def _de_winter(beat: Complex) -> list[Finding]:
    """J down, ST rising into a tall T in the chest leads (de Winter et al., N Engl J Med 2008)."""
    names = [
        name
        for name in ("V2", "V3", "V4", "V5")
        if beat.lead(name, "j_mv") <= _DE_WINTER_J_MV
        and beat.lead(name, "st80_mv") > beat.lead(name, "j_mv") + _DE_WINTER_RISE_MV
        and beat.lead(name, "t_mv") >= _DE_WINTER_T_MV
    ]
    if len(names) < 2:
        return []
    numbers = {f"j_{name.lower()}_mv": beat.lead(name, "j_mv") for name in names}
    numbers |= {f"t_{name.lower()}_mv": beat.lead(name, "t_mv") for name in names}
    return [Finding("de_winter_pattern", "st.de_winter", tuple(names), numbers)]


def potassium(beat: Complex, *, without_p: bool) -> list[Finding]:
    """Tall, narrow, pointed T in several leads; with a broad QRS or without P the pattern of
    hyperkalaemia."""
    tall = [
        name
        for name in ("II", "III", "aVF", *_CHEST[1:])
        if beat.lead(name, "t_mv") >= (_TALL_T_MV if name in _CHEST else _TALL_LIMB_MV)
        and beat.lead(name, "t_mv") > _OVER_QRS * max(beat.r(name), beat.s(name))
    ]
    if len(tall) < _TALL_LEADS:
        return []
    width = float(np.median([_half_width(beat, name) for name in tall]))
    numbers = {f"t_{name.lower()}_mv": beat.lead(name, "t_mv") for name in tall}
    numbers |= {"t_half_width_ms": round(width, 0), "qrs_ms": beat.measure("qrs_ms")}
    if not width <= _PEAKED * beat.measure("qt_ms"):
        return []
    if beat.measure("qrs_ms") >= _POTASSIUM_QRS_MS or without_p:
        return [Finding("hyperkalaemia_pattern", "t.potassium", tuple(tall), numbers)]
    return [Finding("tall_t", "t.tall", tuple(tall), numbers)]


def _half_width(beat: Complex, name: str) -> float:
    """Width of T at half its height, ms; NaN without one."""
    usual, found = beat.study.usual, beat.study.boundaries
    if usual is None or found.qrs_off is None or found.qrs_on is None or found.t_off is None:
        return float("nan")
    row = usual.beat[LEADS.index(name)]
    first, last = round(found.qrs_off), min(row.size - 1, round(found.t_off))
    on = round(found.qrs_on)
    part = row[first : last + 1] - float(row[max(0, on - 4) : on + 1].mean())
    if part.size < 8:
        return float("nan")
    top = int(part.argmax())
    low = part < part[top] / 2
    before, after = np.flatnonzero(low[:top]), np.flatnonzero(low[top:])
    left = int(before[-1]) + 1 if before.size else 0
    right = top + int(after[0]) if after.size else part.size
    return float((right - left) / beat.study.rate_hz * 1e3)
