"""ST and Q: infarct patterns by territory, ischaemia, and what only looks like it.

Thresholds are those of the Fourth Universal Definition of Myocardial Infarction (UDMI-4; Thygesen et al.,
Circulation 2018) where it has one. Nothing here is said of a lead that is not usable. numpy only.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ecg.rules.complex import Complex
from ecg.study import Finding

_LIMB = ("aVL", "I", "-aVR", "II", "aVF", "III")
_CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
NEIGHBOURS = (*pairwise(_LIMB), *pairwise(_CHEST))
"""Contiguous leads: the limb leads in Cabrera's order, the chest leads as they lie (UDMI-4)."""
_ST_MV, _ST_V23_MV = 0.1, {"young_man": 0.25, "man": 0.2, "woman": 0.15}
_YOUNG_YEARS = 40.0
_ST_DOWN_MV, _ST_DEEP_MV = -0.05, -0.1
"""Elevation by lead, sex and age, depression (UDMI-4), and the depression that is urgent (spec-clinical
5.5)."""
_RECIPROCAL_MV = -0.05
_RATIO = 0.25
"""ST level over the depth of S above which an elevation is more than the echo of a deep S: Smith et al., Ann
Emerg Med 2012 (left bundle branch block); Armstrong et al., Am J Cardiol 2012 (hypertrophy)."""
_CONCORDANT_MV = 0.1
"""Elevation with a QRS that points up, or depression in V1 to V3 with one that points down (Sgarbossa et al.,
N Engl J Med 1996)."""
_SUBTLE = 18.2
"""Driver et al., "A new 4-variable formula to differentiate normal variant ST segment elevation in V2-V4 from
subtle left anterior descending coronary occlusion", J Electrocardiol 2017: 0.052·QTcB (ms) − 0.151·QRS V2
(mm) − 0.268·R V4 (mm) + 1.062·ST60 V3 (mm); from here on an occlusion."""
_SUBTLE_ST60_MV, _SUBTLE_RATE = 0.2, 120.0
"""Faster, ST60 runs into T and Bazett's QTc into the sky."""
_RECENT_ST_MV, _RECENT_T_MV = 0.05, -0.08
"""ST still up and T already inverted over a Q wave: an infarct that evolves (演变期); ours, on the
development records, where it fires in all four with such a label and in no other without a block."""
_Q_MS, _Q_MV, _Q_V23_MS, _Q_V23_MV = 30.0, -0.1, 20.0, -0.05
"""Q of a prior infarct (UDMI-4, table 5); in V2 and V3 any Q of 20 ms."""
_Q_OVER_R = 0.15
_QS_R_MV = 0.06
"""An R that low before or after the Q is noise of the median beat: the complex is QS."""
_DIFFUSE = 6
"""Leads with depression, with aVR up (UDMI-4: six or more leads)."""


class _Territory(NamedTuple):
    code: str
    leads: tuple[str, ...]
    opposite: tuple[str, ...]


_TERRITORIES = (
    _Territory("inferior", ("II", "III", "aVF"), ("I", "aVL", "V2", "V3")),
    _Territory("septal", ("V1", "V2"), ("II", "III", "aVF", "V6")),
    _Territory("anterior", ("V3", "V4"), ("II", "III", "aVF")),
    _Territory("lateral", ("V5", "V6"), ("III", "aVF", "V1", "V2")),
    _Territory("high_lateral", ("I", "aVL"), ("II", "III", "aVF")),
)
_WALLS = (
    _Territory("anterior", _CHEST, ()),
    _Territory("inferior", ("II", "III", "aVF"), ()),
    _Territory("lateral", ("I", "aVL", "V5", "V6"), ()),
)
_Q_WALLS = (
    ("inferior", ("II", "III", "aVF")),
    ("anteroseptal", ("V2", "V3")),
    ("anterior", ("V3", "V4")),
    ("lateral", ("V5", "V6")),
    ("high_lateral", ("I", "aVL")),
)


