"""The small network that reads the boundaries of one beat from all its leads; numpy only, weights beside it.

It looks at a window around an R peak in every lead at once: a few convolutions along time, shared by all
leads, exchange what they saw through mean and maximum over the leads, so that neither the number nor the
order of leads matters. Answers are a distribution over the window for each of nine points, per lead and for
the leads together, and whether there is a P, QRS and T at all. `scripts/train_waves.py` made the weights.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Single = NDArray[np.float32]
Weights = dict[str, Single]

HZ = 250.0
"""Rate of the window."""
BEFORE, LENGTH = 132, 360
"""Window: 528 ms before R, 908 ms after; the longest PR (0.45 s) and QT (0.85 s) fit in."""
STRIDE = 4
TOKENS = LENGTH // STRIDE
_PATCH = 12
"""Samples a token sees: its four and four on each side."""
INPUTS = 2 * _PATCH + 1
POINTS, KINDS = 9, 3
"""Points in the order of delineate.Waves; kinds P, QRS, T."""
DILATIONS = (1, 2, 4)
DILATIONS_TOGETHER = (8, 2, 1)
"""Steps of 16 ms between the three taps of each convolution, before and after the leads meet."""
_PAD = max(DILATIONS + DILATIONS_TOGETHER)
BAND_HZ = (0.5, 45.0)
"""Wander and muscle go; boundaries keep their place because no phase is shifted."""
QRS = slice(BEFORE - 25, BEFORE + 26)
"""R ± 100 ms: the height of a lead is measured here."""
_SMALL = 0.05
"""Share of that height from which the scale is logarithmic, so that P and T are seen beside the QRS."""
_BUMP_S = 0.03
_LEAST_HZ = 480.0
"""Slower samples are first brought to a multiple of their rate: lines between samples would cut corners."""
_NEAR = 24
"""Samples around the likeliest place that its mean is taken from: as far as one wave's edge can be."""
_P_AFTER_R_S, _P_UNTIL_S = 0.12, 0.02
_QRS_S = 0.26
_T_AFTER_R_S, _T_BEFORE_R_S = 0.06, 0.04
"""Where a wave of this beat can lie, against this R, the one before and the next."""
_NEVER = np.float32(-1e9)
_ROWS = 96
"""Lead windows worked on at once, so that they stay in the processor's cache."""
_MIRROR_S = 2.0
WEIGHTS = Path(__file__).with_name("wave_network.npz")


class Reading(NamedTuple):
    """Of n beats in so many leads: (n_leads, n_beats, …), and of all leads together: (n_beats, …)."""

    points: Array
    """(…, 9) samples after R, fractions meant."""
    spread_ms: Array
    """(…, 9) standard deviation of the answer, ms."""
    present: Array
    """(…, 3) log odds of P, QRS and T."""
    points_together: Array
    spread_ms_together: Array
    present_together: Array


@cache
def weights() -> Weights:
    """What training found. The file is part of the package."""
    with np.load(WEIGHTS, allow_pickle=False) as stored:
        return {name: np.asarray(stored[name], dtype=np.float32) for name in stored.files}


def banded(samples: Array, rate_hz: float) -> tuple[Array, float]:
    """(n_leads, n) without gaps in BAND_HZ, zero-phase, and its rate: a multiple of the rate given."""
    n = samples.shape[1]
    pad = min(n - 1, round(_MIRROR_S * rate_hz))
    x = np.concatenate(
        [
            2 * samples[:, :1] - samples[:, pad:0:-1],
            samples,
            2 * samples[:, -1:] - samples[:, -2 : -pad - 2 : -1],
        ],
        axis=1,
    )
    up = max(1, int(np.ceil(_LEAST_HZ / rate_hz)))
    size = 1 << (x.shape[1] - 1).bit_length()
    if size * 3 // 4 >= x.shape[1]:
        size = size * 3 // 4
    frequency = np.fft.rfftfreq(size, 1 / rate_hz)
    gain = 1 / np.sqrt(1 + (frequency / BAND_HZ[1]) ** 8)
    gain[1:] /= np.sqrt(1 + (BAND_HZ[0] / frequency[1:]) ** 6)
    gain[0] = 0.0
    spectrum = np.fft.rfft(x, size, axis=1) * (gain * up)
    return np.fft.irfft(spectrum, size * up, axis=1)[:, pad * up : (pad + n) * up], rate_hz * up


def windows(strip: Array, rate_hz: float, at: Array, stretch: float = 1.0) -> Array:
    """(n_leads, n) → (n_beats, n_leads, LENGTH) around each place; the ends are held."""
    place = at[:, None] + (np.arange(LENGTH) - BEFORE) * (rate_hz * stretch / HZ)
    place = np.clip(place, 0, strip.shape[1] - 1.001)
    whole = place.astype(np.int64)
    part = place - whole
    return np.asarray((strip[:, whole] * (1 - part) + strip[:, whole + 1] * part).transpose(1, 0, 2))


