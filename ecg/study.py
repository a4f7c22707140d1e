"""One recording and what was found in it: the table that statements, triage and comparison read from.

`study` runs the arithmetic in its order: quality, filter, beats, boundaries, measurements. Each rule reads
the fields it needs and names the numbers that made it fire, so that nothing is computed twice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg import amplitudes, beat_classes, beats, delineate, filters, measure, pacing, quality
from ecg.leads import LEADS

Array = NDArray[np.float64]

_NOISY = ("muscle_noise", "mains_noise", "baseline_wander")


class Person(NamedTuple):
    """What limits depend on; None: not known, and the adult limits that raise more cases are taken."""

    sex: Literal["male", "female"] | None = None
    age_years: float | None = None


class Finding(NamedTuple):
    """One statement with what made it: a rule, its leads, its numbers, and where in the strip."""

    code: str
    """Statement code of the common language."""
    rule: str
    """Which rule fired, for example `af.irregular_no_p`; stays the same between versions."""
    leads: tuple[str, ...] = ()
    numbers: Mapping[str, float] = {}
    """Name with unit (`rr_ms`, `j_v2_mv`) → value."""
    start: int | None = None
    end: int | None = None
    """Sample range [start, end) in the strip, where there is one."""


@dataclass(frozen=True, slots=True)
class Study:
    """Twelve leads in the order of LEADS and everything measured in them."""

    samples: Array
    """(12, n) µV, raw, NaN where there is no data."""
    rate_hz: float
    quality: quality.Quality
    clean: Array
    """(12, n) µV, zero-phase 0.05-150 Hz; NaN in leads that are not usable."""
    r_peaks: beats.Beats
    spikes: NDArray[np.int64]
    """Pacing spikes, sample numbers."""
    classes: tuple[str, ...]
    """One for each beat: N normal, S supraventricular, V ventricular, / paced, Q unclassified."""
    waves: delineate.Delineation
    """Boundaries beat by beat, per lead and of all leads together."""
    usual: beats.Representative | None
    """Representative beat of the usable leads' dominant class, all twelve rows, NaN in unusable leads."""
    boundaries: delineate.Boundaries
    """Global boundaries in the representative beat: sample s of it is sample s − r_index + R of a member."""
    measurements: dict[str, float | None]
    per_lead: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """Lead → the per-lead table (amplitudes.PER_LEAD)."""
    person: Person | None = None


def study(
    samples: NDArray[Any], rate_hz: float, electrodes_off: Iterable[str] = (), person: Person | None = None
) -> Study:
    """Everything about (12, n) µV in the order of LEADS, NaN where there is no data; loads scipy.

    Whatever the samples, there is an answer: where nothing can be measured it holds no beats and None for
    each number. Raises ValueError for another number of leads.
    """
    data = np.asarray(samples, dtype=np.float64)
    if data.ndim != 2 or data.shape[0] != len(LEADS):
        raise ValueError(f"twelve leads wanted, samples have shape {data.shape}")
    return judged(data, rate_hz, quality.assess(data, rate_hz, LEADS, electrodes_off), person)


def judged(data: Array, rate_hz: float, verdict: quality.Quality, person: Person | None = None) -> Study:
    """`study` of (12, n) µV whose quality is known: only its usable leads are measured."""
    rows = [k for k, name in enumerate(LEADS) if name in verdict.usable and np.isfinite(data[k]).any()]
    noisy = [k for k, name in enumerate(LEADS) if verdict.per_lead[name] in _NOISY]
    clean = np.full(data.shape, np.nan)
    if rows:
        band = filters.BANDS["diagnostic"]
        clean[rows] = filters.stored(data[rows], rate_hz, band.highpass_hz, band.lowpass_hz)
    # The rate alone is also taken from noisy leads where no better one is left: beats stand out longer
    # than boundaries do.
    seen = rows or noisy
    r_peaks = beats.detect(data[seen], rate_hz) if seen else np.zeros(0, dtype=np.int64)
    spikes = pacing.spikes(data[seen], rate_hz) if seen else np.zeros(0, dtype=np.int64)
    classes = beat_classes.classify(data[seen], rate_hz, r_peaks, spikes) if seen else ()
    waves = delineate.waves(clean, rate_hz, r_peaks, classes)
    usual = _usual(clean, rows, rate_hz, r_peaks, classes)
    boundaries = delineate.Boundaries()
    if usual is not None:
        boundaries = delineate.usual_boundaries(waves.together, r_peaks, usual, rate_hz)
    return Study(
        samples=data,
        rate_hz=rate_hz,
        quality=verdict,
        clean=clean,
        r_peaks=r_peaks,
        spikes=spikes,
        classes=classes,
        waves=waves,
        usual=usual,
        boundaries=boundaries,
        measurements=measure.measurements(r_peaks, rate_hz, usual, boundaries),
        per_lead=amplitudes.per_lead(usual, boundaries, waves, rate_hz),
        person=person,
    )


def _usual(
    clean: Array, rows: list[int], rate_hz: float, r_peaks: beats.Beats, classes: tuple[str, ...]
) -> beats.Representative | None:
    """Representative beat of the commonest class, in twelve rows, its members numbered in the whole strip."""
    if not rows or not classes:
        return None
    common = max(sorted(set(classes)), key=classes.count)
    own = np.flatnonzero([kind == common for kind in classes])
    found = beats.representative(clean[rows], r_peaks[own], rate_hz)
    if found is None:
        return None
    members = own[found.members]
    before = np.diff(r_peaks)[members[members > 0] - 1] / rate_hz
    beat = np.full((len(LEADS), found.beat.shape[1]), np.nan)
    beat[rows] = found.beat
    rr_s = float(np.median(before)) if before.size else found.rr_s
    return beats.Representative(beat, found.r_index, members, rr_s)
