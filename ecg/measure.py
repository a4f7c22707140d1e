"""The measurement set of a recording: rate, intervals, QTc, axes, voltages.

A number that is not certain is None, never a guess. Intervals and voltages are those of the representative
beat; ids are those of the measurement table of the common language.
"""

import numpy as np
from numpy.typing import NDArray

from ecg import beats
from ecg.delineate import Boundaries
from ecg.leads import LEADS

Array = NDArray[np.float64]

MEASUREMENTS: tuple[str, ...] = (
    "heart_rate",
    "rr_ms",
    "rr_min_ms",
    "rr_max_ms",
    "p_ms",
    "pr_ms",
    "qrs_ms",
    "qt_ms",
    "qtcf_ms",
    "qtcb_ms",
    "qtcfr_ms",
    "qtch_ms",
    "qtc_unsteady",
    "jt_ms",
    "jtcf_ms",
    "qtc_wide_ms",
    "tpe_ms",
    "p_axis_deg",
    "qrs_axis_deg",
    "t_axis_deg",
    "qrs_t_angle_deg",
    "rv5_mv",
    "sv1_mv",
    "rv5_sv1_mv",
    "sokolow_mv",
    "cornell_mv",
    "ptf_v1_mms",
)
"""Every id `measurements` answers for. Suffix: f Fridericia, b Bazett, fr Framingham, h Hodges."""

_FEWEST_BEATS = 3
_AXIS_UV = 100.0
"""Net I and aVF together below which a QRS axis means nothing."""
_SMALL_AXIS_UV = 30.0
"""The same for P and T."""
_UNSTEADY = 0.15
"""RR range, as a share of the mean, from which a corrected QT is only a reference (spec-clinical 5.1)."""
_WIDE_MS = 120.0
"""QRS from which QTc is also given less what the QRS is too wide (spec-clinical 5.1 and 5.2)."""


def measurements(
    r_peaks: beats.Beats, rate_hz: float, usual: beats.Representative | None, found: Boundaries
) -> dict[str, float | None]:
    """Every id of MEASUREMENTS, from the R peaks, the representative beat (12, m) µV and its boundaries."""
    out: dict[str, float | None] = dict.fromkeys(MEASUREMENTS)
    if r_peaks.size < _FEWEST_BEATS:
        return out
    rr_ms = np.diff(r_peaks) / rate_hz * 1e3
    mean_ms = float(rr_ms.mean())
    out["heart_rate"] = round(6e4 / mean_ms, 1)
    out["rr_ms"] = round(mean_ms, 1)
    out["rr_min_ms"], out["rr_max_ms"] = round(float(rr_ms.min()), 1), round(float(rr_ms.max()), 1)
    out["qtc_unsteady"] = float(np.ptp(rr_ms) > _UNSTEADY * mean_ms)
    if usual is None:
        return out
    # The mean of the intervals before the beats measured: in fibrillation QT and RR are both averages.
    before_ms = rr_ms[usual.members[usual.members > 0] - 1]
    rr_s = float(before_ms.mean()) / 1e3 if before_ms.size else usual.rr_s
    return out | _intervals(found, rate_hz, rr_s) | _voltages(usual.beat, found, rate_hz)


def corrected(qt_ms: float, rr_s: float) -> dict[str, float]:
    """QTc in ms by the four formulas of spec-clinical 5.1: Fridericia, Bazett, Framingham, Hodges."""
    return {
        "qtcf_ms": round(qt_ms / rr_s ** (1 / 3), 1),
        "qtcb_ms": round(qt_ms / rr_s**0.5, 1),
        "qtcfr_ms": round(qt_ms + 154 * (1 - rr_s), 1),
        "qtch_ms": round(qt_ms + 1.75 * (60 / rr_s - 60), 1),
    }


def _intervals(found: Boundaries, rate_hz: float, rr_s: float) -> dict[str, float | None]:
    def span_ms(start: float | None, end: float | None) -> float | None:
        return None if start is None or end is None else round((end - start) / rate_hz * 1e3, 1)

    out: dict[str, float | None] = {
        "p_ms": span_ms(found.p_on, found.p_off),
        "pr_ms": span_ms(found.p_on, found.qrs_on),
        "qrs_ms": span_ms(found.qrs_on, found.qrs_off),
        "qt_ms": span_ms(found.qrs_on, found.t_off),
        "jt_ms": span_ms(found.qrs_off, found.t_off),
        "tpe_ms": span_ms(found.t_peak, found.t_off),
    }
    qt_ms, qrs_ms, jt_ms = out["qt_ms"], out["qrs_ms"], out["jt_ms"]
    if qt_ms is None or qrs_ms is None or jt_ms is None:
        return out
    out |= corrected(qt_ms, rr_s)
    out["jtcf_ms"] = round(jt_ms / rr_s ** (1 / 3), 1)
    if qrs_ms >= _WIDE_MS:
        out["qtc_wide_ms"] = round(qt_ms / rr_s ** (1 / 3) - (qrs_ms - 100), 1)
    return out


