"""Boundaries of P, QRS and T, beat by beat and on the representative beat; absent where they are not certain.

QRS by the spatial velocity of all leads, T end by the tangent at its steepest fall, P only if it stands
clear of the noise and comes back beat by beat. numpy only.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg import beats

Array = NDArray[np.float64]

_QUIET_S = 0.018
"""A QRS ends where the velocity stays low this long."""
_NOISE = 3.0
_QRS_ON_SHARE = 0.05
_QRS_OFF_SHARE = 0.06
"""Share of the highest velocity that still belongs to the QRS."""
_QRS_ON_LEAD_S, _QRS_OFF_LAG_S = 0.013, 0.009
_P_ON_LEAD_S, _P_OFF_LAG_S = 0.020, 0.015
_T_OFF_LAG_S = 0.016
"""How much wider cardiologists mark a wave than these thresholds find it: mean differences on the LUDB
development records where both exist (98 with QRS, 76 with P, 95 with T). Reference: per beat the second
earliest onset and second latest end of twelve leads. Fitted there, so the bias there is zero by making."""
_LONGEST_BEFORE_S, _LONGEST_AFTER_S = 0.13, 0.19
_T_END_LEADS = 85
"""Percentile over leads: the latest ends, less the odd one."""
_T_SPREAD_S = 0.045
"""Quartiles of the leads' T ends farther apart than this agree on nothing."""
_P_SHARE = 0.25
_LEAST_T_UV = 50.0
_LEAST_P_UV = 25.0


class Boundaries(NamedTuple):
    """Sample numbers in the representative beat; None: not certain."""

    p_on: float | None = None
    p_off: float | None = None
    qrs_on: float | None = None
    qrs_off: float | None = None
    t_peak: float | None = None
    t_off: float | None = None


class Waves(NamedTuple):
    """The boundaries of each beat: (n_beats,) sample numbers in the strip, NaN where there is none."""

    p_on: Array
    p_peak: Array
    p_off: Array
    qrs_on: Array
    qrs_peak: Array
    qrs_off: Array
    t_on: Array
    t_peak: Array
    t_off: Array


class Delineation(NamedTuple):
    """Every beat in every lead, and in all leads together."""

    per_lead: tuple[Waves, ...]
    together: Waves
    """Earliest onset to latest end over the leads."""


def waves(
    samples: NDArray[Any], rate_hz: float, r_peaks: beats.Beats, classes: Sequence[str] | None = None
) -> Delineation:
    """Boundaries of each beat of (n_leads, n) µV, NaN allowed, from its R peaks and, if known, classes."""
    data = np.atleast_2d(np.asarray(samples, dtype=np.float64))
    kinds = tuple(classes) if classes is not None else ("Q",) * r_peaks.size
    rows = [np.full((len(Waves._fields), r_peaks.size), np.nan) for _ in range(len(data) + 1)]
    for kind in sorted(set(kinds)):
        own = np.flatnonzero([k == kind for k in kinds])
        usual = beats.representative(data, r_peaks[own], rate_hz)
        if usual is None:
            continue
        members = own[usual.members]
        intervals = np.diff(r_peaks) / rate_hz
        rr_s = float(np.median(intervals[np.maximum(members - 1, 0)]))
        for row, beat in zip(rows, [usual.beat, *usual.beat[:, None, :]], strict=True):
            if np.isfinite(beat).any():
                found = delineate(np.nan_to_num(beat), usual.r_index, rate_hz, rr_s)
                row[:, members] = _points(found, beat)[:, None] - usual.r_index + r_peaks[members]
    each = [Waves(*row) for row in rows]
    return Delineation(tuple(each[1:]), each[0])


def _points(found: "Boundaries", beat: Array) -> Array:
    """The nine points of a beat in the order of Waves."""
    size = np.sqrt((beat * beat).mean(axis=0))

    def top(on: float | None, off: float | None) -> float | None:
        if on is None or off is None:
            return None
        first = max(0, round(on))
        return float(first + size[first : round(off) + 1].argmax())

    points = (
        found.p_on,
        top(found.p_on, found.p_off),
        found.p_off,
        found.qrs_on,
        top(found.qrs_on, found.qrs_off),
        found.qrs_off,
        None,
        found.t_peak,
        found.t_off,
    )
    return np.array([np.nan if v is None else v for v in points])


def delineate(beat: NDArray[Any], r_index: int, rate_hz: float, rr_s: float) -> Boundaries:
    """Boundaries of a beat (n_leads, m) µV with its R at r_index and a usual interval of rr_s seconds."""
    x = _smooth(np.asarray(beat, dtype=np.float64), max(1, round(0.008 * rate_hz)))
    velocity = np.sqrt((np.gradient(x, axis=1) ** 2).sum(axis=0)) * rate_hz
    on, off = _qrs(velocity, r_index, rate_hz)
    if on is None or off is None:
        return Boundaries()
    level = x[:, max(0, on - round(0.012 * rate_hz)) : on + 1].mean(axis=1, keepdims=True)
    t_peak, t_off = _t(x - level, off, rate_hz, rr_s, r_index)
    p_on, p_off = _p(x, on, t_off, rate_hz, rr_s, r_index)
    return Boundaries(
        p_on=None if p_on is None else p_on - _P_ON_LEAD_S * rate_hz,
        p_off=None if p_off is None else p_off + _P_OFF_LAG_S * rate_hz,
        qrs_on=on - _QRS_ON_LEAD_S * rate_hz,
        qrs_off=off + _QRS_OFF_LAG_S * rate_hz,
        t_peak=t_peak,
        t_off=None if t_off is None else t_off + _T_OFF_LAG_S * rate_hz,
    )


