"""QRS detection on any number of leads; numpy only, since the station's core process shows a heart rate.

Two passes over a feature that is large where all leads are steep: candidates against a local level, then
the doubtful ones (T waves, search back) by comparing each with its neighbours.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Beats = NDArray[np.int64]

_PASS_HZ = (4.5, 18.0)
"""Band where QRS stands out most from P, T, wander and muscle."""
_SMOOTH_S = 0.07
_REFRACTORY_S = 0.22
"""No two ventricular beats are closer (a heart rate of 270)."""
_T_WAVE_S = 0.36
"""Until here after a beat a candidate may be its T wave."""
_T_RATIO = 0.5
_P_WAVE_S = 0.28
"""A candidate this close before a beat may be its P wave."""
_P_RATIO = 0.8
_SURE = 0.36
"""Height, against the local level, from which a candidate is a beat unless it is a P or T wave."""
_DOUBTFUL = 0.20
"""Height from which search back takes a candidate."""
_SEARCH_BACK = 1.5
_LEAST_UV = 60.0
_PEAK_REACH_S = 0.08
_BASELINE_S = 0.25
_MUSCLE_S = 0.02
_LEVEL_S = 1.5
"""Stretch in which one beat at least is expected."""


def _fill(samples: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Gaps bridged by straight lines, offset removed; and where there was data."""
    finite = np.isfinite(samples)
    if finite.all():
        return samples - np.median(samples, axis=1, keepdims=True), finite
    out = np.zeros_like(samples)
    at = np.arange(samples.shape[1])
    for row, mask, target in zip(samples, finite, out, strict=True):
        if mask.any():
            target[:] = np.interp(at, at[mask], row[mask] - np.median(row[mask]))
    return out, finite


def _bandpass(samples: Array, rate_hz: float, low_hz: float, high_hz: float) -> Array:
    """Zero-phase band-pass by spectrum, soft edges; the ends are mirrored so that nothing rings there."""
    n = samples.shape[1]
    pad = min(n - 1, round(0.5 * rate_hz))
    mirrored = np.concatenate(
        [
            2 * samples[:, :1] - samples[:, pad:0:-1],
            samples,
            2 * samples[:, -1:] - samples[:, -2 : -pad - 2 : -1],
        ],
        axis=1,
    )
    size = _fast_size(mirrored.shape[1])
    frequency = np.fft.rfftfreq(size, 1 / rate_hz)
    gain = 1 / np.sqrt(1 + (frequency / high_hz) ** 8)
    with np.errstate(divide="ignore"):
        gain /= np.sqrt(1 + (low_hz / frequency) ** 6)
    return np.fft.irfft(np.fft.rfft(mirrored, size, axis=1) * gain, size, axis=1)[:, pad : pad + n]


def _fast_size(n: int) -> int:
    """The next length whose factors are 2, 3 and 5."""
    best = 1 << max(0, n - 1).bit_length()
    for five in range(8):
        for three in range(8):
            odd = 5**five * 3**three
            if odd < best:
                best = min(best, odd << max(0, -(-n // odd) - 1).bit_length())
    return best


def _smooth(values: Array, width: int) -> Array:
    """Centred moving mean along the last axis."""
    before = width // 2
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(before + 1, width - before - 1)], mode="edge")
    total = np.cumsum(padded, axis=-1)
    return np.asarray((total[..., width:] - total[..., :-width]) / width)


def _steepness(filled: Array, rate_hz: float) -> tuple[Array, Array]:
    """The feature (n,), large at QRS in whatever lead; and the weight (n_leads,) of each lead in it.

    Each lead counts by how far its beats stand out of what lies between them, so that a noisy or a flat
    lead does not drown the others.
    """
    slope = np.gradient(_bandpass(filled, rate_hz, *_PASS_HZ), axis=1) * rate_hz
    energy = np.maximum(_smooth(slope * slope, max(3, round(_SMOOTH_S * rate_hz))), 0)
    if len(filled) == 1:
        return np.sqrt(energy[0]), np.ones(1)
    level = np.sqrt(_levels(energy, rate_hz))
    between = np.sqrt(np.median(energy, axis=1))
    weight = np.where(level > 0, np.maximum(level - 2 * between, 0) / np.maximum(level, 1e-9) ** 2, 0.0)
    if not weight.any():
        weight = 1 / np.maximum(level, 1e-9)
    return np.sqrt((weight[:, None] ** 2 * energy).sum(axis=0)), weight


def _peaks(at: Beats, filled: Array, weight: Array, rate_hz: float) -> Beats:
    """The R peak of each beat: where the leads together are farthest from their baseline.

    The baseline is the mean of 250 ms around: wander goes, the QRS stays as it is. A candidate that is
    nowhere as high as _LEAST_UV is no beat: the other thresholds are relative, and would find beats in the
    noise of an asystole.
    """
    if not at.size:
        return at
    away = filled - _smooth(filled, round(_BASELINE_S * rate_hz))
    away = _smooth(away, max(1, round(_MUSCLE_S * rate_hz)))
    size = np.abs(away[0]) if len(away) == 1 else np.sqrt(((weight[:, None] * away) ** 2).sum(axis=0))
    reach = round(_PEAK_REACH_S * rate_hz)
    high = np.lib.stride_tricks.sliding_window_view(np.pad(np.abs(away).max(axis=0), reach), 2 * reach + 1)[
        at
    ].max(axis=1)
    at = at[high >= _LEAST_UV]
    window = at[:, None] + np.arange(-reach, reach + 1)[None, :]
    inside = (window >= 0) & (window < size.size)
    values = np.where(inside, size[np.clip(window, 0, size.size - 1)], -1.0)
    return np.asarray(np.unique(at + values.argmax(axis=1) - reach))


def _levels(values: Array, rate_hz: float) -> Array:
    """Per row: the median of the maxima of successive stretches, a typical beat's height."""
    width = max(1, min(values.shape[1], round(_LEVEL_S * rate_hz)))
    n = values.shape[1] // width * width
    return np.asarray(np.median(values[:, :n].reshape(len(values), -1, width).max(axis=2), axis=1))


def _local_level(feature: Array, rate_hz: float) -> Array:
    """(n,) typical height of the beats around each sample: median over nine stretches of 1.5 s."""
    width = max(1, min(feature.size, round(_LEVEL_S * rate_hz)))
    n = feature.size // width
    tops = feature[: n * width].reshape(n, width).max(axis=1)
    half = 4
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(tops, half, mode="reflect" if n > half else "edge"), 2 * half + 1
    )
    level = np.median(around, axis=1)
    return np.asarray(np.interp(np.arange(feature.size), (np.arange(n) + 0.5) * width, level))


