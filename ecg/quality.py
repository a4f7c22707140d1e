"""May this be sent as diagnostic? Noise, loose contact and lead-off, lead by lead; numpy only.

`assess` judges a recording, `latest` the last seconds of a live one. The kinds of fault are those by which
field recordings were told apart in the Challenge of 2011 (Silva, Moody and Celi, CinC 2011;38:273: flat,
missing and saturated leads, steps and spikes, noise against the QRS). Limits are ours unless their source is
named: set where the beats of 118 and 119 begin to be misread under added noise, and looked at on LUDB and on
the Challenge 2020 and 2021 records (`tests/bench/bench_quality.py` prints what they cost).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg import beats, gaps
from ecg.leads import canonical, leads_off

Verdict = Literal["diagnostic", "rhythm_only", "repeat"]
LEAD_WORDS = (
    "good",
    "lead_off",
    "muscle_noise",
    "baseline_wander",
    "mains_noise",
    "saturated",
    "flat",
    "loose",
)

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Limit(NamedTuple):
    """From `noisy` on the word is said; from `unusable` on the lead is not to be measured."""

    noisy: float
    unusable: float


MUSCLE_UV = Limit(45.0, 100.0)
"""Standard deviation above 35 Hz between the beats, half of the time. In 118 and 119 QRS detection begins to
invent beats at 45 µV; at 100 µV it invents one in four."""
MAINS_UV = Limit(60.0, 300.0)
"""Standard deviation of 50 or 60 Hz: 1.7 mm peak to peak on paper; the subtraction copes with more."""
WANDER_UV = Limit(2000.0, 5000.0)
"""Travel of the baseline: a lead's row on paper is 20 mm high."""
UNLIKE_UV = Limit(200.0, np.inf)
"""What two like beats differ by: then an ST shift of 1 mm is within the noise of the beats."""
DROWNED = Limit(0.05, 0.08)
"""What two like beats differ by, as a share of QRS: at 0.05 the noise tests invent one beat in fifty, at 0.08
one in eight. Only with noise to be seen besides, since no two beats of ventricular fibrillation are alike."""
LOST = Limit(0.10, 0.25)
"""Share of the time in which there is nothing to be read: rail, step, burst, silence or no data."""

_FLAT_UV = 25.0
"""Peak to peak, without wander, below which a lead shows nothing."""
_NO_QRS_UV = 100.0
"""A QRS below this is none (the limit under which lead II speaks for an electrode on the wrong leg)."""
_MAY_BE_LEVEL = ("III", "aVR", "aVL", "aVF")
"""The heart may well be seen across its axis in these; not in I, II and the chest leads."""
_NO_QRS_RATIO = 1 / 3
"""And not three times the noise."""
_BEATING = 0.10
"""Such a share in most leads, and there are beats to be missed in the others."""
_RAIL_S = 0.05
_RAIL_UV = 4000.0
"""A rail is a value held that far from the middle; a DC offset alone is none."""
_BURST_UV, _BURST_RATIO = 1500.0, 3.0
"""A burst is that large, and that many times the usual range of the lead: a premature beat seldom is."""
_LEAP_UV = 1000.0
"""The baseline leaps if it goes that far, and farther than a QRS is high, in half a second."""
_AWAKE_UV = 150.0
"""Range that most leads show where a silent one must be broken: together they may be silent, in a pause."""
_STEP_S = 0.5
_SPIKE_UV = 1000.0
_SPIKE_S = 0.006
"""Pacing spikes, higher and shorter than this, are no noise."""
_MUSCLE_SEEN = 0.55
"""Severity from which on muscle may be said to drown the QRS (25 µV),"""
_DRIFT_UV = 250.0
"""and travel of the baseline within a second, half of the time, from which on wander may."""
_PIECE_S = 10.0
"""Longer recordings are judged in pieces, and a lead is as good as its worse quarter of them."""
_ROUGH = 0.75
_LIKE = 0.3
"""Share of the beats that have its shape: then a bigeminy has no noise yet."""
_HALF = 0.5
_FEWEST_BEATS = 4
_QRS_S = 0.06
"""R ± 60 ms holds the steep part of any QRS."""
_FEWEST = 0.5
"""Share of usable leads below which not even the rhythm should be read."""
_SOME = 1 / 3
"""Share of noisy leads from which the whole is no longer diagnostic."""
_UNUSABLE, _NOISY = 2.0, 1.0
"""Severity from which on; see `_severity`."""