def segments(
    beat: Complex, kind: str, *, high_voltage: bool, strained: tuple[str, ...], doubt: float = 1.0
) -> list[Finding]:
    """Everything about ST and Q. `kind` as ventricles.conducting has it, or "paced"; `strained` as strain has
    it; `doubt` multiplies the thresholds of elevation where atrial waves lie in the segment."""
    if kind in ("left", "paced", "preexcited"):
        return _behind_block(beat, kind)
    up = elevated(beat, kind, high_voltage=high_voltage, doubt=doubt)
    q_leads = pathological_q(beat)
    acute = _acute(beat, up, q_leads)
    if not acute:
        acute = _posterior(beat) or _recent(beat, kind, q_leads)
    if not acute and kind == "none" and not strained:
        acute = _subtle(beat)
    posterior = any(finding.rule == "st.posterior" for finding in acute)
    found = list(acute)
    if not posterior:
        found += _depressed(beat, kind, up, strained if high_voltage else ())
    if not acute:
        found += _old(beat, kind, q_leads) + _early(beat, up)
    return found


def level(beat: Complex, name: str) -> float:
    """ST at J, or 40 ms later if that is nearer to the line: a sloping end of the QRS is no elevation; mV."""
    if name == "-aVR":
        return -level(beat, "aVR")
    j, later = beat.lead(name, "j_mv"), beat.lead(name, "st40_mv")
    if not np.isfinite(later):
        return j
    if j * later <= 0:
        return 0.0
    return j if abs(j) < abs(later) else later


def _numbers(beat: Complex, prefix: str, key: str, leads: tuple[str, ...] | list[str]) -> dict[str, float]:
    """`prefix_lead_unit` → value of each lead."""
    unit = key.rsplit("_", 1)[1]
    return {f"{prefix}_{name.lower()}_{unit}": beat.lead(name, key) for name in leads}


def _levels(levels: dict[str, float]) -> dict[str, float]:
    return {f"st_{name.lower()}_mv": round(value, 3) for name, value in levels.items()}


def _limit(beat: Complex, name: str) -> float:
    """UDMI-4 threshold of a lead, by sex and age; the lowest where they are not known."""
    if name not in ("V2", "V3"):
        return _ST_MV
    person = beat.person
    if person.sex != "male":
        return _ST_V23_MV["woman"]
    young = person.age_years is not None and person.age_years < _YOUNG_YEARS
    return _ST_V23_MV["young_man" if young else "man"]


def elevated(beat: Complex, kind: str, *, high_voltage: bool, doubt: float = 1.0) -> dict[str, float]:
    """Leads in which ST is up by its threshold, with the level; of two neighbours at least.

    Opposite to a deep S, behind a broad QRS or (in V1 to V3) high voltage, it must be more than the echo of
    S.
    """
    over: dict[str, float] = {}
    for name in (*_LIMB, *_CHEST):
        st = level(beat, name)
        if not st >= doubt * _limit(beat, name):
            continue
        if name != "-aVR":
            echo = high_voltage and name in ("V1", "V2", "V3")
            echo |= kind in ("right", "slow") and beat.s(name) > beat.r(name)
            if echo and st < _RATIO * beat.s(name):
                continue
        over[name] = st
    kept = {name for a, b in NEIGHBOURS if a in over and b in over for name in (a, b)} - {"-aVR"}
    return {name: over[name] for name in over if name in kept}


def _acute(beat: Complex, up: dict[str, float], q_leads: set[str]) -> list[Finding]:
    """An acute infarct pattern by territory, unless early repolarisation explains it."""
    if not up:
        return []
    hit = {t.code: [name for name in t.leads if name in up] for t in _TERRITORIES}
    hit = {code: leads for code, leads in hit.items() if leads}
    opposite = [name for t in _TERRITORIES if t.code in hit for name in t.opposite if name not in up]
    down = [name for name in dict.fromkeys(opposite) if level(beat, name) <= _RECIPROCAL_MV]
    if not down and not (up.keys() & q_leads) and _is_early(beat, up):
        return []
    numbers = _levels(up)
    numbers |= {f"reciprocal_{name.lower()}_mv": round(level(beat, name), 3) for name in down}
    return [Finding(f"mi_{_site(hit)}_acute", "st.elevation", tuple(up), numbers)]