def _qrs(velocity: Array, r_index: int, rate_hz: float) -> tuple[int | None, int | None]:
    near = slice(max(0, r_index - round(0.1 * rate_hz)), r_index + round(0.1 * rate_hz))
    top = float(velocity[near].max(initial=0.0))
    before = velocity[max(0, r_index - round(0.3 * rate_hz)) : r_index - round(0.06 * rate_hz)]
    if top <= 0 or before.size < 5:
        return None, None
    quiet = float(np.percentile(before, 20))
    if top < 8 * quiet:
        return None, None
    run = max(2, round(_QUIET_S * rate_hz))
    on = _edge(
        velocity,
        r_index,
        -1,
        max(_NOISE * quiet, _QRS_ON_SHARE * top),
        run,
        round(_LONGEST_BEFORE_S * rate_hz),
    )
    off = _edge(
        velocity,
        r_index,
        1,
        max(_NOISE * quiet, _QRS_OFF_SHARE * top),
        run,
        round(_LONGEST_AFTER_S * rate_hz),
    )
    return on, off


def _edge(velocity: Array, start: int, step: int, threshold: float, run: int, longest: int) -> int | None:
    """The last sample above threshold before a quiet run, going from start by step; None if none comes."""
    last, i = start, start
    while 0 <= i < velocity.size and abs(i - start) <= longest + run:
        if velocity[i] > threshold:
            last = i
        elif abs(i - last) >= run and abs(i - start) > run:
            return last if abs(last - start) <= longest else None
        i += step
    return None


def _t(
    x: Array, qrs_off: int, rate_hz: float, rr_s: float, r_index: int
) -> tuple[float | None, float | None]:
    """T peak and end: in each lead the tangent at the steepest slope after the peak; the median of leads."""
    first = qrs_off + round(0.06 * rate_hz)
    last = min(x.shape[1], r_index + round(min(0.65, 0.75 * rr_s) * rate_hz))
    if last - first < round(0.08 * rate_hz):
        return None, None
    smooth = _smooth(x, max(1, round(0.024 * rate_hz)))
    peaks, ends = [], []
    for row in smooth:
        part = row[first:last]
        base = float(np.median(row[max(0, last - round(0.05 * rate_hz)) : last]))
        k = int(np.abs(part - base).argmax())
        height = float(part[k] - base)
        if abs(height) < _LEAST_T_UV or k < 2 or k > part.size - round(0.04 * rate_hz):
            continue
        slope = np.gradient(part)[k : k + round(0.16 * rate_hz)]
        steep = int((-np.sign(height) * slope).argmax())
        if slope[steep] == 0:
            continue
        end = k + steep - (part[k + steep] - base) / slope[steep]
        if k + steep <= end < part.size + round(0.02 * rate_hz):
            peaks.append(first + k)
            ends.append(first + end)
    if (
        len(ends) < max(1, min(3, len(x)))
        or np.percentile(ends, 75) - np.percentile(ends, 25) > 0.06 * rate_hz
    ):
        return None, None
    return float(np.median(peaks)), float(np.percentile(ends, _T_END_LEADS))


def _p(
    x: Array, qrs_on: int, t_off: float | None, rate_hz: float, rr_s: float, r_index: int
) -> tuple[float | None, float | None]:
    """P onset and end on the magnitude of all leads between the T before and the QRS."""
    smooth = _smooth(x, max(1, round(0.016 * rate_hz)))
    t_before = t_off - rr_s * rate_hz if t_off is not None else r_index - 0.55 * rr_s * rate_hz
    first = max(0, qrs_on - round(0.32 * rate_hz), round(t_before + 0.01 * rate_hz))
    last = qrs_on - round(0.012 * rate_hz)
    if last - first < round(0.1 * rate_hz):
        return None, None
    part = smooth[:, first:last]
    rest = np.median(smooth[:, last - round(0.02 * rate_hz) : last + 1], axis=1, keepdims=True)
    size = np.sqrt(((part - rest) ** 2).mean(axis=0))
    k = int(size.argmax())
    height = float(size[k])
    if height < _LEAST_P_UV or k < round(0.03 * rate_hz) or k > size.size - round(0.02 * rate_hz):
        return None, None
    floor = float(np.percentile(size, 15))
    threshold = floor + _P_SHARE * (height - floor)
    if height < 3 * max(floor, 3.0):
        return None, None
    left = np.flatnonzero(size[:k] < threshold)
    right = np.flatnonzero(size[k:] < threshold)
    if not left.size or not right.size:
        return None, None
    on, off = first + int(left[-1]), first + k + int(right[0])
    if not 0.05 < (off - on) / rate_hz < 0.18:
        return None, None
    return float(on), float(off)


def _smooth(values: Array, width: int) -> Array:
    """Centred moving mean along the last axis, ends held."""
    if width < 2:
        return values
    before = width // 2
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(before + 1, width - before - 1)], mode="edge")
    total = np.cumsum(padded, axis=-1)
    return np.asarray((total[..., width:] - total[..., :-width]) / width)
