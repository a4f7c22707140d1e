"""What each lead shows in the representative beat: the waves of its QRS, ST, P and T, in mV and ms.

Amplitudes are signed and stand against the level just before the QRS; Q, S, S′ and the negative parts of P
and T are 0 or less. numpy only.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ecg.beats import Representative
from ecg.delineate import Boundaries, Delineation, Waves
from ecg.leads import LEADS

Array = NDArray[np.float64]

PER_LEAD: tuple[str, ...] = (
    "p_mv",
    "p_neg_mv",
    "p_ms",
    "pr_ms",
    "q_mv",
    "q_ms",
    "r_mv",
    "r_ms",
    "s_mv",
    "s_ms",
    "r2_mv",
    "r2_ms",
    "s2_mv",
    "s2_ms",
    "qrs_ms",
    "qrs_pp_mv",
    "vat_ms",
    "j_mv",
    "st20_mv",
    "st40_mv",
    "st60_mv",
    "st80_mv",
    "t_mv",
    "t_neg_mv",
    "qt_ms",
)
"""Every id of a lead's table. 0: looked for and not there; None: cannot be said. A QS complex is all Q."""

_FEWEST_BEATS = 3
_ST_MS = (20, 40, 60, 80)
_LEAST_UV, _LEAST_MS = 20.0, 6.0
"""Smallest deflection that is a wave (CSE Working Party, recommendations for measurement standards, 1985)."""
_LEVEL_MS = 16.0
_POINT_MS = 4.0
"""Half width of the mean that makes the level at a point of the ST segment."""


def per_lead(
    usual: Representative | None, found: Boundaries, waves: Delineation, rate_hz: float
) -> dict[str, dict[str, float | None]]:
    """Lead → id of PER_LEAD → value, from the representative beat (12, m) µV, NaN rows allowed.

    The lead's own durations are the middle of its beat by beat boundaries; all else stands against the
    boundaries of all leads.
    """
    empty: dict[str, float | None] = dict.fromkeys(PER_LEAD)
    if usual is None or found.qrs_on is None or found.qrs_off is None:
        return {name: dict(empty) for name in LEADS}
    spans = _spans(waves, usual.members, rate_hz)
    return {
        name: empty | (_lead(row, found, rate_hz) | own if np.isfinite(row).all() else {})
        for name, row, own in zip(LEADS, usual.beat, spans, strict=True)
    }


def _spans(waves: Delineation, members: NDArray[np.int64], rate_hz: float) -> list[dict[str, float | None]]:
    """Durations in each lead itself, the median of the beats that have it: half of them, three at least."""
    points = np.array(waves.per_lead)[:, :, members]
    index = {name: k for k, name in enumerate(Waves._fields)}
    ends = {
        "p_ms": ("p_on", "p_off"),
        "pr_ms": ("p_on", "qrs_on"),
        "qrs_ms": ("qrs_on", "qrs_off"),
        "qt_ms": ("qrs_on", "t_off"),
    }
    out: list[dict[str, float | None]] = [{} for _ in points]
    for name, (start, end) in ends.items():
        span = np.sort(points[:, index[end]] - points[:, index[start]], axis=1)
        counts = np.isfinite(span).sum(axis=1)
        for own, row, count in zip(out, span, counts.tolist(), strict=True):
            if count >= max(_FEWEST_BEATS, members.size / 2):
                middle = float(row[(count - 1) // 2] + row[count // 2]) / 2
                own[name] = round(middle / rate_hz * 1e3, 1)
    return out


def _lead(row: Array, found: Boundaries, rate_hz: float) -> dict[str, float | None]:
    assert found.qrs_on is not None
    assert found.qrs_off is not None
    on, off = max(0, round(found.qrs_on)), min(row.size - 1, round(found.qrs_off))
    x = (row - row[max(0, on - round(_LEVEL_MS * rate_hz / 1e3)) : on + 1].mean()) / 1e3
    out = _qrs(x, on, off, rate_hz)
    half = round(_POINT_MS * rate_hz / 1e3)
    for name, after_ms in (("j_mv", 0), *((f"st{ms}_mv", ms) for ms in _ST_MS)):
        at = off + round(after_ms * rate_hz / 1e3)
        if at + half < x.size:
            out[name] = round(float(x[at - half : at + half + 1].mean()), 3)
    if found.t_off is not None:
        first = off + round(max(_ST_MS) * rate_hz / 1e3)
        part = x[first : min(x.size, round(found.t_off) + 1)]
        if part.size:
            out["t_mv"], out["t_neg_mv"] = _both(part)
    if found.p_on is not None and found.p_off is not None:
        part = x[max(0, round(found.p_on)) : round(found.p_off) + 1]
        if part.size > 2:
            out["p_mv"], out["p_neg_mv"] = _both(part - np.linspace(part[0], part[-1], part.size))
    return out


def _both(part: Array) -> tuple[float, float]:
    """The positive and the negative extreme."""
    return round(max(0.0, float(part.max())), 3), round(min(0.0, float(part.min())), 3)


def _qrs(x: Array, on: int, off: int, rate_hz: float) -> dict[str, float | None]:
    """The waves between on and off, named in their order, and the time to the last R."""
    part = x[on : off + 1]
    edges = [0, *(np.flatnonzero(np.diff(np.signbit(part))) + 1).tolist(), part.size]
    spans = [
        (a, b, float(part[a + int(np.abs(part[a:b]).argmax())]))
        for a, b in pairwise(edges)
        if (b - a) / rate_hz * 1e3 >= _LEAST_MS
    ]
    spans = [span for span in spans if abs(span[2]) >= _LEAST_UV / 1e3]
    merged: list[tuple[int, int, float]] = []
    for a, b, top in spans:
        if merged and (merged[-1][2] > 0) == (top > 0):
            merged[-1] = (merged[-1][0], b, max(merged[-1][2], top, key=abs))
        else:
            merged.append((a, b, top))
    names = ["r", "s", "r2", "s2"] if merged and merged[0][2] > 0 else ["q", "r", "s", "r2", "s2"]
    out: dict[str, float | None] = {
        f"{n}_{unit}": 0.0 for n in ["q", "r", "s", "r2", "s2"] for unit in ("mv", "ms")
    }
    out["qrs_pp_mv"] = round(float(np.ptp(part)), 3)
    for name, (a, b, top) in zip(names, merged, strict=False):
        out[f"{name}_mv"], out[f"{name}_ms"] = round(top, 3), round((b - a) / rate_hz * 1e3, 1)
        if top > 0:
            out["vat_ms"] = round((a + int(part[a:b].argmax())) / rate_hz * 1e3, 1)
    return out