def _site(hit: dict[str, list[str]]) -> str:
    """The name of the wall from the territories hit, as Chinese practice names them."""
    front = {"septal", "anterior"} & hit.keys()
    side = {"lateral", "high_lateral"} & hit.keys()
    if "inferior" in hit and (len(hit["inferior"]) >= 2 or not front):
        return "inferolateral" if side else "inferior"
    if front:
        if sum(len(hit.get(code, ())) for code in ("septal", "anterior", "lateral")) >= 5:
            return "extensive_anterior"
        if side:
            return "anterolateral"
        if front == {"septal"}:
            return "septal"
        return "anteroseptal" if len(front) == 2 and "V4" not in hit["anterior"] else "anterior"
    return "high_lateral" if side == {"high_lateral"} else "lateral"


def _posterior(beat: Complex) -> list[Finding]:
    """ST down in V1 to V3 under an upright T and a tall R: the mirror image of the posterior wall
    (UDMI-4)."""
    levels = {name: level(beat, name) for name in _CHEST}
    down = {name: levels[name] for name in ("V1", "V2", "V3") if levels[name] <= _ST_DOWN_MV}
    if len(down) < 2 or min(down.values()) > _ST_DEEP_MV:
        return []
    upright = all(beat.lead(name, "t_mv") > -beat.lead(name, "t_neg_mv") for name in ("V2", "V3"))
    tall = beat.r("V2") >= 0.8 * beat.s("V2")
    # Depression that is deepest to the side is of the subendocardium.
    side = min((v for v in (levels["V5"], levels["V6"]) if np.isfinite(v)), default=0.0)
    if not (upright and tall and side > min(down.values()) / 2):
        return []
    numbers = _levels(down) | {"r_v2_mv": round(beat.r("V2"), 3)}
    return [Finding("mi_posterior_acute", "st.posterior", tuple(down), numbers)]


def _recent(beat: Complex, kind: str, q_leads: set[str]) -> list[Finding]:
    """Q waves with ST still up and T already down in the same wall: an infarct that evolves."""
    for wall in _WALLS:
        own = wall.leads
        if kind == "right" and wall.code == "anterior":
            own = ("V3", "V4", "V5", "V6")
        qs = [name for name in own if name in q_leads or (name == "V1" and _is_qs(beat, "V1"))]
        pairs = [(a, b) for a, b in NEIGHBOURS if a in qs and b in qs]
        up = [name for name in own if _late(beat, name) >= _RECENT_ST_MV]
        down = [name for name in own if beat.lead(name, "t_neg_mv") <= _RECENT_T_MV]
        if not pairs or len(up) < 2 or len(down) < 2 or not set(up) & set(qs):
            continue
        code = wall.code
        if code == "anterior":
            code = "anteroseptal" if set(qs) <= {"V1", "V2", "V3"} else "anterior"
        numbers = {f"st_{name.lower()}_mv": round(_late(beat, name), 3) for name in up}
        numbers |= _numbers(beat, "t", "t_neg_mv", down) | _numbers(beat, "q", "q_ms", qs)
        leads = tuple(dict.fromkeys((*qs, *up, *down)))
        return [Finding(f"mi_{code}_acute", "q.evolving", leads, numbers)]
    return []


def _late(beat: Complex, name: str) -> float:
    """Highest ST level from 40 to 80 ms after J."""
    values = [beat.lead(name, key) for key in ("st40_mv", "st60_mv", "st80_mv")]
    return max((v for v in values if np.isfinite(v)), default=float("nan"))


