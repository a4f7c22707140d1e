"""What kind of beat is each? Normal, supraventricular, ventricular, paced or unclassified; numpy only.

Each beat is described by when it comes, by its QRS, T and P against those of the usual beat, and by what the
beats of its own shape have in common; a small network (`scripts/train_beats.py`) weighs that. Classes are
AAMI's (EC57): bundle branch block and escape beats are N, a spike before the QRS makes it paced.
"""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ecg.deflections import CHUNK_S, TINY, Array, Indices, bandpass, centred, pieces
from ecg.qrs import Network, read_network

WEIGHTS = Path(__file__).with_name("class_network.npz")
CLASSES = ("N", "S", "V")
HZ = 250.0
"""Rate the beats are compared at."""
_BAND_HZ = (0.7, 40.0)
_QRS, _T, _P = slice(-32, 42), slice(42, 95), slice(-70, -18)
"""Samples after R, 4 ms each: 128 ms before to 168 ms after, and so on."""
_SLIDE = 5
_ALIKE, _KINDS, _LOOKED_AT = 0.85, 6, 200
_RIVAL = 0.5
"""A kind this common against the commonest is the usual one if it is narrower: in bigeminy half are V."""
_AROUND, _FAR = 10, 30
LEAST = 3
"""Beats from which on there is a usual one."""
SPREAD, BEFORE, BEFORE_FAR, NORM, T_NORM, SIZE, P_REST, LIKE, WIDTH = 22, 0, 27, 8, 13, 7, 15, 6, 9
USUAL_WIDTH, KIND_WIDTH, IS_USUAL, USUAL_RR = 11, 20, 21, 23
FEATURES = 29
V_SIGNS = {0: -1, 1: 1, 2: -1, 5: -1, 7: 1, 8: 1, 9: 1, 10: 1, 12: -1, 13: 1, 14: -1, 17: -1, 18: -1, 19: 1}
V_SIGNS |= {20: 1, 21: -1, 26: 1, 28: 1}
S_SIGNS = {0: -1, 2: -1, 5: 1, 14: -1, 18: -1, 27: -1}
"""What a column of describe can only speak for (1) or against (-1)."""
V_COLUMNS = tuple(k for k in range(FEATURES) if k not in (SPREAD, BEFORE_FAR))
S_COLUMNS = tuple(k for k in range(FEATURES) if k not in (SPREAD, NORM, T_NORM, SIZE, P_REST))
"""What each network sees."""
_V_ODDS, _S_ODDS = 0.6, 0.0
"""From here on a beat is V, or else S. On records left out of the training: as many missed as false."""
_WIDER, _OTHER_KIND_ODDS = 0.3, -2.0
"""Beats of a kind a third wider than the usual (log ratio) are V from here on."""
_EARLY, _REGULAR = 0.9, 0.06
"""An S beat comes this early against the usual interval, and none is told where the intervals spread more."""
_UNLIKE, _UNSURE = 0.5, 1.0
"""Like no other beat, and neither V nor not by this much: unclassified."""
_SPIKE_S, _SPIKE_SPREAD_S, _SPIKES = (0.16, 0.012), 0.05, 2
"""A ventricular spike is this long before R, in so many beats at the same distance."""
_NARROW = 0.8
"""Where most beats are paced, one this much narrower than those is N, any other not paced is V."""
_WIDE, _FAST_S, _EVEN = 3.25, 0.5, 0.03
"""Usual beats this wide (65 ms by _width; 30 to 57 without a block), over 120 a minute and even, are a
tachycardia of the ventricles until a reader finds another reason."""


class Kinds(NamedTuple):
    """Beats by shape."""

    shapes: Array
    """(k, d) mean normalised shapes."""
    of: Indices
    """(n,) kind of each beat, the one it is most like."""
    like: Array
    """(n,) how like."""
    usual: int


def _cut(banded: Array, at: Indices, rate_hz: float) -> Array:
    """(n_beats, n_leads, samples at HZ) around R, the ends of the strip repeated beyond them."""
    offsets = np.arange(_P.start - _SLIDE, _T.stop + _SLIDE)
    place = np.rint(at[:, None] + offsets * (rate_hz / HZ)).astype(np.int64)
    return np.asarray(banded[:, np.clip(place, 0, banded.shape[1] - 1)].transpose(1, 0, 2))