def neighbours(r_peaks: Array, which: NDArray[np.int64], at: Array, rate_hz: float) -> Array:
    """(n_beats, TOKENS): a bump at each other R peak in the windows of the beats `which`, placed at `at`."""
    middle = (np.arange(TOKENS) + 0.5) * STRIDE - 0.5 - BEFORE
    out = np.zeros((which.size, TOKENS))
    for step in (-2, -1, 1, 2):
        other = which + step
        known = (other >= 0) & (other < r_peaks.size)
        away_s = (r_peaks[other[known]] - at[known]) / rate_hz
        out[known] += np.exp(-0.5 * ((middle / HZ - away_s[:, None]) / _BUMP_S) ** 2)
    return out


def tokens(window: Array, bumps: Array) -> Single:
    """(n_beats, n_leads, LENGTH) and (n_beats, TOKENS) → (TOKENS, n_beats, n_leads, INPUTS), scale-free."""
    x = (window - np.median(window, axis=2, keepdims=True)).astype(np.float32)
    height = np.ptp(x[:, :, QRS], axis=2)[..., None]
    highest = height.max(axis=1, keepdims=True)
    # A lead that is flat here is a row of zeros, not a division by zero.
    least = np.maximum(1e-3 * highest, np.float32(1e-9))
    out = np.empty((TOKENS, *x.shape[:2], INPUTS), dtype=np.float32)
    side = (_PATCH - STRIDE) // 2
    for k, scale in enumerate((np.maximum(height, least), np.maximum(highest, least))):
        small = x / (_SMALL * scale)
        small = np.copysign(np.log(1 + np.abs(small)), small)
        padded = np.pad(small, ((0, 0), (0, 0), (side, side)), mode="edge")
        patches = np.lib.stride_tricks.sliding_window_view(padded, _PATCH, axis=2)[:, :, ::STRIDE]
        out[..., k * _PATCH : (k + 1) * _PATCH] = patches.transpose(2, 0, 1, 3)
    out[..., -1] = bumps.T[:, :, None]
    return out