class _Strip(NamedTuple):
    """Some seconds, made ready."""

    x: Array
    """(n_leads, n) µV, no gaps, no offset, no pacing spikes."""
    finite: Flags
    """Where there was data."""
    wander: Array
    """What is slower than about 1 Hz."""
    rate_hz: float


class Quality(NamedTuple):
    """What the recording is good for, and why."""

    verdict: Verdict
    reasons: tuple[str, ...]
    """lead:word for every lead that is not good, in lead order."""
    per_lead: dict[str, str]
    """Lead → one of LEAD_WORDS."""
    usable: tuple[str, ...] = ()
    """Leads that may be measured: good, or noisy within reason."""

    @property
    def acceptable(self) -> bool:
        """Would a reader accept it as a standard recording? Anything less should be taken again."""
        return self.verdict == "diagnostic"


def assess(
    samples: NDArray[Any], rate_hz: float, leads: Sequence[str], electrodes_off: Iterable[str] = ()
) -> Quality:
    """Judge raw (n_leads, n) µV with NaN gaps, 1 to 12 leads; one second at least, ten are usual.

    Electrodes that the box reports off make their leads lead_off whatever the samples look like.
    Raises ValueError if rows and names differ in number, and for a rate that is none.
    """
    data = _checked(samples, rate_hz, leads)
    off = leads_off(electrodes_off)
    steep = np.array([canonical(name) not in _MAY_BE_LEVEL for name in leads], dtype=np.bool_)
    words, severity = _judge(data, rate_hz, steep)
    for k, name in enumerate(leads):
        if canonical(name) in off:
            words[k], severity[k] = "lead_off", np.inf
    per_lead = dict(zip(leads, words, strict=True))
    usable = tuple(name for name, grade in zip(leads, severity, strict=True) if grade < _UNUSABLE)
    noisy = sum(per_lead[name] != "good" for name in usable)
    verdict: Verdict
    if not usable or len(usable) < _FEWEST * len(leads):
        verdict = "repeat"
    elif len(usable) < len(leads) or noisy >= max(1.0, _SOME * len(leads)):
        verdict = "rhythm_only"
    else:
        verdict = "diagnostic"
    reasons = tuple(f"{name}:{word}" for name, word in per_lead.items() if word != "good")
    return Quality(verdict, reasons, per_lead, usable)


def latest(
    samples: NDArray[Any], rate_hz: float, leads: Sequence[str], electrodes_off: Iterable[str] = ()
) -> dict[str, str]:
    """Lead → word for the last second of raw (n_leads, n) µV with NaN gaps; a few seconds are looked back on.

    For a live page: a fault shows, and goes, within a second. What takes longer to be seen (wander, a lead
    that is flat when the others may be pausing too) is judged on all that is given, four seconds at best.
    Raises ValueError if rows and names differ in number, and for a rate that is none.
    """
    data = _checked(samples, rate_hz, leads)
    off = leads_off(electrodes_off)
    second = max(2, round(rate_hz))
    words = ["lead_off"] * len(leads)
    if len(leads) and data.shape[1] >= second:
        here = np.isfinite(data[:, -second:]).mean(axis=1) >= _HALF
        strip = _strip(data, rate_hz)
        grades = _lost(strip, second) | _noise(strip, second)
        still = np.ptp(strip.x[:, -second:], axis=1) == 0
        grades["flat"] = np.where(still, np.inf, np.maximum(grades["flat"], _flat(strip)))
        words = [word if there else "lead_off" for word, there in zip(_worst(grades)[0], here, strict=True)]
    return {
        name: "lead_off" if canonical(name) in off else word for name, word in zip(leads, words, strict=True)
    }


def _checked(samples: NDArray[Any], rate_hz: float, leads: Sequence[str]) -> Array:
    if not 0 < rate_hz < np.inf:
        raise ValueError(f"{rate_hz} is no sampling rate")
    data = np.asarray(samples, dtype=np.float64)
    if data.ndim != 2 or data.shape[0] != len(leads):
        raise ValueError(f"{len(leads)} lead names for samples of shape {data.shape}")
    return data