def _part(pieces: Array, window: slice, shift: int = 0) -> Array:
    first = window.start - _P.start + _SLIDE + shift
    return pieces[:, :, first : first + window.stop - window.start]


def _normal(parts: Array) -> tuple[Array, Array]:
    """Flat, without mean, of norm 1; and the norm."""
    centred = parts - parts.mean(axis=2, keepdims=True)
    flat = centred.reshape(len(parts), parts.shape[1] * parts.shape[2])
    norm = np.sqrt(np.einsum("kd,kd->k", flat, flat))
    return flat / np.maximum(norm, TINY)[:, None], norm


def _lead_weights(pieces: Array) -> Array:
    """(n_leads,) by how far the QRS stands out of what comes before it."""
    high = np.median(np.ptp(_part(pieces, _QRS), axis=2), axis=0)
    rest = np.median(np.ptp(_part(pieces, _P), axis=2), axis=0)
    weight = np.maximum(high - rest, 0) / np.maximum(high, TINY) ** 2
    return np.asarray(weight if weight.any() else 1 / np.maximum(high, TINY))


def _width(qrs: Array) -> Array:
    """(n,) ms: twice the standard deviation in time of the slope's energy."""
    slope = np.diff(qrs, axis=2)
    energy = (slope * slope).sum(axis=1)
    total = np.maximum(energy.sum(axis=1), TINY)
    t = np.arange(energy.shape[1]) * 1e3 / HZ
    mean = energy @ t / total
    return np.asarray(2 * np.sqrt(np.maximum(energy @ (t * t) / total - mean**2, 0)))


def kinds_of(shapes: Array, width: Array) -> Kinds:
    """Group (n, d) normalised shapes: the largest set of likes first, then the largest of the rest."""
    looked = np.linspace(0, len(shapes) - 1, min(len(shapes), _LOOKED_AT)).astype(int)
    sample = shapes[looked]
    alike = sample @ sample.T > _ALIKE
    left = np.ones(looked.size, dtype=bool)
    found: list[Array] = []
    while left.any() and len(found) < _KINDS:
        votes = (alike & left).sum(axis=1) * left
        members = alike[int(votes.argmax())] & left
        members[int(votes.argmax())] = True
        mean = sample[members].mean(axis=0)
        found.append(mean / max(float(np.linalg.norm(mean)), TINY))
        left &= ~members
    bank = np.array(found)
    fit = shapes @ bank.T
    of = fit.argmax(axis=1)
    like = fit.max(axis=1)
    count = np.bincount(of, minlength=len(bank))
    rivals = np.flatnonzero(count >= _RIVAL * count.max())
    usual = min(rivals.tolist(), key=lambda kind: float(np.median(width[of == kind])))
    return Kinds(bank, of, like, usual)


def _around(values: Array, where: Array, at: Array, reach: int, otherwise: float) -> Array:
    """Running median, over 2 · reach + 1 values or all of fewer, of values known at `where`, read at `at`."""
    if values.size <= 2 * reach:
        return np.full(at.size, float(np.median(values)) if values.size else otherwise)
    padded = np.pad(values, reach, mode="reflect")
    middle = np.median(sliding_window_view(padded, 2 * reach + 1), axis=1)
    return np.asarray(np.interp(at, where, middle))


def _of_kind(values: Array, of: Indices) -> Array:
    """For each beat the median among the beats of its kind."""
    out = np.empty(values.size)
    for kind in np.unique(of).tolist():
        own = of == kind
        out[own] = np.median(values[own])
    return out


