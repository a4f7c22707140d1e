"""May this be sent as diagnostic? Noise, saturation and lead-off, lead by lead; numpy only.

Thresholds are ours: chosen by hand, then looked at on 16 field recordings with an organiser's label, of
which they pass all 8 acceptable ones and, wrongly, 2 of the 8 unacceptable.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg.leads import canonical, leads_off

Verdict = Literal["diagnostic", "rhythm_only", "repeat"]
LEAD_WORDS = ("good", "lead_off", "muscle_noise", "baseline_wander", "mains_noise", "saturated", "flat")

_FLAT_UV = 25.0
"""Peak to peak, without wander, below which a lead shows nothing."""
_FLAT_S = 1.0
_RAIL_S = 0.05
_RAIL_UV = 4000.0
"""A rail is a value held that far from the middle; a DC offset alone is none."""
_MUSCLE_UV = 35.0
_MAINS_UV = 60.0
_WANDER_UV = 1500.0
_HEAVY = 2.5
"""From this many times its limit on, noise makes a lead unusable."""
_UNUSABLE = frozenset({"lead_off", "saturated", "flat"})
_SOME_NOISE = 4
"""Noisy leads from which the whole is no longer diagnostic."""
_FEWEST = 0.5
"""Share of usable leads below which not even the rhythm should be read."""


class Quality(NamedTuple):
    """What the recording is good for, and why."""

    verdict: Verdict
    reasons: tuple[str, ...]
    """lead:word for every lead that is not good, in lead order."""
    per_lead: dict[str, str]
    """Lead → one of LEAD_WORDS."""
    usable: tuple[str, ...] = ()
    """Leads that may be measured: good, or noisy within reason."""


def assess(
    samples: NDArray[Any], rate_hz: float, leads: Sequence[str], electrodes_off: Iterable[str] = ()
) -> Quality:
    """Judge raw (n_leads, n) µV with NaN gaps; one second at least, ten are usual.

    Electrodes that the box reports off make their leads lead_off whatever the samples look like.
    Raises ValueError if rows and names differ in number.
    """
    data = np.asarray(samples, dtype=np.float64)
    if data.ndim != 2 or data.shape[0] != len(leads):
        raise ValueError(f"{len(leads)} lead names for samples of shape {data.shape}")
    off = leads_off(electrodes_off)
    per_lead: dict[str, str] = {}
    unusable: list[str] = []
    for name, row in zip(leads, data, strict=True):
        word, severity = ("lead_off", np.inf) if canonical(name) in off else _judge(row, rate_hz)
        per_lead[name] = word
        if word in _UNUSABLE or severity >= _HEAVY:
            unusable.append(name)
    noisy = [name for name, word in per_lead.items() if word != "good" and name not in unusable]
    verdict: Verdict
    if len(leads) - len(unusable) < _FEWEST * len(leads):
        verdict = "repeat"
    elif unusable or len(noisy) >= _SOME_NOISE:
        verdict = "rhythm_only"
    else:
        verdict = "diagnostic"
    reasons = tuple(f"{name}:{word}" for name, word in per_lead.items() if word != "good")
    return Quality(verdict, reasons, per_lead, tuple(name for name in leads if name not in unusable))


def _judge(row: NDArray[np.float64], rate_hz: float) -> tuple[str, float]:
    """Worst word of one lead, and how many times its limit it has."""
    finite = np.isfinite(row)
    if not row.size or finite.mean() < 0.5:
        return "lead_off", np.inf
    x = row if finite.all() else np.interp(np.arange(row.size), np.flatnonzero(finite), row[finite])
    x = x - np.median(x)
    if _held(x, max(3, round(_RAIL_S * rate_hz))):
        return "saturated", np.inf
    second = max(2, round(_FLAT_S * rate_hz))
    if x.size < second:
        return "lead_off", np.inf
    wander = _mean(x, second)
    quiet = x - wander
    n = x.size // second * second
    spans = np.ptp(quiet[:n].reshape(-1, second), axis=1)
    if np.mean(spans < _FLAT_UV) > 0.5:
        return "flat", np.inf
    spectrum = np.fft.rfft(quiet)
    frequency = np.fft.rfftfreq(x.size, 1 / rate_hz)
    near_mains = (np.abs(frequency - 50) < 1.5) | (np.abs(frequency - 60) < 1.5)
    mains = np.fft.irfft(np.where(near_mains, spectrum, 0), x.size)
    harmonic = (np.abs(frequency % 50) < 1.5) | (np.abs(frequency % 50 - 50) < 1.5) | near_mains
    # A soft edge at 35 Hz: a steep one would ring from each beat to the next at high rates.
    above = np.where(harmonic, 0, 1 / np.sqrt(1 + (35 / np.maximum(frequency, 0.1)) ** 8))
    muscle = np.fft.irfft(spectrum * above, x.size)
    found = {
        "muscle_noise": _spread(muscle) / _MUSCLE_UV,
        "mains_noise": _spread(mains) / _MAINS_UV,
        "baseline_wander": float(np.ptp(wander)) / _WANDER_UV,
    }
    word = max(found, key=found.__getitem__)
    return (word, found[word]) if found[word] > 1 else ("good", found[word])


def _spread(x: NDArray[np.float64]) -> float:
    """Standard deviation of the quieter part: beats have high frequencies too, but not all the time.

    The 30th percentile of |x| is 0.3853 standard deviations of a normal distribution.
    """
    return float(np.percentile(np.abs(x), 30)) / 0.3853


def _held(x: NDArray[np.float64], samples: int) -> bool:
    """Does the signal stand still far from its middle?"""
    far = np.abs(x) > _RAIL_UV
    if far.sum() <= samples:
        return False
    still = (np.diff(x) == 0) & far[1:]
    edges = np.flatnonzero(np.diff(np.concatenate(([False], still, [False])).astype(np.int8)))
    return bool(edges.size and (edges[1::2] - edges[::2]).max() >= samples)


def _mean(x: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Centred moving mean, ends held."""
    total = np.cumsum(np.pad(x, (width // 2 + 1, width - width // 2 - 1), mode="edge"))
    return np.asarray((total[width:] - total[:-width]) / width)