def _judge(data: Array, rate_hz: float, steep: Flags) -> tuple[list[str], Array]:
    """Word and severity of each lead; a long recording in pieces, of which the worse quarter counts."""
    count = max(1, round(data.shape[1] / (_PIECE_S * rate_hz)))
    found = [_piece(piece, rate_hz, steep) for piece in np.array_split(data, count, axis=1)]
    if count == 1:
        return found[0]
    grades = np.array([severity for _, severity in found])
    nth = np.argsort(grades, axis=0, kind="stable")[min(count - 1, int(_ROUGH * count))]
    lead = np.arange(len(data))
    return [found[piece][0][k] for k, piece in zip(lead, nth, strict=True)], grades[nth, lead]


def _piece(data: Array, rate_hz: float, steep: Flags) -> tuple[list[str], Array]:
    """Word and severity of each lead of some ten seconds; `steep` leads must have a QRS."""
    second = max(2, round(rate_hz))
    finite = np.isfinite(data)
    off = finite.mean(axis=1) < _HALF if data.shape[1] >= second else np.ones(len(data), dtype=np.bool_)
    words, severity = ["lead_off"] * len(data), np.full(len(data), np.inf)
    on = np.flatnonzero(~off)
    if on.size:
        strip = _strip(data[on], rate_hz)
        qrs, unlike = _likeness(strip.x, beats.detect(strip.x, rate_hz), rate_hz)
        grades = _lost(strip, data.shape[1], qrs) | _noise(strip)
        grades["flat"] = np.maximum(grades["flat"], _flat(strip))
        none = _no_qrs(qrs, unlike)
        small = qrs < _NO_QRS_UV
        grades["flat"] = np.where(none & small & steep[on], np.inf, grades["flat"])
        _drown(grades, strip, qrs, unlike, none & ~small)
        said, how = _worst(grades)
        severity[on] = how
        for k, word in zip(on.tolist(), said, strict=True):
            words[k] = word
    return words, severity


def _strip(data: Array, rate_hz: float) -> _Strip:
    """Gaps bridged, offset and pacing spikes taken away."""
    x, finite = gaps.bridged(data)
    x = x - np.median(x, axis=1, keepdims=True)
    apart = max(1, round(_SPIKE_S * rate_hz))
    if x.shape[1] > 2 * apart:
        x = _without_spikes(x, apart)
    width = max(1, round(0.4 * rate_hz))
    return _Strip(x, finite, _mean(_mean(x, width), width), rate_hz)


def _without_spikes(x: Array, apart: int) -> Array:
    """High pulses that are over within `apart` samples on either side, cut down to what is beside them."""
    left, here, right = x[:, : -2 * apart], x[:, apart:-apart], x[:, 2 * apart :]
    low, high = np.minimum(left, right), np.maximum(left, right)
    middle = np.clip(here, low, high)
    spike = np.abs(here - middle) > _SPIKE_UV
    if spike.any():
        x = x.copy()
        x[:, apart:-apart][spike] = middle[spike]
    return x


def _severity(value: Array, limit: Limit) -> Array:
    """0 … 1 good, 1 … 2 noisy, from 2 on unusable."""
    below = value / limit.noisy
    return np.where(below < 1, below, 1 + (value - limit.noisy) / (limit.unusable - limit.noisy))


def _worst(grades: dict[str, Array]) -> tuple[list[str], Array]:
    """The word of the highest severity per lead, and that severity."""
    names = list(grades)
    table = np.array([grades[name] for name in names])
    worst = table.argmax(axis=0)
    severity = table[worst, np.arange(table.shape[1])]
    words = [
        names[w] if s >= _NOISY else "good" for w, s in zip(worst.tolist(), severity.tolist(), strict=True)
    ]
    return words, severity