def read(
    strip: Array, rate_hz: float, r_peaks: Array, which: slice | None = None, p: Weights | None = None
) -> Reading:
    """Boundaries around R peaks (places, ascending) of a `banded` strip (n_leads, n): all, or `which`."""
    leads = len(strip)
    wanted = np.arange(r_peaks.size)[which or slice(None)]
    n = wanted.size
    points, spread = np.empty((leads, n, POINTS)), np.empty((leads, n, POINTS))
    present = np.empty((leads, n, KINDS))
    points_all, spread_all, present_all = np.empty((n, POINTS)), np.empty((n, POINTS)), np.empty((n, KINDS))
    p = weights() if p is None else p
    step = max(1, _ROWS // leads)
    for first in range(0, n, step):
        own = slice(first, min(n, first + step))
        at = r_peaks[wanted[own]]
        bumps = neighbours(r_peaks, wanted[own], at, rate_hz)
        logits, has, logits_all, has_all = forward(p, tokens(windows(strip, rate_hz, at), bumps))
        allowed = _allowed(r_peaks, wanted[own], rate_hz)
        found, sd = _places(np.where(allowed[:, None], logits, _NEVER))
        points[:, own], spread[:, own] = found.transpose(1, 0, 2), sd.transpose(1, 0, 2)
        present[:, own] = has.transpose(1, 0, 2)
        points_all[own], spread_all[own] = _places(np.where(allowed, logits_all, _NEVER))
        present_all[own] = has_all
    scale, ms = rate_hz / HZ, 1e3 / HZ
    return Reading(points * scale, spread * ms, present, points_all * scale, spread_all * ms, present_all)


def _allowed(r_peaks: Array, which: NDArray[np.int64], rate_hz: float) -> NDArray[np.bool_]:
    """(n_beats, 9, LENGTH): a P lies between the beat before and R, a T between R and the next beat."""
    at_s = (np.arange(LENGTH) - BEFORE) / HZ
    apart = np.diff(r_peaks, prepend=-np.inf, append=np.inf) / rate_hz
    before, after = -apart[which][:, None, None], apart[which + 1][:, None, None]
    out = np.empty((which.size, KINDS, 3, LENGTH), dtype=bool)
    out[:, 0] = (at_s > before + _P_AFTER_R_S) & (at_s < _P_UNTIL_S)
    out[:, 1] = (np.abs(at_s) < _QRS_S) & (at_s > 0.5 * before) & (at_s < 0.8 * after)
    out[:, 2] = (at_s > _T_AFTER_R_S) & (at_s < after - _T_BEFORE_R_S)
    return out.reshape(which.size, POINTS, LENGTH)


def forward(p: Weights, x: Single) -> tuple[Single, Single, Single, Single]:
    """Tokens (TOKENS, b, l, INPUTS) → logits (b, l, 9, LENGTH) and (b, l, 3); the same together (b, …).

    Time comes first in memory: a step along time is then a step over rows, and a convolution three products
    with shifted views of one array.
    """
    _, beats, leads, _ = x.shape
    core, rows = _entrance(x.reshape(-1, INPUTS), p["in"], p["in_b"], beats * leads)
    for k, dilation in enumerate(DILATIONS):
        _convolve(core, rows, beats * leads, dilation, p, k)
    each = rows.reshape(TOKENS * beats, leads, -1)
    heard = _rectified(_mean_and_top(each, 1) @ p["meet"] + p["meet_b"])
    each += (heard @ p["tell"])[:, None]
    for k, dilation in enumerate(DILATIONS_TOGETHER, len(DILATIONS)):
        _convolve(core, rows, beats * leads, dilation, p, k)
    core_all, rows_all = _entrance(_mean_and_top(each, 1), p["all"], p["all_b"], beats)
    _convolve(core_all, rows_all, beats, 1, p, len(DILATIONS + DILATIONS_TOGETHER))
    has = _mean_and_top(rows.reshape(TOKENS, beats * leads, -1), 0) @ p["has"] + p["has_b"]
    has_all = _mean_and_top(rows_all.reshape(TOKENS, beats, -1), 0) @ p["has_all"] + p["has_all_b"]
    return (
        _in_time(rows @ p["out"] + p["out_b"], beats * leads).reshape(beats, leads, POINTS, LENGTH),
        has.reshape(beats, leads, KINDS),
        _in_time(rows_all @ p["out_all"] + p["out_all_b"], beats),
        has_all,
    )


def _entrance(x: Single, matrix: Single, bias: Single, width: int) -> tuple[Single, Single]:
    """Rectified product in the middle of an array with room on both sides; the array and its middle."""
    room = _PAD * width
    padded = np.zeros((len(x) + 2 * room, matrix.shape[1]), dtype=np.float32)
    middle = padded[room : room + len(x)]
    np.matmul(x, matrix, out=middle)
    middle += bias
    np.maximum(middle, 0, out=middle)
    return padded, middle


def _convolve(padded: Single, rows: Single, width: int, dilation: int, p: Weights, k: int) -> None:
    """Add to the rows what three taps, `dilation` tokens apart, make of them."""
    taps = p[f"taps{k}"]
    channels = rows.shape[1]
    first, reach = _PAD * width, dilation * width
    hidden = rows @ taps[channels : 2 * channels]
    more = padded[first - reach : first - reach + len(rows)] @ taps[:channels]
    hidden += more
    np.matmul(padded[first + reach : first + reach + len(rows)], taps[2 * channels :], out=more)
    hidden += more
    hidden += p[f"taps{k}_b"]
    np.maximum(hidden, 0, out=hidden)
    np.matmul(hidden, p[f"mix{k}"], out=more)
    rows += more


def _mean_and_top(x: Single, axis: int) -> Single:
    return np.concatenate([x.mean(axis=axis), x.max(axis=axis)], axis=-1)


def _rectified(x: Single) -> Single:
    return np.maximum(x, 0, out=x)


def _in_time(rows: Single, width: int) -> Single:
    """(TOKENS · width, 9 · STRIDE) → (width, 9, LENGTH)."""
    split = rows.reshape(TOKENS, width, POINTS, STRIDE).transpose(1, 2, 0, 3)
    return split.reshape(width, POINTS, LENGTH)


def _places(logits: Single) -> tuple[Array, Array]:
    """Mean and standard deviation, in samples after R, of each distribution near its likeliest place.

    The mean is the answer with the least squared error; far humps are other waves.
    """
    flat = logits.reshape(-1, LENGTH)
    best = flat.argmax(axis=1)
    near = np.clip(best, _NEAR, LENGTH - 1 - _NEAR)[:, None] + np.arange(-_NEAR, _NEAR + 1)
    rows = np.arange(len(flat))
    weight = np.exp(flat[rows[:, None], near] - flat[rows, best][:, None])
    weight /= weight.sum(axis=1, keepdims=True)
    mean = (weight * near).sum(axis=1)
    spread = np.sqrt((weight * (near - mean[:, None]) ** 2).sum(axis=1))
    shape = logits.shape[:-1]
    return (mean - BEFORE).astype(np.float64).reshape(shape), spread.astype(np.float64).reshape(shape)
