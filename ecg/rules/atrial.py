"""What the atria do while the ventricles are looked away from: P waves anywhere, flutter, fibrillation.

The usual beat of each kind is subtracted from the strip; what is left between the QRS complexes is atrial, or
noise. P waves come back in step with the QRS, or at a pace of their own; flutter looks the same one cycle
later; fibrillation does neither. numpy only; works on any number of leads.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg import gaps
from ecg.leads import LEADS
from ecg.study import Study

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

_RATE_HZ = 125.0
"""Atrial waves live below 25 Hz; every other number here is cheaper at this rate."""
_PASS_HZ = (0.7, 25.0)
_FLUTTER_HZ = (3.0, 15.0)
_ALIKE = 0.85
"""Correlation of two QRS complexes of one kind."""
_FEWEST = 3
_MOST = 0.7
"""Share of a lead that must be there; gaps are bridged."""
_BEFORE_R_S = 0.30
"""A P wave that is conducted begins at most this long before R, in the mean (PR 0.26 s)."""
_P_HALF_S = 0.07
_P_HZ = (2.5, 25.0)
"""Without the sag that the low cut makes between beats."""
_ENDS_S = 0.12
"""At either end of the strip a QRS may stand that was never found whole."""
_P_ALIKE, _P_SIZE = 0.6, (0.4, 2.2)
"""Correlation with, and size as a share of, the pattern of the P waves."""
_P_SURE = 0.4
"""Likeness times size (1 at most) from which a wave counts."""
_P_WELL = 0.65
"""What is above this counts when patterns compete: one that fits everything a little is no P wave."""
_P_IN_T, _T_OVER_S, _T_OVER = 0.3, 0.45, 0.6
"""What a fit under a T wave counts, and when T is over: seconds after R, or share of RR if that is sooner."""
_P_APART_S = 0.2
_CYCLE_S = (0.17, 0.345)
"""Flutter: 175 to 350 atrial waves a minute."""
_FLUTTER_LEADS = ("II", "III", "aVF", "aVL", "aVR", "V1")
_WAVES_HZ, _ALL_HZ = (4.0, 9.0), (2.0, 20.0)
"""Where fibrillatory waves have their power, and what it is a share of (Bollmann et al., "Analysis of surface
electrocardiograms in atrial fibrillation", Europace 2006: 3 to 12 Hz, most between 4 and 9)."""
_LEAST_UV = 4.0


class Atrial(NamedTuple):
    """What can be said of the atria; NaN: nothing."""

    coherence: float = np.nan
    """Median correlation, between beats, of what goes before their QRS: near 1 with P waves, near 0
    without."""
    before_uv: float = np.nan
    """Height, peak to peak in the lead where it is largest, of what all beats have before their QRS."""
    wave_share: float = np.nan
    """Share of the power between beats at 4 to 9 Hz, in the lead where it is largest."""
    waves_uv: float = np.nan
    """Size (rms) of what is left at 4 to 9 Hz between beats in V1 (II without it)."""
    waves_over_wander: float = np.nan
    """The same over what is left below 3 Hz."""
    waves_even: float = np.nan
    """How even these waves are in time: quiet quarter over loud tenth; single P waves come near 0."""
    flutter: float = np.nan
    """Likeness of the strip to itself one and two flutter cycles later, mean of both."""
    cycle_ms: float = np.nan
    """The cycle at which that is highest."""
    p_peaks: Indices = np.zeros(0, dtype=np.int64)
    """Strip samples of waves that look like one another wherever they stand, QRS itself apart."""
    hidden: Mask = np.zeros(0, dtype=bool)
    """(n,) where a P wave could not have been seen: in a QRS, or in a beat that has no like."""


class _Parts(NamedTuple):
    banded: Array
    """(n_leads, m) µV, _PASS_HZ at about 125 Hz."""
    rest: Array
    """The same less the usual beats."""
    known: Mask
    """(m,) between the QRS complexes."""
    rate_hz: float
    step: int
    r: Indices
    own: Indices
    """Beats of the commonest kind."""
    on: int
    """Samples from the start of the QRS to R."""


def _band(x: Array, rate_hz: float, low_hz: float, high_hz: float) -> Array:
    """Zero-phase band-pass by spectrum, mirrored ends."""
    n = x.shape[1]
    pad = min(n - 1, round(0.5 * rate_hz))
    mirrored = np.concatenate(
        [2 * x[:, :1] - x[:, pad:0:-1], x, 2 * x[:, -1:] - x[:, -2 : -pad - 2 : -1]], axis=1
    )
    size = 1 << (mirrored.shape[1] - 1).bit_length()
    frequency = np.fft.rfftfreq(size, 1 / rate_hz)
    gain = 1 / np.sqrt(1 + (frequency / high_hz) ** 8)
    gain[0] = 0.0
    gain[1:] /= np.sqrt(1 + (low_hz / frequency[1:]) ** 6)
    return np.fft.irfft(np.fft.rfft(mirrored, size, axis=1) * gain, size, axis=1)[:, pad : pad + n]


def atrial(study: Study) -> Atrial:
    """Everything above, from the usable leads of a study; all NaN with fewer than three beats."""
    n = study.samples.shape[1]
    rows = [k for k, row in enumerate(study.clean) if np.isfinite(row).sum() > _MOST * n]
    if not n or not rows or study.r_peaks.size < _FEWEST:
        return Atrial(hidden=np.ones(n, dtype=bool))
    names = [LEADS[k] for k in rows]
    parts = _subtract(gaps.bridged(study.clean[rows])[0], study)
    flutter, cycle_ms = _flutter(parts, names)
    share, size_uv, over, even = _waves(parts, names)
    at = _alike(parts)
    hidden = np.repeat(~parts.known, parts.step)
    coherence, before_uv = _coherence(parts)
    return Atrial(
        coherence=coherence,
        before_uv=before_uv,
        wave_share=share,
        waves_uv=size_uv,
        waves_over_wander=over,
        waves_even=even,
        flutter=flutter,
        cycle_ms=cycle_ms,
        p_peaks=at * parts.step + parts.step // 2,
        hidden=np.pad(hidden, (0, max(0, n - hidden.size)), constant_values=True)[:n],
    )


def _kinds(banded: Array, r: Indices, rate_hz: float) -> Indices:
    """A number for each beat: those with like QRS complexes share it, 0 the commonest."""
    window = np.arange(-round(0.08 * rate_hz), round(0.10 * rate_hz) + 1)
    at = np.clip(r[:, None] + window, 0, banded.shape[1] - 1)
    cuts = banded[:, at].transpose(1, 0, 2).reshape(r.size, -1)
    cuts /= np.maximum(np.linalg.norm(cuts, axis=1, keepdims=True), 1e-9)
    alike = cuts @ cuts.T > _ALIKE
    kind = np.full(r.size, -1)
    left = np.ones(r.size, dtype=bool)
    for number in range(r.size):
        if not left.any():
            break
        centre = int(np.where(left, (alike & left).sum(axis=1), -1).argmax())
        members = left & alike[centre]
        members[centre] = True
        kind[members] = number
        left &= ~members
    return kind


def _extent(pattern: Array, r_index: int, rate_hz: float) -> tuple[int, int]:
    """Samples before and after R that belong to the QRS of a pattern (n_leads, m): where it is steep.

    A fifth of the highest steepness (sum over leads), looked for 140 ms to either side: rough and on the safe
    side, for strips without measured boundaries.
    """
    steep = np.sqrt((np.gradient(pattern, axis=1) ** 2).sum(axis=0))
    reach = round(0.14 * rate_hz)
    near = steep[max(0, r_index - reach) : r_index + reach + 1]
    over = np.flatnonzero(near > 0.2 * near.max(initial=0.0))
    if not over.size:
        return round(0.05 * rate_hz), round(0.06 * rate_hz)
    before = min(r_index, reach) - int(over[0])
    return max(before, 2) + round(0.016 * rate_hz), max(int(over[-1]) - min(r_index, reach), 2) + round(
        0.016 * rate_hz
    )


def _subtract(clean: Array, study: Study) -> _Parts:
    step = max(1, round(study.rate_hz / _RATE_HZ))
    rate_hz = study.rate_hz / step
    m = clean.shape[1] // step
    banded = _band(clean[:, : m * step].reshape(len(clean), m, step).mean(axis=2), rate_hz, *_PASS_HZ)
    r = np.minimum(study.r_peaks // step, m - 1)
    kind = _kinds(banded, r, rate_hz)
    usual_s = float(np.median(np.diff(study.r_peaks))) / study.rate_hz
    before, after = round(0.16 * rate_hz), round(min(0.5, 0.72 * usual_s) * rate_hz)
    following = np.append(r[1:], m + before)
    rest, known = banded.copy(), np.ones(m, dtype=bool)
    on, off = _ends(study, rate_hz)
    for number in range(int(kind.max()) + 1):
        members = np.flatnonzero(kind == number)
        whole = members[(r[members] >= before) & (r[members] + after <= m)]
        if whole.size < _FEWEST:
            for beat in members.tolist():
                known[max(0, r[beat] - round(0.12 * rate_hz)) : r[beat] + round(0.45 * rate_hz)] = False
            continue
        cuts = banded[:, r[whole][:, None] + np.arange(-before, after)]
        pattern = cuts.mean(axis=1) if whole.size < 6 else np.median(cuts, axis=1)
        own_on, own_off = _extent(pattern, before, rate_hz)
        first = max(on, own_on) if number == 0 else own_on
        last = max(off, own_off) if number == 0 else own_off
        if number == 0:
            on = first
        start = max(0, before - first - 1)
        taper = np.ones(before + after - start)
        edge = max(2, round(0.03 * rate_hz))
        taper[:edge] = np.linspace(0, 1, edge)
        taper[-2 * edge :] = np.linspace(1, 0, 2 * edge)
        pattern = pattern[:, start:] * taper
        for beat in members.tolist():
            a = r[beat] - before + start
            b = min(r[beat] + after, m, following[beat] - first)
            if b > max(a, 0):
                rest[:, max(a, 0) : b] -= pattern[:, max(a, 0) - a : b - a]
            known[max(0, r[beat] - first) : r[beat] + last + 1] = False
    for spike in (study.spikes // step).tolist():
        known[max(0, spike - 2) : spike + 4] = False
    edge = round(_ENDS_S * rate_hz)
    known[:edge] = known[m - edge :] = False
    common = int(np.bincount(kind).argmax())
    return _Parts(banded, rest, known, rate_hz, step, r, np.flatnonzero(kind == common), on)


def _ends(study: Study, rate_hz: float) -> tuple[int, int]:
    """Samples from QRS onset to R and from R to its end in the representative beat, 0 where not known."""
    found, usual = study.boundaries, study.usual
    if usual is None or found.qrs_on is None or found.qrs_off is None:
        return 0, 0
    scale = rate_hz / study.rate_hz
    return (
        int(np.ceil((usual.r_index - found.qrs_on) * scale)),
        int(np.ceil((found.qrs_off - usual.r_index) * scale)),
    )


def _coherence(parts: _Parts) -> tuple[float, float]:
    """Median correlation between beats of the 300 ms before R up to the QRS, leads by their own noise; and
    the height of what they have in common."""
    window = np.arange(-round(_BEFORE_R_S * parts.rate_hz), -parts.on - 1)
    at = parts.r[parts.own]
    at = at[at + window[0] >= 0] if window.size else at[:0]
    if at.size < _FEWEST or window.size < round(0.08 * parts.rate_hz):
        return float("nan"), float("nan")
    cuts = _level(parts.rest[:, at[:, None] + window])
    common = cuts.mean(axis=1)
    height = float(np.ptp(common, axis=1).max())
    noise = np.sqrt(np.median(((cuts - common[:, None]) ** 2).mean(axis=2), axis=1))
    cuts = cuts / np.maximum(noise, _LEAST_UV)[:, None, None]
    rows = cuts.transpose(1, 0, 2).reshape(at.size, -1)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return float(np.median((rows @ rows.T)[np.triu_indices(at.size, 1)])), height


def _level(cuts: Array) -> Array:
    """Each cut less its straight line, along the last axis."""
    ramp = np.linspace(-1, 1, cuts.shape[-1])
    cuts = cuts - cuts.mean(axis=-1, keepdims=True)
    slope = (cuts * ramp).sum(axis=-1, keepdims=True) / (ramp * ramp).sum()
    return np.asarray(cuts - slope * ramp)


def _waves(parts: _Parts, names: list[str]) -> tuple[float, float, float, float]:
    """Share, size, size over wander and evenness of waves of 4 to 9 Hz between the beats."""
    m = parts.rest.shape[1]
    if parts.known.sum() < parts.rate_hz:
        return (float("nan"),) * 4
    power = np.abs(np.fft.rfft(parts.rest * parts.known * np.hanning(m), axis=1)) ** 2
    frequency = np.fft.rfftfreq(m, 1 / parts.rate_hz)
    waves = (frequency >= _WAVES_HZ[0]) & (frequency <= _WAVES_HZ[1])
    whole = (frequency >= _ALL_HZ[0]) & (frequency <= _ALL_HZ[1])
    share = power[:, waves].sum(axis=1) / np.maximum(power[:, whole].sum(axis=1), 1e-9)
    row = next((names.index(name) for name in ("V1", "II") if name in names), 0)
    lead = parts.rest[row : row + 1]
    fast = _band(lead, parts.rate_hz, *_WAVES_HZ)[0]
    slow = _band(lead, parts.rate_hz, 0.8, 3.0)[0]
    width = max(2, round(0.15 * parts.rate_hz))
    height = np.convolve(np.abs(fast), np.ones(width) / width, "same")[parts.known]
    size = float(fast[parts.known].std())
    return (
        float(share.max()),
        size,
        size / max(float(slow[parts.known].std()), 1.0),
        float(np.percentile(height, 25) / max(float(np.percentile(height, 90)), 1e-9)),
    )


def _flutter(parts: _Parts, names: list[str]) -> tuple[float, float]:
    """Likeness to itself after one and two cycles (mean of both), and the cycle in ms where it is highest.

    Taken from the strip as it is, since flutter in a fixed ratio goes out with the beats, and from what is
    left of it; the better counts. Likeness is 2·Σab / (Σa² + Σb²) over all frontal leads and V1 at once, so
    that a T wave after a P wave, of another height and direction, is not like it.
    """
    rows = [k for k, name in enumerate(names) if name in _FLUTTER_LEADS] or list(range(len(names)))
    best, best_ms = float("nan"), float("nan")
    lags = np.arange(round(0.15 * parts.rate_hz), round(0.71 * parts.rate_hz) + 1)
    if parts.banded.shape[1] < 4 * lags[-1]:
        return best, best_ms
    for source in (parts.banded, parts.rest):
        x = _band(source[rows], parts.rate_hz, *_FLUTTER_HZ)
        x = x / np.maximum(np.sqrt((x[:, parts.known] ** 2).mean(axis=1, keepdims=True)), 5.0)
        like = _like_itself(x, parts.known, lags, round(1.5 * parts.rate_hz))
        top = np.flatnonzero((like[1:-1] >= like[:-2]) & (like[1:-1] >= like[2:])) + 1
        for k in top.tolist():
            second = 2 * lags[k] - lags[0]
            if not _CYCLE_S[0] <= lags[k] / parts.rate_hz <= _CYCLE_S[1] or second >= lags.size:
                continue
            again = float(np.nanmax(np.append(like[second - 1 : second + 2], -1.0)))
            if not (like[k] + again) / 2 <= best:
                best, best_ms = float(like[k] + again) / 2, float(lags[k] / parts.rate_hz * 1e3)
    return best, best_ms


def _like_itself(x: Array, known: Mask, lags: Indices, fewest: int) -> Array:
    """For each lag 2·Σab / (Σa² + Σb²) over all rows, a and b less their means, where both are known.

    All sums are correlations of masked signals, so that each is one product of spectra; NaN where fewer than
    so many samples are known at both ends.
    """
    mask = known.astype(np.float64)
    seen = x * mask
    stack = np.concatenate((seen, (seen * seen).sum(axis=0)[None], mask[None]))
    size = 1 << (x.shape[1] + int(lags[-1])).bit_length()
    spectra = np.fft.rfft(stack, size, axis=1)
    rows, power, there = spectra[:-2], spectra[-2], spectra[-1]

    def correlated(first: NDArray[np.complex128], second: NDArray[np.complex128]) -> Array:
        return np.asarray(np.fft.irfft(np.conj(first) * second, size)[..., lags])

    count = np.maximum(np.rint(correlated(there, there)), 0)
    safe = np.maximum(count, 1)
    early, late = correlated(rows, there), correlated(there, rows)
    both = correlated(np.ones_like(there), (np.conj(rows) * rows).sum(axis=0))
    both -= (early * late / safe).sum(axis=0)
    total = correlated(power, there) + correlated(there, power) - ((early**2 + late**2) / safe).sum(axis=0)
    return np.where(count >= fewest, 2 * both / np.maximum(total, 1e-9), np.nan)


def _alike(parts: _Parts) -> Indices:
    """Samples of waves between the QRS complexes that look like one another in all leads at once."""
    none = np.zeros(0, dtype=np.int64)
    rate_hz, half = parts.rate_hz, round(_P_HALF_S * parts.rate_hz)
    if parts.known.sum() < rate_hz:
        return none
    rest = _band(parts.rest, rate_hz, *_P_HZ)
    quiet = np.maximum(np.median(np.abs(rest[:, parts.known]), axis=1) / 0.6745, _LEAST_UV)
    x = rest / quiet[:, None]
    width = max(2, round(0.08 * rate_hz))
    energy = np.convolve((x * x).sum(axis=0), np.ones(width) / width, "same")
    energy[~parts.known] = 0.0
    energy[:half] = energy[-half:] = 0.0
    first = _apart(energy, 1.5 * len(x), round(_P_APART_S * rate_hz), 4 * round(energy.size / rate_hz))
    if first.size < _FEWEST:
        return none
    windows: Any = np.lib.stride_tricks.sliding_window_view(x, 2 * half + 1, axis=1)
    norm = np.sqrt(np.maximum(_moving_power(x, 2 * half + 1), 1e-9))

    clear = _after_t(parts, x.shape[1])

    def matched(pattern: Array) -> tuple[Indices, float]:
        """Where the pattern is met, and how well in all; under T waves, of which something is always left,
        less."""
        size = max(float(np.linalg.norm(pattern)), 1e-9)
        fit = np.tensordot(pattern, windows, axes=([0, 1], [0, 2]))
        likeness = np.pad(fit / (norm * size), half)
        share = np.pad(fit / size**2, half)
        good = (likeness > _P_ALIKE) & (share > _P_SIZE[0]) & (share < _P_SIZE[1]) & parts.known
        height = np.where(good, likeness * np.minimum(share, 1), 0.0)
        at = _apart(height, _P_SURE, round(_P_APART_S * rate_hz))
        return at, float((np.maximum(height[at] - _P_WELL, 0) * np.where(clear[at], 1.0, _P_IN_T)).sum())

    patterns = _patterns(windows[:, first - half], 0.5)
    at, _ = max((matched(pattern) for pattern in patterns), key=lambda found: found[1])
    if at.size < _FEWEST:
        return none
    at, _ = matched(_patterns(windows[:, at - half], 0.75)[0])
    return at if at.size >= _FEWEST else none


def _after_t(parts: _Parts, m: int) -> Mask:
    """(m,) where the T wave of the last beat is over."""
    usual = float(np.median(np.diff(parts.r)))
    over = round(min(_T_OVER_S * parts.rate_hz, _T_OVER * usual))
    clear = np.ones(m, dtype=bool)
    for r in parts.r.tolist():
        clear[r : r + over] = False
    return clear


def _patterns(cuts: Array, least: float) -> list[Array]:
    """Means of the three largest groups of like cuts (n_leads, n_cuts, width), each cut less its mean.

    What is left of T waves can be as common as P waves, and higher: the one that fits most often is P.
    """
    cuts = cuts - cuts.mean(axis=2, keepdims=True)
    flat = cuts.transpose(1, 0, 2).reshape(cuts.shape[1], -1)
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    like = flat @ flat.T > least
    left = np.ones(like.shape[0], dtype=bool)
    out: list[Array] = []
    while left.any() and len(out) < 3:
        centre = int(np.where(left, (like & left).sum(axis=1), -1).argmax())
        members = left & like[centre]
        members[centre] = True
        out.append(np.asarray(cuts[:, members].mean(axis=1)))
        left &= ~members
    return out


def _moving_power(x: Array, width: int) -> Array:
    """Σ over leads of the squared deviation from its own mean, in each window of width samples."""
    total = np.cumsum(np.pad(x, ((0, 0), (1, 0))), axis=1)
    square = np.cumsum(np.pad((x * x).sum(axis=0), (1, 0)))
    mean = (total[:, width:] - total[:, :-width]) / width
    return np.asarray(square[width:] - square[:-width] - width * (mean * mean).sum(axis=0))


def _apart(height: Array, floor: float, distance: int, most: int | None = None) -> Indices:
    """Samples of the highest values above floor, each at least distance from any higher one."""
    taken: list[int] = []
    left = height.copy()
    while most is None or len(taken) < most:
        k = int(left.argmax())
        if left[k] <= floor:
            break
        taken.append(k)
        left[max(0, k - distance + 1) : k + distance] = floor
    return np.array(sorted(taken), dtype=np.int64)
