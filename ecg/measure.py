"""The measurement set of a stored twelve-lead recording: rate, intervals, QTc, axes, amplitudes.

A number that is not certain is None, never a guess. Needs scipy (zero-phase filter); ids are those of the
measurement table of the common language.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg import beats, quality
from ecg.delineate import Boundaries, delineate
from ecg.filters import BANDS, stored
from ecg.leads import LEADS

Array = NDArray[np.float64]

MEASUREMENTS: tuple[str, ...] = (
    "heart_rate",
    "rr_ms",
    "p_ms",
    "pr_ms",
    "qrs_ms",
    "qt_ms",
    "qtcf_ms",
    "qtcb_ms",
    "p_axis_deg",
    "qrs_axis_deg",
    "t_axis_deg",
    "rv5_mv",
    "sv1_mv",
    "rv5_sv1_mv",
)
"""Every id `measure` answers for."""

_FEWEST_BEATS = 3
_NOISY = ("muscle_noise", "mains_noise", "baseline_wander")
_P_STEADY = 0.75
"""Share of beats that must show the P wave for there to be one: f waves do not come back in step."""
_AXIS_UV = 100.0
"""Net I and aVF together below which a QRS axis means nothing."""
_SMALL_AXIS_UV = 30.0
"""The same for P and T."""


def measure(
    samples: NDArray[Any], rate_hz: float, usable: Collection[str] | None = None
) -> dict[str, float | None]:
    """Measurements of (12, n) µV in the order of LEADS, raw, NaN where there is no data.

    `usable` names the leads to trust; None: those `quality.assess` finds usable. The rate alone is also
    taken from noisy leads where no better one is left: beats stand out longer than boundaries do.
    Raises ValueError for another number of leads.
    """
    data = np.asarray(samples, dtype=np.float64)
    if data.ndim != 2 or data.shape[0] != len(LEADS):
        raise ValueError(f"twelve leads wanted, samples have shape {data.shape}")
    out: dict[str, float | None] = dict.fromkeys(MEASUREMENTS)
    judged = quality.assess(data, rate_hz, LEADS)
    rows = [
        k
        for k, name in enumerate(LEADS)
        if name in (judged.usable if usable is None else usable) and np.isfinite(data[k]).any()
    ]
    noisy = [k for k, name in enumerate(LEADS) if judged.per_lead[name] in _NOISY]
    r_peaks = beats.detect(data[rows or noisy], rate_hz) if rows or noisy else np.zeros(0, dtype=np.int64)
    if r_peaks.size < _FEWEST_BEATS:
        return out
    rr_s = float(np.diff(r_peaks).mean()) / rate_hz
    out |= {"heart_rate": round(60.0 / rr_s, 1), "rr_ms": round(rr_s * 1e3, 1)}
    if not rows:
        return out
    diagnostic = BANDS["diagnostic"]
    clean = np.full(data.shape, np.nan)
    clean[rows] = stored(data[rows], rate_hz, diagnostic.highpass_hz, diagnostic.lowpass_hz)
    usual = beats.representative(clean[rows], r_peaks, rate_hz)
    if usual is None:
        return out
    found = delineate(usual.beat, usual.r_index, rate_hz, usual.rr_s)
    if found.p_on is not None and not _steady_p(clean[rows], r_peaks, usual, found, rate_hz):
        found = found._replace(p_on=None, p_off=None)
    out |= _intervals(found, rate_hz, usual.rr_s)
    beat = np.full((len(LEADS), usual.beat.shape[1]), np.nan)
    beat[rows] = usual.beat
    return out | _amplitudes(beat, found, rate_hz)


def _steady_p(
    clean: Array, r_peaks: beats.Beats, usual: beats.Representative, found: Boundaries, rate_hz: float
) -> bool:
    """Does each beat show the P wave of the representative one?"""
    assert found.p_on is not None
    assert found.p_off is not None
    margin = 0.02 * rate_hz
    first, last = round(found.p_on - margin), round(found.p_off + margin)
    if first < 0:
        return False
    filled = np.nan_to_num(clean)
    ramp = np.linspace(0, 1, last - first)

    def level(piece: Array) -> Array:
        return piece - piece[:, :1] * (1 - ramp) - piece[:, -1:] * ramp

    pattern = level(usual.beat[:, first:last])
    power = float((pattern * pattern).sum())
    shares = []
    for r in r_peaks[usual.members].tolist():
        start = r - usual.r_index + first
        if start >= 0 and start + last - first <= filled.shape[1]:
            shares.append(float((level(filled[:, start : start + last - first]) * pattern).sum()) / power)
    share = np.array(shares)
    return bool(share.size >= _FEWEST_BEATS and np.mean((share > 0.4) & (share < 1.8)) >= _P_STEADY)


def _intervals(found: Boundaries, rate_hz: float, rr_s: float) -> dict[str, float | None]:
    def span_ms(start: float | None, end: float | None) -> float | None:
        return None if start is None or end is None else round((end - start) / rate_hz * 1e3, 1)

    qt_ms = span_ms(found.qrs_on, found.t_off)
    return {
        "p_ms": span_ms(found.p_on, found.p_off),
        "pr_ms": span_ms(found.p_on, found.qrs_on),
        "qrs_ms": span_ms(found.qrs_on, found.qrs_off),
        "qt_ms": qt_ms,
        # QT in ms, RR in s (spec-clinical 5.1): Fridericia, Bazett.
        "qtcf_ms": None if qt_ms is None else round(qt_ms / rr_s ** (1 / 3), 1),
        "qtcb_ms": None if qt_ms is None else round(qt_ms / rr_s**0.5, 1),
    }


def _amplitudes(beat: Array, found: Boundaries, rate_hz: float) -> dict[str, float | None]:
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
    if found.p_on is not None and found.p_off is not None:
        first, last = max(0, round(found.p_on)), round(found.p_off)
        p_level = beat[:, first : first + 1]
        out["p_axis_deg"] = _axis(beat - p_level, first, last, _SMALL_AXIS_UV)
    qrs = beat[:, on : off + 1] / 1e3
    r_v5, s_v1 = qrs[LEADS.index("V5")].max(), -qrs[LEADS.index("V1")].min()
    if np.isfinite(r_v5):
        out["rv5_mv"] = round(max(0.0, float(r_v5)), 3)
    if np.isfinite(s_v1):
        out["sv1_mv"] = round(max(0.0, float(s_v1)), 3)
    if np.isfinite(r_v5 + s_v1):
        out["rv5_sv1_mv"] = round(max(0.0, float(r_v5)) + max(0.0, float(s_v1)), 3)
    return out


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
