"""Deflections that may be QRS complexes, on any number of leads, and a first choice among them by rules.

Everything is seen at about 120 Hz, where a QRS still has its shape. numpy only.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ecg import gaps

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

RATE_HZ = 120.0
CHUNK_S, _MARGIN_S = 600.0, 30.0
"""Long strips are read in pieces, so that memory does not grow with them; margins are read twice, so that
every beat has its neighbours."""
_MIRROR_S = 0.5
_BANDS: dict[str, tuple[float, float, int, bool]] = {
    "energy": (4.5, 18.0, 8, True),
    "broad": (2.0, 9.0, 8, True),
    "muscle": (20.0, 40.0, 8, True),
    "slow": (1.0, 4.5, 8, True),
    "wave": (1.0, 25.0, 8, False),
    "drift": (0.3, 12.0, 8, False),
}
"""Low edge, high edge (Hz), order of the high edge, slope instead of height. The first is where QRS stands
out most from P, T, wander and muscle; the others are ours, one for each thing that is not a QRS."""
_SMOOTH_S = {"energy": 0.07, "broad": 0.12, "muscle": 0.10, "slow": 0.07}
_LEVEL_S = 1.5
"""Stretch in which one beat at least is expected."""
_APART_S = 0.12
"""Of two candidates nearer than this the higher one stands for both: they are parts of one QRS."""
_FLOOR = 0.08
"""Least height of a candidate against the level around. 99.94 % of the beats of the MIT-BIH development half
are above; those below cannot be seen in the first channel."""

_REFRACTORY_S = 0.22
_T_WAVE_S, _T_RATIO = 0.36, 0.5
_P_WAVE_S, _P_RATIO = 0.28, 0.8
_SURE, _DOUBTFUL, _SEARCH_BACK = 0.36, 0.20, 1.5
"""First choice, ours: heights against the level, times between beats, pause that is searched again."""

HALF, SLIDE = 10, 2
"""Samples: a shape is ± 83 ms, slid by ± 17 ms to fit."""
TINY = 1e-9


class Candidates(NamedTuple):
    """k places that may be beats, with what can be said of each without knowing the others."""

    at: Indices
    """(k,) samples at rate_hz."""
    rate_hz: float
    energy: Array
    """(n,) large where the leads together are steep."""
    broad: Array
    muscle: Array
    """(n,) the same in slower and in faster bands."""
    level: Array
    """(n,) height of the beats around."""
    shapes: Array
    """(5, k, n_leads · 21) normalised, for each shift."""
    size: Array
    norm: Array
    """(k,) peak to peak, and root of the sum of squares, of the shape before it was normalised."""
    broad_height: Array
    before: Array
    after: Array
    broad_before: Array
    broad_after: Array
    """(k,) highest within 280 ms but not 100 ms."""
    width_s: Array
    slowness: Array
    step: Array


def pieces(n: int, rate_hz: float, chunk_s: float = CHUNK_S) -> Iterator[tuple[int, int, int, int]]:
    """(first, end) to read and (low, high) to keep, of a strip of n samples."""
    step, margin = round(chunk_s * rate_hz), round(_MARGIN_S * rate_hz)
    count = max(1, -(-(n - 2 * margin) // step))
    for k in range(count):
        low, high = (k * step + margin if k else 0), ((k + 1) * step + margin if k < count - 1 else n)
        yield max(0, low - margin), min(n, high + margin), low, high


def centred(samples: Array) -> tuple[Array, Mask]:
    """(n_leads, n) with gaps bridged and offsets removed; and where there was data."""
    filled, finite = gaps.bridged(samples)
    if finite.all():
        return filled - filled.mean(axis=1, keepdims=True), finite
    count = np.maximum(finite.sum(axis=1, keepdims=True), 1)
    known = finite.any(axis=1, keepdims=True)
    return np.where(known, filled - np.where(finite, filled, 0).sum(axis=1, keepdims=True) / count, 0), finite


def _smooth_size(n: int) -> int:
    """The next length whose factors are 2, 3 and 5."""
    best = 1 << max(0, n - 1).bit_length()
    for five in range(8):
        for three in range(8):
            odd = 5**five * 3**three
            if odd < best:
                best = min(best, odd << max(0, -(-n // odd) - 1).bit_length())
    return best


def _sizes(n: int, rate_hz: float) -> tuple[int, int]:
    """Length of the transform at the given rate and at RATE_HZ, or near it where the ratio is not simple."""
    for step in range(1, 51):
        if abs(step * RATE_HZ / rate_hz - round(step * RATE_HZ / rate_hz)) < 1e-6:
            size = step * _smooth_size(-(-n // step))
            return size, max(1, round(size * RATE_HZ / rate_hz))
    size = _smooth_size(n)
    return size, max(1, round(size * RATE_HZ / rate_hz))


def _gains(size: int, seen: int, rate_hz: float, pad: int) -> dict[str, NDArray[np.complex128]]:
    """Band → its gain at each frequency, with the shift that drops the part before the first sample."""
    frequency = np.arange(seen // 2 + 1) * rate_hz / size
    shift = np.exp(2j * np.pi * frequency * pad / rate_hz) * (seen / size)
    out = {}
    for name, (low_hz, high_hz, order, slope) in _BANDS.items():
        gain = _gain(frequency, low_hz, high_hz, order) * shift
        out[name] = gain * (2j * np.pi * frequency) if slope else gain
    return out


def _gain(frequency: Array, low_hz: float, high_hz: float, order: int) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(1 / np.sqrt((1 + (frequency / high_hz) ** order) * (1 + (low_hz / frequency) ** 6)))


def _mirrored(filled: Array, pad: int, size: int) -> Array:
    """Point-mirrored at both ends by pad samples, then zeros up to the size of the transform."""
    n = filled.shape[1]
    out = np.zeros((len(filled), size))
    out[:, pad : pad + n] = filled
    out[:, :pad] = 2 * filled[:, :1] - filled[:, pad:0:-1]
    out[:, pad + n : 2 * pad + n] = 2 * filled[:, -1:] - filled[:, -2 : -pad - 2 : -1]
    return out


_kept_gains = lru_cache(maxsize=8)(_gains)
_KEPT_SIZE = 8192


def _bands(filled: Array, rate_hz: float) -> tuple[dict[str, Array], float]:
    """(n_leads, m) in each band, zero-phase, and the rate; ends are mirrored so that nothing rings there."""
    n = filled.shape[1]
    pad = min(n - 1, round(_MIRROR_S * rate_hz))
    size, seen = _sizes(n + 2 * pad, rate_hz)
    spectrum = np.fft.rfft(_mirrored(filled, pad, size), axis=1)[:, : seen // 2 + 1]
    if spectrum.shape[1] < seen // 2 + 1:
        spectrum = np.pad(spectrum, [(0, 0), (0, seen // 2 + 1 - spectrum.shape[1])])
    gains = (_kept_gains if seen <= _KEPT_SIZE else _gains)(size, seen, rate_hz, pad)
    count = -(-n * seen // size)
    return {k: np.fft.irfft(spectrum * g, seen, axis=1)[:, :count] for k, g in gains.items()}, (
        rate_hz * seen / size
    )


def bandpass(filled: Array, rate_hz: float, low_hz: float, high_hz: float) -> Array:
    """(n_leads, n) at the rate given, zero-phase, soft edges, ends mirrored."""
    n = filled.shape[1]
    pad = min(n - 1, round(_MIRROR_S * rate_hz))
    mirrored = _mirrored(filled, pad, _smooth_size(n + 2 * pad))
    size = mirrored.shape[1]
    gain = _gain(np.arange(size // 2 + 1) * rate_hz / size, low_hz, high_hz, 8)
    return np.fft.irfft(np.fft.rfft(mirrored, axis=1) * gain, size, axis=1)[:, pad : pad + n]


def mean_around(values: Array, width: int) -> Array:
    """Centred moving mean along the last axis; fewer samples at the ends."""
    n = values.shape[-1]
    total = np.zeros((*values.shape[:-1], n + 1))
    np.cumsum(values, axis=-1, out=total[..., 1:])
    first = np.maximum(np.arange(n) - width // 2, 0)
    end = np.minimum(np.arange(n) + width - width // 2, n)
    return np.asarray((total[..., end] - total[..., first]) / (end - first))


def _lead_weights(energy: Array, rate_hz: float) -> Array:
    """(n_leads,) how much each lead counts: how far its beats stand out of what lies between them.

    A noisy or a flat lead does not drown the others.
    """
    if len(energy) == 1:
        return np.ones(1)
    width = max(1, min(energy.shape[1], round(_LEVEL_S * rate_hz)))
    n = energy.shape[1] // width * width
    tops = energy[:, :n].reshape(len(energy), -1, width).max(axis=2)
    level = np.sqrt(np.median(tops, axis=1))
    between = np.sqrt(np.median(energy, axis=1))
    weight = np.where(level > 0, np.maximum(level - 2 * between, 0) / np.maximum(level, TINY) ** 2, 0.0)
    return weight if weight.any() else 1 / np.maximum(level, TINY)


def _local_level(energy: Array, rate_hz: float) -> Array:
    """(n,) typical height of the beats around each sample: median over nine stretches of 1.5 s."""
    width = max(1, min(energy.size, round(_LEVEL_S * rate_hz)))
    n = energy.size // width
    tops = energy[: n * width].reshape(n, width).max(axis=1)
    half = 4
    around = sliding_window_view(np.pad(tops, half, mode="reflect" if n > half else "edge"), 2 * half + 1)
    return np.asarray(
        np.interp(np.arange(energy.size), (np.arange(n) + 0.5) * width, np.median(around, axis=1))
    )


def _apart(at: Indices, height: Array, distance: float) -> Mask:
    """The higher one of any two closer than distance."""
    kept = [True] * at.size
    places = at.tolist()
    for k in np.argsort(-height, kind="stable").tolist():
        if not kept[k]:
            continue
        j = k - 1
        while j >= 0 and places[k] - places[j] < distance:
            kept[j] = False
            j -= 1
        j = k + 1
        while j < len(places) and places[j] - places[k] < distance:
            kept[j] = False
            j += 1
    return np.array(kept, dtype=bool)


def candidates(filled: Array, rate_hz: float, dead: Mask | None = None) -> tuple[Candidates, Array]:
    """Every place in (n_leads, n) µV without gaps that may be a beat, and each lead's weight (n_leads,).

    dead: (n,) where no lead has data; there is none there.
    """
    bands, seen_hz = _bands(filled, rate_hz)
    power = {
        name: np.maximum(mean_around(bands[name] ** 2, max(3, round(width_s * seen_hz))), 0)
        for name, width_s in _SMOOTH_S.items()
    }
    weight = _lead_weights(power["energy"], seen_hz)
    energy, broad, muscle, slow = (np.sqrt(weight**2 @ power[name]) for name in _SMOOTH_S)
    if dead is not None and dead.any():
        energy[dead[np.minimum((np.arange(energy.size) * rate_hz / seen_hz).astype(int), dead.size - 1)]] = 0
    level = _local_level(energy, seen_hz)
    inner = energy[1:-1]
    at = np.flatnonzero((inner >= energy[:-2]) & (inner > energy[2:]) & (inner > _FLOOR * level[1:-1])) + 1
    at = at[_apart(at, energy[at], round(_APART_S * seen_hz))].astype(np.int64)
    wave, drift = weight[:, None] * bands["wave"], weight[:, None] * bands["drift"]
    shapes, size, norm = _shapes(wave, at)
    reach, near, half = round(0.28 * seen_hz), round(0.1 * seen_hz), HALF + 2
    view = _windows(energy, at, reach)
    broad_view = _windows(broad, at, reach)
    total = np.concatenate([np.zeros((len(drift), 1)), np.cumsum(drift, axis=1)], axis=1)
    late = _mean_of(total, at + round(0.10 * seen_hz), at + round(0.20 * seen_hz))
    early = _mean_of(total, at - round(0.16 * seen_hz), at - round(0.08 * seen_hz))
    height = energy[at]
    found = Candidates(
        at=at,
        rate_hz=seen_hz,
        energy=energy,
        broad=broad,
        muscle=muscle,
        level=level,
        shapes=shapes,
        size=size,
        norm=norm,
        broad_height=broad_view[:, reach - near // 2 : reach + near // 2 + 1].max(axis=1, initial=0),
        before=view[:, : reach - near + 1].max(axis=1, initial=0),
        after=view[:, reach + near :].max(axis=1, initial=0),
        broad_before=broad_view[:, : reach - near + 1].max(axis=1, initial=0),
        broad_after=broad_view[:, reach + near :].max(axis=1, initial=0),
        width_s=(view[:, reach - half : reach + half + 1] > 0.5 * height[:, None]).sum(axis=1) / seen_hz,
        slowness=np.log((slow[at] + TINY) / (height + TINY)),
        step=np.sqrt(((late - early) ** 2).sum(axis=0)),
    )
    return found, weight


def _windows(values: Array, at: Indices, reach: int) -> Array:
    """(k, 2 · reach + 1) around each place, zero beyond the ends."""
    return np.asarray(sliding_window_view(np.pad(values, reach), 2 * reach + 1)[at])


def _mean_of(total: Array, first: Indices, end: Indices) -> Array:
    """(n_leads, k) means of [first, end) from running totals."""
    n = total.shape[1] - 1
    first, end = np.clip(first, 0, n - 1), np.clip(end, 1, n)
    return np.asarray((total[:, end] - total[:, first]) / np.maximum(end - first, 1))


def _shapes(wave: Array, at: Indices) -> tuple[Array, Array, Array]:
    """Normalised shapes for each shift; peak to peak and norm unshifted."""
    reach = HALF + SLIDE
    padded = np.pad(wave, [(0, 0), (reach, reach)], mode="edge")
    pieces = sliding_window_view(padded, 2 * reach + 1, axis=1)[:, at].transpose(1, 0, 2)
    core = pieces[:, :, SLIDE:-SLIDE]
    size = np.sqrt(((core.max(axis=2) - core.min(axis=2)) ** 2).sum(axis=1))
    out = np.empty((2 * SLIDE + 1, at.size, core.shape[1] * core.shape[2]))
    norms = np.empty((2 * SLIDE + 1, at.size))
    for shift in range(2 * SLIDE + 1):
        cut = pieces[:, :, shift : shift + 2 * HALF + 1]
        flat = (cut - cut.mean(axis=2, keepdims=True)).reshape(at.size, core.shape[1] * core.shape[2])
        norms[shift] = np.sqrt(np.einsum("kd,kd->k", flat, flat))
        np.divide(flat, np.maximum(norms[shift], TINY)[:, None], out=out[shift])
    return out, size, norms[SLIDE]


def first_choice(of: Candidates) -> Mask:
    """Beats by rules alone: above a local threshold, less P and T waves, plus search back."""
    out = np.zeros(of.at.size, dtype=bool)
    kept = np.flatnonzero(_apart(of.at, of.energy[of.at], round(_REFRACTORY_S * of.rate_hz)))
    at = of.at[kept]
    height = (of.energy[at] / np.maximum(of.level[at], TINY)).tolist()
    time_s = (at / of.rate_hz).tolist()
    chosen: list[int] = []
    for k, high in enumerate(height):
        if high < _SURE:
            continue
        after_s = time_s[k] - time_s[chosen[-1]] if chosen else np.inf
        if after_s < _P_WAVE_S and height[chosen[-1]] < _P_RATIO * high:
            chosen.pop()
        elif after_s < _T_WAVE_S and high < _T_RATIO * height[chosen[-1]]:
            continue
        chosen.append(k)
    rr = np.diff([time_s[k] for k in chosen])
    found: list[int] = []
    for i, (a, b) in enumerate(pairwise(chosen)):
        inside = [
            k
            for k in range(a + 1, b)
            if height[k] > _DOUBTFUL
            and time_s[k] - time_s[a] > _T_WAVE_S
            and time_s[b] - time_s[k] > _T_WAVE_S
        ]
        if inside and rr[i] >= _SEARCH_BACK * float(np.median(rr[max(0, i - 8) : i + 9])):
            found.append(max(inside, key=height.__getitem__))
    out[kept[chosen + found]] = True
    return out