def _voltages(beat: Array, found: Boundaries, rate_hz: float) -> dict[str, float | None]:
    """Axes and chest voltages, against the level just before the QRS."""
    out: dict[str, float | None] = {}
    if found.qrs_on is None or found.qrs_off is None:
        return out
    on, off = max(0, round(found.qrs_on)), round(found.qrs_off)
    level = beat[:, max(0, on - round(0.01 * rate_hz)) : on + 1].mean(axis=1, keepdims=True)
    beat = beat - level
    out["qrs_axis_deg"] = _axis(beat, on, off, _AXIS_UV)
    if found.t_off is not None and found.t_peak is not None:
        start = max(off, round(found.t_peak - 0.1 * rate_hz))
        out["t_axis_deg"] = _axis(beat, start, round(found.t_off), _SMALL_AXIS_UV)
    qrs_axis, t_axis = out["qrs_axis_deg"], out.get("t_axis_deg")
    if qrs_axis is not None and t_axis is not None:
        out["qrs_t_angle_deg"] = abs((qrs_axis - t_axis + 180) % 360 - 180)
    if found.p_on is not None and found.p_off is not None:
        first, last = max(0, round(found.p_on)), round(found.p_off)
        out["p_axis_deg"] = _axis(beat - beat[:, first : first + 1], first, last, _SMALL_AXIS_UV)
        out["ptf_v1_mms"] = _terminal_force(beat[LEADS.index("V1"), first : last + 1], rate_hz)
    qrs = beat[:, on : off + 1] / 1e3

    def highest(lead: str) -> float:
        return float(np.maximum(0.0, qrs[LEADS.index(lead)].max()))

    def deepest(lead: str) -> float:
        return float(np.maximum(0.0, -qrs[LEADS.index(lead)].min()))

    sums = {
        "rv5_mv": highest("V5"),
        "sv1_mv": deepest("V1"),
        "rv5_sv1_mv": highest("V5") + deepest("V1"),
        "sokolow_mv": float(np.fmax(highest("V5"), highest("V6"))) + deepest("V1"),
        "cornell_mv": highest("aVL") + deepest("V3"),
    }
    return out | {name: round(value, 3) for name, value in sums.items() if np.isfinite(value)}


def _terminal_force(p_v1: Array, rate_hz: float) -> float | None:
    """Depth × duration of the last negative part of P in V1, mm·s at 10 mm/mV, 0 or less.

    Morris et al., "P-wave analysis in valvular heart disease", 1964, where −0.04 mm·s is the limit.
    """
    if not np.isfinite(p_v1).all() or p_v1.size < 3:
        return None
    away = (p_v1 - np.linspace(p_v1[0], p_v1[-1], p_v1.size)) / 1e3
    trough = int(away.argmin())
    if away[trough] >= 0 or trough < away.argmax():
        return 0.0
    left = np.flatnonzero(away[:trough] >= 0)
    start = int(left[-1]) if left.size else 0
    return round(10 * float(away[trough]) * (away.size - 1 - start) / rate_hz, 4)


def _axis(beat: Array, start: int, end: int, least_uv: float) -> float | None:
    """Frontal axis in degrees from the mean of I and aVF; None without them or where they are too small.

    aVF is longer by √3/2 than a lead of Einthoven's triangle, so it is scaled by 2/√3.
    """
    if end - start < 2:
        return None
    part = beat[:, start : end + 1]
    x = float(part[LEADS.index("I")].mean())
    y = float(part[LEADS.index("aVF")].mean()) * 2 / 3**0.5
    peak = float(np.hypot(part[LEADS.index("I")], part[LEADS.index("aVF")]).max())
    if not np.isfinite(x + y) or peak < least_uv or np.hypot(x, y) < 0.03 * peak:
        return None
    return float(round(np.degrees(np.arctan2(y, x))))