def describe(filled: Array, rate_hz: float, r_peaks: Indices) -> Array:
    """(n_beats, FEATURES) of three beats or more, from (n_leads, n) µV without gaps."""
    pieces = _cut(bandpass(filled, rate_hz, *_BAND_HZ), r_peaks, rate_hz)
    pieces = pieces * _lead_weights(pieces)[None, :, None]
    qrs = _part(pieces, _QRS)
    shapes, norm = _normal(qrs)
    width = _width(qrs)
    size = np.sqrt((np.ptp(qrs, axis=2) ** 2).sum(axis=1))
    kinds = kinds_of(shapes, width)
    own = kinds.of == kinds.usual

    slid = np.stack(
        [_normal(_part(pieces, _QRS, k))[0] @ kinds.shapes[kinds.usual] for k in range(-_SLIDE, _SLIDE + 1)]
    )
    likeness = slid.max(axis=0)
    shift = np.where(likeness > _ALIKE, slid.argmax(axis=0) - _SLIDE, 0)
    index = np.arange(len(pieces))
    t_part = np.stack([_part(pieces, _T, k) for k in range(-_SLIDE, _SLIDE + 1)])[shift + _SLIDE, index]
    p_part = np.stack([_part(pieces, _P, k) for k in range(-_SLIDE, _SLIDE + 1)])[shift + _SLIDE, index]
    t_shape, t_norm = _normal(t_part)
    p_flat = (p_part - p_part.mean(axis=2, keepdims=True)).reshape(len(p_part), -1)
    usual_t = np.median(t_shape[own], axis=0)
    usual_t /= max(float(np.linalg.norm(usual_t)), TINY)
    usual_p = np.median(p_flat[own], axis=0)
    p_norm = max(float(np.linalg.norm(usual_p)), TINY)
    p_there = p_flat @ usual_p / p_norm**2
    p_rest = np.sqrt(np.einsum("kd,kd->k", p_flat - usual_p, p_flat - usual_p)) / p_norm

    time_s = r_peaks / rate_hz
    rr = np.diff(time_s)
    middle = (time_s[1:] + time_s[:-1]) / 2
    regular = own[1:] & own[:-1]
    chosen = regular if regular.sum() >= LEAST else np.ones(rr.size, dtype=bool)
    usual_rr = _around(rr[chosen], middle[chosen], time_s, _AROUND, float(np.median(rr)))
    usual_far = _around(rr[chosen], middle[chosen], time_s, _FAR, float(np.median(rr)))
    spread = _around(np.abs(np.log(rr / np.interp(middle, time_s, usual_rr))), middle, time_s, _AROUND, 0.0)
    before = np.log(np.concatenate([[np.nan], rr]) / usual_rr)
    after = np.log(np.concatenate([rr, [np.nan]]) / usual_rr)
    before, after = np.nan_to_num(before), np.nan_to_num(after)
    earlier, later = np.concatenate([[0.0], before[:-1]]), np.concatenate([after[1:], [0.0]])
    next_like = np.concatenate([np.einsum("kd,kd->k", shapes[1:], shapes[:-1]), [0.0]])
    previous_like = np.concatenate([[0.0], next_like[:-1]])

    def log(a: Array, b: Array | float) -> Array:
        return np.asarray(np.log((a + TINY) / (b + TINY)))

    of = kinds.of
    count = np.bincount(of, minlength=len(kinds.shapes))[of]
    usual_width = float(np.median(width[own]))
    features = [
        before,
        after,
        before - after,
        earlier,
        later,
        likeness,
        kinds.like,
        log(size, float(np.median(size[own]))),
        log(norm, float(np.median(norm[own]))),
        width / 20.0,
        log(width, usual_width),
        np.full(len(width), usual_width / 20.0),
        t_shape @ usual_t,
        log(t_norm, float(np.median(t_norm[own]))),
        np.clip(p_there, -3, 3),
        log(p_rest, 1.0),
        np.full(len(width), np.log(p_norm / max(float(np.median(norm[own])), TINY))),
        log(count / len(of), 1.0),
        _of_kind(before, of),
        _of_kind(after, of),
        _of_kind(log(width, usual_width), of),
        (of == kinds.usual).astype(float),
        spread,
        usual_rr,
        next_like,
        previous_like,
        log(1.02 - likeness, float(np.median(1.02 - likeness[own]))),
        before + np.log(usual_rr / usual_far),
        (width - usual_width) / (float(np.median(np.abs(width[own] - usual_width))) + 3.0),
    ]
    return np.stack(features, axis=1)


