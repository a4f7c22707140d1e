"""Beats on any number of leads: where they are, and the usual one; numpy only.

The station's core process shows a heart rate with it. How QRS are told from everything else is in
`deflections` and `qrs`.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg import deflections, pacing, qrs
from ecg.pacing import spikes as spikes

Array = NDArray[np.float64]
Beats = NDArray[np.int64]

_LEAST_S = 0.5
"""Shorter strips hold no beat that could be told from anything else."""
_CHUNK_S, _MARGIN_S = 600.0, 30.0
"""Long strips are read in pieces, so that memory does not grow with them; margins are read twice, so that
every beat has its neighbours."""
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


def _fill(samples: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Gaps bridged by straight lines, offset removed; and where there was data."""
    finite = np.isfinite(samples)
    if finite.all():
        return samples - samples.mean(axis=1, keepdims=True), finite
    out = np.zeros_like(samples)
    at = np.arange(samples.shape[1])
    for row, mask, target in zip(samples, finite, out, strict=True):
        if mask.any():
            target[:] = np.interp(at, at[mask], row[mask] - row[mask].mean())
    return out, finite


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
    return np.asarray(found[(found > edge) & (found < filled.shape[1] - 1 - edge)])


def _pieces(n: int, rate_hz: float) -> Iterator[tuple[int, int, int, int]]:
    """(first, end) to read and (low, high) to keep."""
    step, margin = round(_CHUNK_S * rate_hz), round(_MARGIN_S * rate_hz)
    count = max(1, -(-(n - 2 * margin) // step))
    for k in range(count):
        low, high = (k * step + margin if k else 0), ((k + 1) * step + margin if k < count - 1 else n)
        yield max(0, low - margin), min(n, high + margin), low, high


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
        for first, end, low, high in _pieces(data.shape[1], rate_hz)
    ]
    return np.concatenate(found)


def _detect(data: Array, rate_hz: float) -> Beats:
    data[~np.isfinite(data)] = np.nan
    filled, finite = _fill(data)
    dead = np.asarray(~finite.any(axis=0))
    if dead.all():
        return np.zeros(0, dtype=np.int64)
    filled = pacing.without(filled, spikes(data, rate_hz), rate_hz)
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


def representative(samples: NDArray[Any], r_peaks: Beats, rate_hz: float) -> Representative | None:
    """The median beat of the largest group of like beats, aligned on QRS; None with fewer than three.

    Samples are (n_leads, n) µV, NaN allowed; 400 ms before R to 650 ms after (or to the next P) are kept.
    """
    data = np.asarray(samples, dtype=np.float64)
    filled = _fill(data)[0]
    before, after = round(0.4 * rate_hz), round(0.65 * rate_hz)
    whole = np.flatnonzero((r_peaks >= before) & (r_peaks + after < data.shape[1]))
    if whole.size < 3:
        return None
    banded = deflections.bandpass(filled, rate_hz, 1.0, 30.0)
    reach, slack = round(0.06 * rate_hz), round(0.02 * rate_hz)
    window = np.arange(-reach, reach + 1)
    cuts = banded[:, r_peaks[whole][:, None] + window].transpose(1, 0, 2).reshape(whole.size, -1)
    cuts = cuts / np.maximum(np.linalg.norm(cuts, axis=1, keepdims=True), 1e-9)
    likeness = cuts @ cuts.T
    centre = int((likeness > 0.85).sum(axis=1).argmax())
    group = whole[likeness[centre] > 0.85]
    if group.size < 3:
        return None
    pattern = np.median(cuts[likeness[centre] > 0.85], axis=0).reshape(len(data), -1)
    aligned = []
    for beat in group:
        shifts = [k for k in range(-slack, slack + 1) if r_peaks[beat] + k >= reach]
        fit = [float((banded[:, r_peaks[beat] + k + window] * pattern).sum()) for k in shifts]
        aligned.append(int(r_peaks[beat]) + shifts[int(np.argmax(fit))])
    at = np.array(aligned)
    keep = (at >= before) & (at + after < data.shape[1])
    at, group = at[keep], group[keep]
    if at.size < 3:
        return None
    pieces = filled[:, at[:, None] + np.arange(-before, after)[None, :]]
    baseline = np.median(pieces[:, :, before - round(0.1 * rate_hz) : before - round(0.05 * rate_hz)], axis=2)
    beat = np.median(pieces - baseline[:, :, None], axis=1)
    intervals = np.diff(r_peaks) / rate_hz
    own = [intervals[k - 1] for k in group if k > 0]
    return Representative(beat, before, group, float(np.median(own or intervals)))
