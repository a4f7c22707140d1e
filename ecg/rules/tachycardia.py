"""Fast rhythms with a broad QRS: ventricular until something speaks against it. numpy only."""

import numpy as np

from ecg.leads import LEADS
from ecg.rules import ectopy
from ecg.rules.strip import Strip
from ecg.study import Finding

_FAST = 100.0
_VENTRICULAR = 0.85
"""Share of ventricular beats from which they are the rhythm."""
_STEADY = 0.06
"""Median change from one RR to the next over the mean RR, up to which a tachycardia is steady: fibrillation
with a broad QRS has more."""
_P_FAST, _CONDUCTED = 150.0, 0.7
"""Below this rate a P wave before the QRS is no T wave; so many beats must have one of their own."""
_FLUTTER, _FLUTTER_PART = 0.55, 0.62
"""Atrial.flutter at which it is flutter, broad or not, if its cycle is that much shorter than RR: a broad
tachycardia is like itself after one RR."""
_QRS_RIGHT_MS, _QRS_LEFT_MS = 140.0, 160.0
"""QRS from which a tachycardia with the form of right, of left bundle branch block is ventricular (Wellens et
al., "The value of the electrocardiogram in the differential diagnosis of a tachycardia with a widened QRS
complex", Am J Med 1978)."""
_AVR_R_MV, _AVR_Q_MS = 0.1, 40.0
"""An initial R in aVR, or an initial q or r longer than this (Vereckei et al., Heart Rhythm 2008)."""
_II_PEAK_MS = 50.0
"""R-wave peak time in II from which it is ventricular (Pava et al., Heart Rhythm 2010)."""


def broad(seen: Strip) -> list[Finding]:
    """Ventricular tachycardia or rhythm, or a broad tachycardia of unknown kind, when that is the basic
    rhythm."""
    if seen.share("V") >= _VENTRICULAR:
        run = max(ectopy.runs(seen), key=lambda r: r.last - r.first, default=None)
        if run is not None:
            whole = run._replace(first=0, last=len(seen.kinds) - 1, rate=seen.rate)
            return [ectopy.tachycardia(seen, whole)]
    if not (seen.wide and seen.rate >= _FAST):
        return []
    changes = np.abs(np.diff(seen.rr_s))
    changes = changes[np.isfinite(changes)]
    if not changes.size or float(np.median(changes)) > _STEADY * float(np.nanmean(seen.rr_s)):
        return []
    if seen.rate < _P_FAST and seen.has_p and seen.conduction.conducted >= _CONDUCTED:
        return []
    if flutters(seen):
        return []
    for_it = _criteria(seen)
    numbers = {
        "rate_per_min": round(seen.rate, 0),
        "qrs_ms": seen.qrs_ms,
        "seconds": round(seen.seconds, 1),
    } | for_it
    if for_it:
        return [Finding("ventricular_tachycardia", "ventricular.broad", seen.leads, numbers)]
    return [Finding("wide_qrs_tachycardia", "broad.unknown", seen.leads, numbers)]


def flutters(seen: Strip) -> bool:
    """Sure flutter under a broad QRS."""
    usual_ms = float(np.nanmedian(seen.rr_s)) * 1e3
    return bool(seen.atrial.flutter >= _FLUTTER and seen.atrial.cycle_ms <= _FLUTTER_PART * usual_ms)


def _criteria(seen: Strip) -> dict[str, float]:
    """The signs of a ventricular origin that are there, with their numbers."""
    out: dict[str, float] = {}
    lead = seen.study.per_lead

    def value(name: str, key: str) -> float:
        found = lead.get(name, {}).get(key)
        return float("nan") if found is None else float(found)

    if seen.conduction.kind == "dissociated":
        out["atrial_rate_per_min"] = round(60.0 / seen.conduction.pace_s, 0)
    axis = seen.study.measurements.get("qrs_axis_deg")
    if axis is not None and -180 <= axis < -90:
        out["qrs_axis_deg"] = axis
    upright_v1 = value("V1", "r_mv") + value("V1", "r2_mv") > -(value("V1", "s_mv") + value("V1", "q_mv"))
    limit = _QRS_RIGHT_MS if upright_v1 else _QRS_LEFT_MS
    if seen.qrs_ms > limit:
        out["qrs_over_ms"] = limit
    if value("aVR", "q_mv") == 0 and value("aVR", "r_mv") >= _AVR_R_MV and value("aVR", "r_ms") > _AVR_Q_MS:
        out["avr_r_mv"] = value("aVR", "r_mv")
    if value("II", "vat_ms") >= _II_PEAK_MS and value("II", "r_mv") > 0:
        out["ii_peak_ms"] = value("II", "vat_ms")
    chest = [value(name, "r_mv") + value(name, "r2_mv") for name in LEADS[6:]]
    depth = [-(value(name, "q_mv") + value(name, "s_mv") + value(name, "s2_mv")) for name in LEADS[6:]]
    if all(r == 0 for r in chest):
        out["chest_all_down"] = 1.0
    elif all(d < 0.02 for d in depth):
        out["chest_all_up"] = 1.0
    return out