@cache
def networks() -> tuple[Network, Network]:
    """V against the rest, S against N, as training found them. The file is part of the package."""
    return read_network(WEIGHTS, "v_"), read_network(WEIGHTS, "s_")


def classify(
    samples: NDArray[Any], rate_hz: float, r_peaks: NDArray[np.int64], spikes: NDArray[np.int64]
) -> tuple[str, ...]:
    """N, S, V, / (paced) or Q (unclassified) for each beat; samples (n_leads, n) or (n,) µV, NaN allowed.

    Q for every beat not paced if there are fewer than three: there is no usual beat to compare with.
    """
    data = np.atleast_2d(np.asarray(samples, dtype=np.float64))
    paced = _paced(r_peaks, spikes, rate_hz)
    if r_peaks.size < LEAST or not np.isfinite(data).any():
        return tuple("/" if is_paced else "Q" for is_paced in paced.tolist())
    out: list[str] = []
    for first, end, low, high in pieces(data.shape[1], rate_hz, chunk_s(len(data))):
        inside = (r_peaks >= first) & (r_peaks < end)
        kept = (r_peaks[inside] >= low) & (r_peaks[inside] < high)
        filled = centred(data[:, first:end])[0]
        kinds = _classes(filled, rate_hz, r_peaks[inside] - first, paced[inside])
        out += [kind for kind, keep in zip(kinds, kept.tolist(), strict=True) if keep]
    return tuple(out)


def chunk_s(n_leads: int) -> float:
    """How much is compared at a time: the more, the surer which kind is usual; memory is the limit."""
    return CHUNK_S * 12 / max(n_leads, 4)


def _paced(r_peaks: Indices, spikes: Indices, rate_hz: float) -> NDArray[np.bool_]:
    """Which beats follow a spike as most that follow one do."""
    if not spikes.size or not r_peaks.size:
        return np.zeros(r_peaks.size, dtype=bool)
    last = np.searchsorted(spikes, r_peaks - round(_SPIKE_S[1] * rate_hz), side="right") - 1
    delay_s = np.where(last >= 0, (r_peaks - spikes[np.maximum(last, 0)]) / rate_hz, np.inf)
    after = delay_s <= _SPIKE_S[0]
    if not after.any():
        return after
    after &= np.abs(delay_s - np.median(delay_s[after])) < _SPIKE_SPREAD_S
    return np.asarray(after if after.sum() >= _SPIKES else np.zeros_like(after))


def _classes(filled: Array, rate_hz: float, r_peaks: Indices, paced: NDArray[np.bool_]) -> list[str]:
    if r_peaks.size < LEAST:
        return ["/" if is_paced else "Q" for is_paced in paced.tolist()]
    features = describe(filled, rate_hz, r_peaks)
    v_network, s_network = networks()
    v_odds = v_network.odds(features[:, V_COLUMNS])
    s_odds = s_network.odds(features[:, S_COLUMNS])
    early = np.minimum(features[:, BEFORE], features[:, BEFORE_FAR]) < np.log(_EARLY)
    s = early & (features[:, SPREAD] < _REGULAR) & (s_odds > _S_ODDS)
    other_kind = (
        (features[:, IS_USUAL] == 0) & (features[:, KIND_WIDTH] > _WIDER) & (v_odds > _OTHER_KIND_ODDS)
    )
    v = (v_odds > _V_ODDS) | other_kind
    usual = features[:, IS_USUAL] > 0
    if 2 * paced.sum() > paced.size:
        # a spike may hide; what looks like the paced beats is one of them
        paced = paced | (usual & (2 * (usual & paced).sum() > usual.sum()) & (features[:, LIKE] > _ALIKE))
        v = features[:, WIDTH] > _NARROW * np.median(features[paced, WIDTH])
        s = np.zeros_like(v)
    elif features[0, USUAL_WIDTH] > _WIDE and np.median(features[:, SPREAD]) < _EVEN:
        v |= usual & (features[:, USUAL_RR] < _FAST_S)
    unsure = (features[:, LIKE] < _UNLIKE) & (np.abs(v_odds) < _UNSURE)
    kinds = np.select([paced, unsure, v, s], ["/", "Q", "V", "S"], "N")
    return [str(kind) for kind in kinds]