def _formula(beat: Complex) -> float:
    """The four-variable formula; NaN where one of them is not known."""
    r4, qrs2 = beat.r("V4"), beat.lead("V2", "qrs_pp_mv")
    return 0.052 * beat.measure("qtcb_ms") - 1.51 * qrs2 - 2.68 * r4 + 10.62 * beat.lead("V3", "st60_mv")


def _subtle(beat: Complex) -> list[Finding]:
    """Elevation in V2 and V3 below the threshold at J, with small R and QRS and a long QT for it."""
    st60 = _numbers(beat, "st60", "st60_mv", ("V2", "V3"))
    value = _formula(beat)
    slow_enough = beat.measure("heart_rate") <= _SUBTLE_RATE
    if not (slow_enough and all(v >= _SUBTLE_ST60_MV for v in st60.values()) and value >= _SUBTLE):
        return []
    return [
        Finding(
            "mi_anterior_acute", "st.subtle_anterior", ("V2", "V3", "V4"), st60 | {"formula": round(value, 1)}
        )
    ]


def _is_early(beat: Complex, up: dict[str, float]) -> bool:
    """Does benign early repolarisation explain it? A concave ST under a tall T, in no lead above 0.5 mV."""
    if max(up.values()) > 0.5:
        return False
    for name in up:
        j, later, t = beat.lead(name, "j_mv"), beat.lead(name, "st80_mv"), beat.lead(name, "t_mv")
        if not (t >= 2 * up[name] and later >= j and beat.lead(name, "t_neg_mv") > -0.05):
            return False
    if up.keys() & {"V2", "V3", "V4"}:
        return bool(_formula(beat) < _SUBTLE)
    # Elsewhere no formula holds: a tall R, a level under a quarter of T (Ginzton and Laks, Circulation 1982).
    return all(up[name] < 0.25 * beat.lead(name, "t_mv") and beat.r(name) > 0.5 for name in up)


def _early(beat: Complex, up: dict[str, float]) -> list[Finding]:
    if not up or not _is_early(beat, up):
        return []
    return [Finding("early_repolarisation", "st.early", tuple(up), _levels(up))]


def strain(beat: Complex) -> tuple[str, ...]:
    """Lateral leads with a tall R, ST down and T inverted: opposite to the QRS."""
    return tuple(
        name
        for name in ("I", "aVL", "V4", "V5", "V6")
        if beat.r(name) > 0.8
        and level(beat, name) < -0.03
        and beat.lead(name, "t_neg_mv") <= -0.1
        and -beat.lead(name, "t_neg_mv") > beat.lead(name, "t_mv")
    )


def _depressed(beat: Complex, kind: str, up: dict[str, float], strained: tuple[str, ...]) -> list[Finding]:
    """ST down in neighbouring leads, flat or falling."""
    down: dict[str, float] = {}
    for name in ("aVL", "I", "II", "aVF", "III", *_CHEST):
        st = level(beat, name)
        rising = beat.lead(name, "st80_mv") > st + 0.05
        if st <= _ST_DOWN_MV and not rising and not (kind == "right" and name in ("V1", "V2", "V3")):
            down[name] = st
    kept = {name for a, b in NEIGHBOURS if a in down and b in down for name in (a, b)}
    leads = {name: st for name, st in down.items() if name in kept}
    deep = [name for name, st in down.items() if st <= _ST_DEEP_MV]
    avr = level(beat, "aVR")
    if len(down) >= _DIFFUSE and len(deep) >= _DIFFUSE - 1 and avr >= _ST_MV:
        numbers = _levels(down | {"aVR": avr})
        return [Finding("diffuse_st_depression", "st.diffuse", (*down, "aVR"), numbers)]
    if not leads or up:  # with an elevation it is told of as reciprocal
        return []
    if strained and leads.keys() <= {*strained, "I", "aVL", "V4", "V5", "V6"}:
        return [Finding("secondary_st_t_change", "st.strain", tuple(leads), _levels(leads))]
    rule = "st.depression_deep" if len([n for n in leads if n in deep]) >= 2 else "st.depression"
    return [Finding("st_depression", rule, tuple(leads), _levels(leads))]


