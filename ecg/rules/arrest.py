"""No beats: fibrillation, flutter and sine-like tachycardia of the ventricles, and standstill.

Looks at the raw strip, whatever the beat detector found in it and whatever the quality verdict is: a heart
that fibrillates is easily taken for noise, and a still one for electrodes that are off. numpy only.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg.leads import LEADS
from ecg.study import Study

Array = NDArray[np.float64]

_RATE_HZ = 125.0
_PASS_HZ = (1.0, 20.0)
_WINDOW_S, _HOP_S = 2.0, 1.0
_ALIVE_UV = 15.0
"""A lead whose rms is less shows no waves."""
_SLOPE, _NARROW, _EVEN = 0.15, 0.58, 0.19
"""Medians of |slope| and |height| over their maxima, and share of the power within a quarter of the strongest
frequency. Beats have flat stretches between steep ones: median slope under 0.12 and share under 0.56 in all
development records without these arrhythmias; ventricular flutter of record 207 and the sine-like
tachycardias have 0.17 to 0.47 and 0.6 to 0.96. Muscle and electrode noise has the slopes but not the
share."""
_STRONG_HZ = (1.9, 9.0)
_LEAST_S = 3.0
_REGULAR = 0.72
"""Likeness to itself one cycle later from which waves are regular."""
_FLUTTER_PER_MIN = 240.0
"""Ventricular flutter begins near 250 a minute (AHA/ACC/HRS 2017 ventricular arrhythmia guideline: about
300)."""
_TURN_DEG, _KEPT_PACE, _TORSADES_PER_MIN = 50.0, 0.82, (150.0, 285.0)
"""Torsades: the direction of the waves turns over while their pace holds from beat to beat; the rate is that
of Drew et al., "Prevention of torsade de pointes in hospital settings", Circulation 2010 (160 to 240), less
and more by the error of the estimate. A steady tachycardia keeps its direction, fibrillation not even its
pace."""
_FEWEST_LEADS = 6
"""With fewer leads, or none of the chest, a direction is not known well enough to turn."""
_STILL_UV = 150.0
"""Peak to peak in every lead below which there is no QRS; the P waves of a ventricular standstill are
lower."""
_ALIVE_NOISE_UV = 0.3
"""A box on a body has more noise than this (rms); less is a line that nobody is connected to."""
_P_UV = 35.0


class Arrest(NamedTuple):
    """One stretch without beats as we know them."""

    kind: str
    """fibrillation, flutter, tachycardia, torsades or still."""
    start: int
    end: int
    """Samples [start, end)."""
    leads: tuple[str, ...]
    numbers: dict[str, float]


_Banded = tuple[list[str], Array, float]
"""Names of the leads, their samples band-passed, and the rate of these."""


class _Window(NamedTuple):
    slope: float
    even: float
    narrow: float
    strong_hz: float
    size_uv: float


def look(study: Study) -> tuple[Arrest | None, Arrest | None]:
    """Standing still, and waves without beats: both answers from one look at the raw strip."""
    seen = _banded(study)
    return still(study, seen), waves(study, seen)


def waves(study: Study, seen: _Banded | None = None) -> Arrest | None:
    """The longest stretch, of three seconds at least, in which waves follow one another without a line
    between."""
    names, x, rate_hz = seen or _banded(study)
    if not names or x.shape[1] < round(_WINDOW_S * rate_hz):
        return None
    alive = x.std(axis=1) >= _ALIVE_UV
    if not alive.any():
        return None
    x, names = x[alive], [name for name, is_alive in zip(names, alive, strict=True) if is_alive]
    width, hop = round(_WINDOW_S * rate_hz), round(_HOP_S * rate_hz)
    windows = np.lib.stride_tricks.sliding_window_view(x, width, axis=1)[:, ::hop]
    flat = _flatness(windows)
    likely = [float(s) >= _SLOPE and float(e) >= _EVEN for s, e in zip(*flat, strict=True)]
    if sum(likely) < 2:
        return None
    seen_in = [
        _look(windows[:, k], slope, even, rate_hz) if is_likely else None
        for k, (slope, even, is_likely) in enumerate(zip(*flat, likely, strict=True))
    ]
    first, last = _longest([window is not None and _is_wave(window) for window in seen_in])
    if first < 0:
        return None
    start, end = first * hop, last * hop + width
    if (end - start) / rate_hz < _LEAST_S:
        return None
    part = x[:, start:end]
    chosen = [window for window in seen_in[first : last + 1] if window is not None]
    rate = 60 * float(np.median([window.strong_hz for window in chosen]))
    like, cycle_s = _regularity(part, rate / 60, rate_hz)
    directed = len(names) >= _FEWEST_LEADS and any(name.startswith("V") for name in names)
    turn = _turning(part, rate_hz) if directed else 0.0
    kind = "fibrillation"
    if turn >= _TURN_DEG:
        kept = _locally_regular(part, rate / 60, rate_hz) >= _KEPT_PACE
        if kept and _TORSADES_PER_MIN[0] <= rate <= _TORSADES_PER_MIN[1]:
            kind = "torsades"
    elif like >= _REGULAR:
        rate = 60 / cycle_s
        kind = "flutter" if rate >= _FLUTTER_PER_MIN else "tachycardia"
    scale = study.rate_hz / rate_hz
    numbers = {
        "rate_per_min": round(rate, 0),
        "slope_share": round(float(np.median([w.slope for w in chosen])), 3),
        "narrow_share": round(float(np.median([w.narrow for w in chosen])), 3),
        "size_uv": round(float(np.median([w.size_uv for w in chosen])), 0),
        "regularity": round(like, 2),
        "turn_deg": round(turn, 0),
    }
    return Arrest(
        kind, round(start * scale), min(study.samples.shape[1], round(end * scale)), tuple(names), numbers
    )


def still(study: Study, seen: _Banded | None = None) -> Arrest | None:
    """Is the whole strip without a QRS, with the electrodes on? A line of no noise at all says nothing."""
    names, x, rate_hz = seen or _banded(study)
    seconds = study.samples.shape[1] / study.rate_hz
    if len(names) < 2 or seconds < _LEAST_S or (len(names) < _FEWEST_LEADS and study.r_peaks.size > 1):
        return None
    width = round(_WINDOW_S * rate_hz)
    count = x.shape[1] // width
    spans = np.ptp(x[:, : count * width].reshape(len(x), count, width), axis=2)
    highest = float(np.median(spans, axis=1).max())
    noise = float(
        np.median(np.diff(study.samples[[LEADS.index(name) for name in names]], axis=1).std(axis=1))
    )
    if highest >= _STILL_UV or spans.max() >= 2 * _STILL_UV or not noise >= _ALIVE_NOISE_UV:
        return None
    numbers = {"largest_uv": round(highest, 0), "seconds": round(seconds, 1), "p_uv": round(_pulses(x), 0)}
    return Arrest("still", 0, study.samples.shape[1], tuple(names), numbers)


def has_p(found: Arrest) -> bool:
    """Are there P waves in a still strip (ventricular standstill rather than asystole)?"""
    return found.kind == "still" and found.numbers["p_uv"] >= _P_UV


def _banded(study: Study) -> _Banded:
    """Leads with a signal of their own (not off, not at a rail), band-passed at about 125 Hz."""
    words = study.quality.per_lead
    rows = [
        k
        for k, name in enumerate(LEADS)
        if words.get(name) not in ("lead_off", "saturated")
        and np.isfinite(study.samples[k]).sum() > 0.9 * study.samples.shape[1]
    ]
    step = max(1, round(study.rate_hz / _RATE_HZ))
    m = study.samples.shape[1] // step
    rate_hz = study.rate_hz / step
    if not rows or m < round(rate_hz):
        return [], np.zeros((0, 0)), rate_hz
    x = np.nan_to_num(study.samples[rows, : m * step]).reshape(len(rows), m, step).mean(axis=2)
    size = 1 << (m - 1).bit_length()
    frequency = np.fft.rfftfreq(size, 1 / rate_hz)
    gain = 1 / np.sqrt(1 + (frequency / _PASS_HZ[1]) ** 8)
    gain[0] = 0.0
    gain[1:] /= np.sqrt(1 + (_PASS_HZ[0] / frequency[1:]) ** 6)
    x = x - np.linspace(x[:, :1], x[:, -1:], m, axis=1)[..., 0] if m > 1 else x
    banded = np.fft.irfft(np.fft.rfft(x, size, axis=1) * gain, size, axis=1)[:, :m]
    return [LEADS[k] for k in rows], banded, rate_hz


def _flatness(windows: Array) -> tuple[Array, Array]:
    """For each window of (n_leads, n_windows, width): median over maximum of |slope| and of |height|, as the
    median lead has them. Beats have long flat stretches, so both are small."""
    x = windows - windows.mean(axis=2, keepdims=True)
    slope, height = np.abs(np.diff(x, axis=2)), np.abs(x)
    out = []
    for values in (slope, height):
        middle = np.partition(values, values.shape[2] // 2, axis=2)[..., values.shape[2] // 2]
        out.append(np.median(middle / np.maximum(values.max(axis=2), 1e-9), axis=0))
    return out[0], out[1]


def _look(x: Array, slope: float, even: float, rate_hz: float) -> _Window:
    """What one window of two seconds looks like, as the median lead has it."""
    x = x - x.mean(axis=1, keepdims=True)
    padded = 4 * x.shape[1]
    power = np.abs(np.fft.rfft(x * np.hanning(x.shape[1]), padded, axis=1)) ** 2
    frequency = np.fft.rfftfreq(padded, 1 / rate_hz)
    inside = (frequency >= 0.8) & (frequency <= 25)
    strong = frequency[np.where(inside, power, 0).argmax(axis=1)]
    near = np.abs(frequency[None, :] - strong[:, None]) <= 0.25 * strong[:, None]
    share = (power * near).sum(axis=1) / np.maximum(power[:, inside].sum(axis=1), 1e-9)
    return _Window(
        float(slope),
        float(even),
        float(np.median(share)),
        float(np.median(strong)),
        float(np.median(x.std(axis=1))),
    )


def _is_wave(window: _Window) -> bool:
    return (
        window.slope >= _SLOPE
        and window.even >= _EVEN
        and window.narrow >= _NARROW
        and _STRONG_HZ[0] <= window.strong_hz <= _STRONG_HZ[1]
        and window.size_uv >= _ALIVE_UV
    )


def _longest(flags: list[bool]) -> tuple[int, int]:
    """First and last index of the longest run of True, one False inside forgiven; (−1, −1) without any."""
    best, start, missed = (-1, -1), -1, 0
    last = -1
    for k, flag in enumerate([*flags, False, False]):
        if flag:
            if start < 0:
                start = k
            last, missed = k, 0
        elif start >= 0:
            missed += 1
            if missed > 1:
                if last - start > best[1] - best[0] or best[0] < 0:
                    best = (start, last)
                start, missed = -1, 0
    return best


def _regularity(x: Array, strong_hz: float, rate_hz: float) -> tuple[float, float]:
    """Likeness of the strip to itself one cycle later, and that cycle in seconds."""
    lags = range(max(2, round(0.7 / strong_hz * rate_hz)), round(1.4 / strong_hz * rate_hz) + 1)
    best, best_lag = -1.0, lags[0]
    for lag in lags:
        if lag >= x.shape[1] - 2:
            break
        a, b = x[:, :-lag], x[:, lag:]
        like = float(2 * (a * b).sum() / max(float((a * a).sum() + (b * b).sum()), 1e-9))
        if like > best:
            best, best_lag = like, lag
    return best, best_lag / rate_hz


def _locally_regular(x: Array, strong_hz: float, rate_hz: float) -> float:
    """The same within single seconds, median: torsades keeps its pace while its direction turns."""
    width = round(1.2 * rate_hz)
    parts = [x[:, k : k + width] for k in range(0, x.shape[1] - width + 1, width)]
    return float(np.median([_regularity(part, strong_hz, rate_hz)[0] for part in parts])) if parts else -1.0


def _turning(x: Array, rate_hz: float) -> float:
    """Largest angle, in degrees, between the main directions (first principal vectors) of seconds of the
    strip."""
    if len(x) < 2:
        return 0.0
    width = round(rate_hz)
    axes = []
    for k in range(0, x.shape[1] - width + 1, width):
        part = x[:, k : k + width]
        values, vectors = np.linalg.eigh(part @ part.T)
        if values[-1] > 0.5 * max(float(values.sum()), 1e-9):
            axes.append(vectors[:, -1])
    if len(axes) < 2:
        return 0.0
    cosines = np.abs(np.array(axes) @ np.array(axes).T)
    return float(np.degrees(np.arccos(np.clip(cosines.min(), 0, 1))))


def _pulses(x: Array) -> float:
    """Height of low rounded waves that stand out of the noise of a still strip, in the lead that shows
    most."""
    high, low = np.percentile(np.abs(x), [98, 50], axis=1)
    clear = high > 5 * np.maximum(low, 1.0)
    return float((high * clear).max(initial=0.0))