def _maxima(feature: Array, distance: int, floor: Array) -> Beats:
    """Local maxima above floor, the higher one of any two closer than distance."""
    inner = (feature[1:-1] >= feature[:-2]) & (feature[1:-1] > feature[2:]) & (feature[1:-1] > floor[1:-1])
    at = np.flatnonzero(inner) + 1
    kept = np.ones(at.size, dtype=bool)
    for k in np.argsort(-feature[at], kind="stable").tolist():
        if not kept[k]:
            continue
        j = k - 1
        while j >= 0 and at[k] - at[j] < distance:
            kept[j] = False
            j -= 1
        j = k + 1
        while j < at.size and at[j] - at[k] < distance:
            kept[j] = False
            j += 1
    return at[kept].astype(np.int64)


def _choose(at: Beats, feature: Array, level: Array, rate_hz: float) -> Beats:
    """Beats among the candidates: those above a local threshold, less P and T waves, plus search back."""
    height = feature[at] / np.maximum(level[at], 1e-9)
    time_s = at / rate_hz
    chosen: list[int] = []
    for k in range(at.size):
        if height[k] < _SURE:
            continue
        after_s = time_s[k] - time_s[chosen[-1]] if chosen else np.inf
        if after_s < _P_WAVE_S and height[chosen[-1]] < _P_RATIO * height[k]:
            chosen.pop()
        elif after_s < _T_WAVE_S and height[k] < _T_RATIO * height[chosen[-1]]:
            continue
        chosen.append(k)
    if len(chosen) < 2:
        return at[chosen]
    rr = np.diff(time_s[chosen])
    found: list[int] = []
    for i, (a, b) in enumerate(pairwise(chosen)):
        usual = float(np.median(rr[max(0, i - 8) : i + 9]))
        if rr[i] < _SEARCH_BACK * usual:
            continue
        inside = [
            k
            for k in range(a + 1, b)
            if height[k] > _DOUBTFUL
            and time_s[k] - time_s[a] > _T_WAVE_S
            and time_s[b] - time_s[k] > _T_WAVE_S
        ]
        if inside:
            found.append(max(inside, key=height.__getitem__))
    return at[sorted(chosen + found)]


def detect(samples: NDArray[Any], rate_hz: float) -> Beats:
    """R peaks as sample numbers, ascending, from (n_leads, n) or (n,) µV with NaN gaps.

    One beat, one number, whatever the count of leads; none inside a gap of all leads.
    """
    data = np.atleast_2d(np.asarray(samples, dtype=np.float64))
    if data.shape[1] < round(0.5 * rate_hz) or not np.isfinite(data).any():
        return np.zeros(0, dtype=np.int64)
    filled, finite = _fill(data)
    feature, weight = _steepness(filled, rate_hz)
    feature[~finite.any(axis=0)] = 0.0
    level = _local_level(feature, rate_hz)
    at = _maxima(feature, round(_REFRACTORY_S * rate_hz), 0.1 * level)
    return _peaks(_choose(at, feature, level, rate_hz), filled, weight, rate_hz)


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
    banded = _bandpass(filled, rate_hz, 1.0, 30.0)
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