def _noise(strip: _Strip, last: int = 0) -> dict[str, Array]:
    """Severity of muscle, mains and wander; of the first two in so many last samples, if that is given."""
    rate_hz = strip.rate_hz
    quiet = strip.x[:, -last:] - strip.wander[:, -last:]
    n = quiet.shape[1]
    spectrum = np.fft.rfft(quiet, axis=1)
    frequency = np.fft.rfftfreq(n, 1 / rate_hz)
    near_mains = (np.abs(frequency - 50) < 1.5) | (np.abs(frequency - 60) < 1.5)
    harmonic = (np.abs(frequency % 50) < 1.5) | (np.abs(frequency % 50 - 50) < 1.5) | near_mains
    # A soft edge at 35 Hz: a steep one would ring from each beat to the next at high rates.
    above = np.where(harmonic, 0, 1 / np.sqrt(1 + (35 / np.maximum(frequency, 0.1)) ** 8))
    both = np.fft.irfft(np.concatenate([spectrum * above, spectrum * near_mains]), n, axis=1)
    spread = np.median(_spread(_windows(both, rate_hz)), axis=1)
    return {
        "muscle_noise": _severity(spread[: len(quiet)], MUSCLE_UV),
        "mains_noise": _severity(spread[len(quiet) :], MAINS_UV),
        "baseline_wander": _severity(np.ptp(strip.wander, axis=1), WANDER_UV),
    }


def _lost(strip: _Strip, last: int, qrs_uv: Array | None = None) -> dict[str, Array]:
    """Severity of rails, bursts and silence: by the share of the last samples lost to all of them."""
    rate_hz = strip.rate_hz
    usual = np.median(np.ptp(_windows(strip.x, rate_hz), axis=2), axis=1)
    if qrs_uv is not None:
        usual = np.maximum(usual, qrs_uv)
    parts = _windows(strip.x[:, -last:], rate_hz, _STEP_S)
    span = np.ptp(parts, axis=2)
    leap = np.ptp(_windows(strip.wander[:, -last:], rate_hz, _STEP_S), axis=2)
    gone = 1 - _windows(strip.finite[:, -last:], rate_hz, _STEP_S).mean(axis=2) > _HALF
    held = _held(parts, max(3, round(_RAIL_S * rate_hz)))
    burst = (span > np.maximum(_BURST_UV, _BURST_RATIO * usual)[:, None]) | (
        leap > np.maximum(_LEAP_UV, usual)[:, None]
    )
    silent = (span < _FLAT_UV) & (np.median(span, axis=0) > _AWAKE_UV)[None, :] & ~gone
    share = _severity((gone | held | burst | silent).mean(axis=1), LOST)
    share = np.where(share >= _UNUSABLE, np.inf, share)  # what noise there is besides says nothing more
    causes = {"saturated": held, "loose": burst, "flat": silent, "lead_off": gone}
    count = np.array([flags.sum(axis=1) for flags in causes.values()])
    return {
        name: np.where((count.argmax(axis=0) == k) & count.any(axis=0), share, 0.0)
        for k, name in enumerate(causes)
    }


def _flat(strip: _Strip) -> Array:
    """Severity of leads that show nothing for more than half of the time."""
    quiet = strip.x - _mean(strip.x, max(2, round(strip.rate_hz)))
    empty = np.ptp(_windows(quiet, strip.rate_hz), axis=2) < _FLAT_UV
    return np.where(empty.mean(axis=1) > _HALF, np.inf, 0.0)


def _no_qrs(qrs: Array, unlike: Array) -> Flags:
    """Leads without a QRS that comes back, while most leads have one."""
    beating = bool(np.median(unlike / np.maximum(qrs, 1e-9)) < _BEATING)
    return (unlike > _NO_QRS_RATIO * qrs) & beating


def _drown(grades: dict[str, Array], strip: _Strip, qrs: Array, unlike: Array, none: Flags) -> None:
    """Raise the severity of the noise that is there where like beats differ too much, in place."""
    # A small QRS among large ones is no worse to read for being small: the usual height counts.
    share = unlike / np.maximum(np.maximum(qrs, np.median(qrs)), 1e-9)
    drowned = np.maximum(_severity(share, DROWNED), _severity(unlike, UNLIKE_UV))
    drowned = np.where(none, np.inf, drowned)
    drift = np.median(np.ptp(_windows(strip.wander, strip.rate_hz), axis=2), axis=1) / _DRIFT_UV
    muscle = grades["muscle_noise"] / _MUSCLE_SEEN
    seen = none | (np.maximum(muscle, drift) >= 1)
    for name, larger in (("muscle_noise", muscle >= drift), ("baseline_wander", drift > muscle)):
        grades[name] = np.where(seen & larger, np.maximum(grades[name], drowned), grades[name])