def _is_qs(beat: Complex, name: str) -> bool:
    """No R to speak of: all of the QRS is one Q."""
    return bool(beat.r(name) <= _QS_R_MV and beat.s(name) >= -_Q_MV)


def pathological_q(beat: Complex) -> set[str]:
    """Leads with a pathological Q or QS, whether or not their neighbours have one."""
    out: set[str] = set()
    for name in ("I", "II", "III", "aVL", "aVF", "V2", "V3", "V4", "V5", "V6"):
        q_mv, q_ms = beat.lead(name, "q_mv"), beat.lead(name, "q_ms")
        if not np.isfinite(q_mv):
            continue
        if _is_qs(beat, name):
            out.add(name)
        elif name in ("V2", "V3"):
            if q_ms >= _Q_V23_MS and q_mv <= _Q_V23_MV:
                out.add(name)
        elif q_ms >= _Q_MS and q_mv <= _Q_MV and -q_mv >= _Q_OVER_R * max(beat.r(name), 0.0):
            out.add(name)
    return out


def _old(beat: Complex, kind: str, q_leads: set[str]) -> list[Finding]:
    """Q waves of an infarct without the signs of a recent one."""
    walls: dict[str, list[str]] = {}
    for code, own in _Q_WALLS:
        hit = [name for name in own if name in q_leads]
        if len(hit) < 2 or (code == "inferior" and not {"II", "aVF"} & set(hit)):
            continue
        if code == "inferior" and beat.measure("qrs_axis_deg") <= -45 and beat.lead("II", "r_mv") > _QS_R_MV:
            continue  # the axis of a left anterior fascicular block
        if code == "anteroseptal" and kind == "slow":
            continue
        walls[code] = hit
    if not walls:
        return []
    leads = tuple(dict.fromkeys(name for hit in walls.values() for name in hit))
    numbers = _numbers(beat, "q", "q_mv", leads) | _numbers(beat, "q", "q_ms", leads)
    site = next(iter(walls))
    if "anteroseptal" in walls and {"anterior", "lateral"} & walls.keys():
        site = "extensive_anterior" if "lateral" in walls else "anterior"
    return [
        Finding("q_abnormal", "q.pathological", leads, numbers),
        Finding(f"mi_{site}_old", "q.territory", leads, numbers),
    ]


def _behind_block(beat: Complex, kind: str) -> list[Finding]:
    """Left bundle branch block, pacing, pre-excitation: only what does not follow from the QRS."""
    secondary = Finding("secondary_st_t_change", f"st.{kind}", beat.leads, {})
    if kind == "preexcited":
        return [secondary]
    concordant: dict[str, float] = {}
    excessive: dict[str, float] = {}
    for name in ("I", "II", "III", "aVL", "aVF", *_CHEST):
        st, up, down = level(beat, name), beat.r(name), beat.s(name)
        if not np.isfinite(st + up + down):
            continue
        if (st >= max(_CONCORDANT_MV, _limit(beat, name)) and up > 1.5 * down) or (
            name in ("V1", "V2", "V3") and st <= -_CONCORDANT_MV and down > 1.5 * up
        ):
            concordant[name] = st
        elif st >= 2 * _CONCORDANT_MV and down > up and st >= _RATIO * down:
            excessive[name] = st
    hit = concordant | excessive
    if any(a in hit and b in hit for a, b in NEIGHBOURS):
        rule = "st.concordant" if concordant else "st.excessive"
        if kind == "paced":
            # The end of a paced QRS is too uncertain for an alarm of its own: a reader is to look soon.
            return [secondary, Finding("st_elevation", f"{rule}_{kind}", tuple(hit), _levels(hit))]
        territories = {t.code: [n for n in t.leads if n in hit] for t in _TERRITORIES}
        site = _site({code: leads for code, leads in territories.items() if leads})
        return [Finding(f"mi_{site}_acute", f"{rule}_{kind}", tuple(hit), _levels(hit))]
    return [secondary]
