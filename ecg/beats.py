"""Beats on any number of leads: where they are, and the usual one; numpy only.

The station's core process shows a heart rate with it. How QRS are told from everything else is in
`deflections` and `qrs`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg import deflections, pacing, qrs

Array = NDArray[np.float64]
Beats = NDArray[np.int64]

_LEAST_S = 0.5
"""Shorter strips hold no beat that could be told from anything else."""
_LEAST_UV = 60.0
"""A candidate that is nowhere this high is no beat: the other thresholds are relative, and would find beats
in the noise of an asystole."""
_MANY_LEADS, _LEAST_SLOPE_UV_PER_S = 8, 5000.0
"""In some lead of eight every QRS is steeper, over 20 ms: of the 155 LUDB and Challenge records the least is
6 µV a ms, a P wave of 0.15 mV has 4. P waves alone are a standstill."""
_EDGE_S = 0.05
"""Nearer to an end of the strip a QRS is cut off, and half a QRS is not told from half an artefact."""
_PEAK_REACH_S = 0.08
_BASELINE_S = 0.25
_MUSCLE_S = 0.02


def _peaks(at: Beats, filled: Array, weight: Array, rate_hz: float) -> Beats:
    """The R peak of each beat: where the leads together are farthest from their baseline.

    The baseline is the mean of 250 ms around: wander goes, the QRS stays as it is. Beats lower than
    _LEAST_UV or flatter than _LEAST_SLOPE_UV_PER_S and those that the strip's ends cut are left out.
    """
    if not at.size:
        return at
    reach = round(_PEAK_REACH_S * rate_hz)
    base, muscle = round(_BASELINE_S * rate_hz), max(1, round(_MUSCLE_S * rate_hz))
    pad = base // 2 + muscle
    offsets = np.arange(-reach - pad, reach + pad + 1)
    pieces = filled[:, np.clip(at[:, None] + offsets, 0, filled.shape[1] - 1)]
    away = deflections.mean_around(pieces - deflections.mean_around(pieces, base), muscle)[:, :, pad:-pad]
    high = np.abs(away).max(axis=(0, 2)) >= _LEAST_UV
    if len(filled) >= _MANY_LEADS:
        high &= np.abs(np.diff(away, axis=2)).max(axis=(0, 2)) * rate_hz >= _LEAST_SLOPE_UV_PER_S
    size = np.sqrt(np.einsum("l,lkn->kn", weight**2, away[:, high] ** 2))
    place = at[high, None] + offsets[pad:-pad]
    size = np.where((place >= 0) & (place < filled.shape[1]), size, -1.0)
    found = np.unique(at[high] + size.argmax(axis=1) - reach)
    edge = _EDGE_S * rate_hz
    return np.asarray(found[(found >= edge) & (found <= filled.shape[1] - 1 - edge)])


def detect(samples: NDArray[Any], rate_hz: float) -> Beats:
    """R peaks as sample numbers, ascending, from (n_leads, n) or (n,) µV with NaN gaps.

    One beat, one number, whatever the count of leads; none inside a gap of all leads, none in a strip
    shorter than half a second.
    """
    data = np.atleast_2d(np.asarray(samples))
    if data.ndim != 2 or data.shape[1] < max(8, round(_LEAST_S * rate_hz)):
        return np.zeros(0, dtype=np.int64)
    found = [
        (kept := _detect(data[:, first:end].astype(np.float64), rate_hz) + first)[
            (kept >= low) & (kept < high)
        ]
        for first, end, low, high in deflections.pieces(data.shape[1], rate_hz)
    ]
    return np.concatenate(found)


def _detect(data: Array, rate_hz: float) -> Beats:
    data[~np.isfinite(data)] = np.nan
    filled, finite = deflections.centred(data)
    dead = np.asarray(~finite.any(axis=0))
    if dead.all():
        return np.zeros(0, dtype=np.int64)
    filled = pacing.without(filled, pacing.spikes(data, rate_hz), rate_hz)
    of, weight = deflections.candidates(filled, rate_hz, dead)
    at = np.rint(of.at[qrs.choose(of)] * (rate_hz / of.rate_hz)).astype(np.int64)
    return _peaks(at, filled, weight, rate_hz)


class Representative(NamedTuple):
    """The usual beat of a recording: the median of those that look alike."""

    beat: Array
    """(n_leads, m) µV."""
    r_index: int
    """Sample of the R peak in it."""
    members: NDArray[np.int64]
    """Indices, into the R peaks given, of the beats it was made of."""
    rr_s: float
    """Median interval before its members."""


_BEFORE_S, _AFTER_S = 0.4, 0.65
_SHAPE_S, _SLACK_S = 0.06, 0.02
_ALIKE = 0.85
"""Correlation of the QRS from which on two beats are of one shape, as in qrs."""
_LEAST_BEATS, _MOST_BEATS = 3, 400
"""Of fewer no median is taken: two beats do not say which of them is the usual one. More change nothing."""
_USUAL_WITHIN_S = 600.0


def representative(samples: NDArray[Any], r_peaks: Beats, rate_hz: float) -> Representative | None:
    """The median beat of the largest group of like beats, aligned on QRS.

    Samples are (n_leads, n) or (n,) µV, NaN allowed; 400 ms before R to 650 ms after are kept. Pass the peaks
    of one class for the usual beat of that class. None where fewer than three whole beats are alike; a strip
    longer than ten minutes is read for ten.
    """
    data = np.atleast_2d(np.asarray(samples, dtype=np.float64))[:, : round(_USUAL_WITHIN_S * rate_hz)]
    before, after = round(_BEFORE_S * rate_hz), round(_AFTER_S * rate_hz)
    reach, slack = round(_SHAPE_S * rate_hz), round(_SLACK_S * rate_hz)
    whole = np.flatnonzero((r_peaks >= before + slack) & (r_peaks + after + slack < data.shape[1]))
    if whole.size < _LEAST_BEATS:
        return None
    if whole.size > _MOST_BEATS:
        whole = whole[np.linspace(0, whole.size - 1, _MOST_BEATS).astype(int)]
    filled = deflections.centred(data)[0]
    banded = deflections.bandpass(filled, rate_hz, 1.0, 30.0)
    window = np.arange(-reach, reach + 1)

    def shapes(at: Beats) -> Array:
        return banded[:, at[:, None] + window].transpose(1, 0, 2).reshape(at.size, -1)

    cuts = shapes(r_peaks[whole])
    cuts /= np.maximum(np.linalg.norm(cuts, axis=1, keepdims=True), deflections.TINY)
    alike = cuts @ cuts.T > _ALIKE
    group = alike[int(alike.sum(axis=1).argmax())]
    if group.sum() < _LEAST_BEATS:
        return None
    pattern, members = np.median(cuts[group], axis=0), whole[group]
    shifts = np.arange(-slack, slack + 1)
    fit = np.stack([shapes(r_peaks[members] + k) @ pattern for k in shifts.tolist()])
    at = r_peaks[members] + shifts[fit.argmax(axis=0)]
    pieces = filled[:, at[:, None] + np.arange(-before, after)]
    rest = slice(before - round(0.1 * rate_hz), before - round(0.05 * rate_hz))
    beat = np.median(pieces - np.median(pieces[:, :, rest], axis=2)[:, :, None], axis=1)
    intervals = np.diff(r_peaks) / rate_hz
    own = intervals[members[members > 0] - 1]
    return Representative(beat, before, members, float(np.median(own if own.size else intervals)))