def _likeness(x: Array, r_peaks: beats.Beats, rate_hz: float) -> tuple[Array, Array]:
    """Per lead: height of the QRS, and what a beat differs by from those that are most like it, both µV.

    Compared over P, QRS and T after a straight line is taken away; both zero with fewer than four beats.
    """
    nothing = np.zeros(len(x)), np.zeros(len(x))
    if r_peaks.size < _FEWEST_BEATS:
        return nothing
    shortest = float(np.percentile(np.diff(r_peaks), 10))
    before, after = (round(min(s * rate_hz, share * shortest)) for s, share in ((0.25, 0.3), (0.4, 0.6)))
    at = r_peaks[(r_peaks >= before) & (r_peaks + after < x.shape[1])]
    if at.size < _FEWEST_BEATS or before < 2:
        return nothing
    line = np.linspace(-1, 1, before + after)
    cuts = x[:, at[:, None] + np.arange(-before, after)]
    cuts = cuts - cuts.mean(axis=2, keepdims=True)
    cuts -= (cuts @ line / (line @ line))[:, :, None] * line
    power = (cuts * cuts).mean(axis=2)
    apart = power[:, :, None] + power[:, None, :] - 2 / line.size * (cuts @ cuts.transpose(0, 2, 1))
    like = max(1, round(_LIKE * (at.size - 1)))
    nearest = np.sort(np.maximum(apart, 0), axis=2)[:, :, 1 : like + 1].mean(axis=2)
    unlike = np.sqrt(np.median(nearest, axis=1) / 2)
    scale = np.maximum(power.mean(axis=1), 1e-9)[:, None, None]
    centre = int(np.sort((apart / scale).sum(axis=0), axis=1)[:, 1 : like + 1].mean(axis=1).argmin())
    group = np.argsort((apart / scale).sum(axis=0)[centre], kind="stable")[: like + 1]
    reach = min(before, round(_QRS_S * rate_hz))
    shape = cuts[:, group, before - reach : before + reach].mean(axis=1)
    return np.ptp(shape, axis=1), unlike


def _windows(x: NDArray[Any], rate_hz: float, seconds: float = 1.0) -> NDArray[Any]:
    """(n, m) cut into whole windows: (n, windows, samples); one shorter one if there is not enough."""
    width = min(x.shape[1], max(1, round(seconds * rate_hz)))
    count = x.shape[1] // width
    return x[:, : count * width].reshape(len(x), count, width)


def _spread(x: Array) -> Array:
    """Standard deviation of the quieter part, along the last axis: beats have high frequencies too, at times.

    The 30th percentile of |x| is 0.3853 standard deviations of a normal distribution.
    """
    rank = int(0.3 * (x.shape[-1] - 1))
    return np.asarray(np.partition(np.abs(x), rank, axis=-1)[..., rank] / 0.3853)


def _held(parts: Array, samples: int) -> Flags:
    """Which windows stand still, far from the middle, for so many samples?"""
    far = np.abs(parts) > _RAIL_UV
    out = np.zeros(parts.shape[:2], dtype=np.bool_)
    for lead, window in np.argwhere(far.sum(axis=2) > samples).tolist():
        row = parts[lead, window]
        still = (np.diff(row) == 0) & far[lead, window, 1:]
        edges = np.flatnonzero(np.diff(np.concatenate(([False], still, [False])).astype(np.int8)))
        out[lead, window] = bool(edges.size and (edges[1::2] - edges[::2]).max() >= samples)
    return out


def _mean(x: Array, width: int) -> Array:
    """Centred moving mean of each row, ends held."""
    before = width // 2
    padded = np.pad(x, ((0, 0), (before + 1, width - before - 1)), mode="edge")
    total = np.cumsum(padded, axis=1)
    return np.asarray((total[:, width:] - total[:, :-width]) / width)
