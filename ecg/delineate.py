"""Boundaries of P, QRS and T, beat by beat, per lead and of all leads together; absent where not certain.

Each point is the mean of the distribution that a small network gives for it (`wave_network`): the answer with
the least expected squared error. The end of T is where the cardiologists of LUDB and QTDB put it: the return
to the baseline, before any U wave. numpy only.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg import beats, gaps, p_evidence
from ecg import wave_network as network

Array = NDArray[np.float64]

_CHUNK_S = 60.0
"""A longer strip is worked on in parts, so that eight hours need no more memory than a minute."""
_MARGIN_S = 4.0
"""What a part sees beyond its own beats: by then the filter has forgotten where the part began."""
_LEAST_S = 0.3
"""A strip shorter than this is no beat."""
_REACH_S, _DEAD = 0.1, 0.002
"""A lead that moves less than this share of the liveliest one within 100 ms of R shows nothing."""
_AROUND_S = 0.04
_MANY = 6
_OUTERMOST_MS = (-3.0, 0.0, 2.5, -2.0, 0.0, 2.0, 0.0, 0.0, 0.0)
"""With so many leads, how much farther out P and QRS of all of them are put than the network puts them: half
way, on LUDB, from the second extreme lead, where the network's answers lie, to the extreme one. The last T of
twelve is too uncertain to be followed."""
_ODDS = (0.0, -3.0, -1.0)
"""Log odds from which P, QRS and T are taken to be there. The detector has already said that there is a beat:
of LUDB's 0.5 % are below -2, of places between two beats 97 % (weights that had not learned from them)."""

_FEWEST = 3
"""Beats that a usual boundary needs."""
_MOST, _SOME = 0.6, 0.5
"""Share of the members that must show P, and T. f waves do not come back in step."""
_AGREE_S = 0.08
"""Quartiles farther apart than this agree on nothing: a P that wanders through the beats has no PR."""


class Waves(NamedTuple):
    """The boundaries of each beat: (n_beats,) sample numbers in the strip, NaN where there is none."""

    p_on: Array
    p_peak: Array
    p_off: Array
    qrs_on: Array
    qrs_peak: Array
    qrs_off: Array
    t_on: Array
    t_peak: Array
    t_off: Array


class Delineation(NamedTuple):
    """Every beat in every lead, and in all leads together."""

    per_lead: tuple[Waves, ...]
    together: Waves
    """Earliest onset to latest end over the leads, the outermost of many leads not taken at its word."""


class Boundaries(NamedTuple):
    """Sample numbers in the representative beat; None: not certain."""

    p_on: float | None = None
    p_off: float | None = None
    qrs_on: float | None = None
    qrs_off: float | None = None
    t_peak: float | None = None
    t_off: float | None = None


def waves(
    samples: NDArray[Any], rate_hz: float, r_peaks: beats.Beats, classes: Sequence[str] | None = None
) -> Delineation:
    """Boundaries of each beat of (n_leads, n) µV, NaN allowed, from its R peaks and, if known, classes.

    Any number and order of leads. A wave has all three of its points or none; none in a gap of its lead.
    """
    data = np.atleast_2d(np.asarray(samples, dtype=np.float64))
    peaks = np.asarray(r_peaks, dtype=np.float64)
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(data))
    rows = np.flatnonzero(finite.any(axis=1))
    out = np.full((len(data) + 1, peaks.size, network.POINTS), np.nan)
    if rows.size and peaks.size and data.shape[1] >= _LEAST_S * rate_hz:
        filled = gaps.bridged(data[rows])[0]
        filled = filled - filled[:, :1]
        odds = np.full((rows.size + 1, peaks.size, network.KINDS), -np.inf)
        points = np.full((rows.size + 1, peaks.size, network.POINTS), np.nan)
        for own, first, last in _parts(peaks, data.shape[1], rate_hz):
            found, odds[:, own] = _read(filled[:, first:last], rate_hz, peaks - first, own)
            points[:, own] = found + first
        lag_ms = (points[-1, :, 1] - peaks) / rate_hz * 1e3
        p_odds = p_evidence.log_odds(odds[-1, :, 0], lag_ms, peaks, rate_hz, classes)
        odds[..., 0] = np.where(np.isfinite(odds[..., 0]), p_odds, -np.inf)
        points = _ordered(points, odds)
        seen = _in_data(points[:-1], finite[rows]) & _recorded(finite[rows], peaks, rate_hz)[..., None]
        out[rows] = np.where(seen, points[:-1], np.nan)
        somewhere = np.asarray(finite.any(axis=0))[None]
        out[-1] = np.where(_in_data(points[-1:], somewhere)[0], points[-1], np.nan)
    each = [Waves(*row.T) for row in out]
    return Delineation(tuple(each[:-1]), each[-1])


def delineate(beat: NDArray[Any], r_index: int, rate_hz: float, rr_s: float) -> Boundaries:
    """Boundaries of a beat (n_leads, m) µV with its R at r_index and a usual interval of rr_s seconds."""
    data = np.atleast_2d(np.asarray(beat, dtype=np.float64))
    rows = np.flatnonzero(np.isfinite(data).all(axis=1))
    if not rows.size or data.shape[1] < _LEAST_S * rate_hz:
        return Boundaries()
    peaks = r_index + np.array([-2, -1, 0, 1, 2]) * rr_s * rate_hz
    found = _ordered(*_read(data[rows], rate_hz, peaks, slice(2, 3)))[-1, 0]
    return Boundaries(*(None if np.isnan(found[k]) else float(found[k]) for k in (0, 2, 3, 5, 7, 8)))


def usual_boundaries(
    together: Waves, r_peaks: beats.Beats, usual: beats.Representative, rate_hz: float
) -> Boundaries:
    """Boundaries in the representative beat (n_leads, m): the middle of what its members show, beat by beat.

    The onset of QRS is read in the representative beat itself, which fixes all others to its samples. P
    where most members have one; T likewise, and only if its ends agree.
    """
    anchor = delineate(usual.beat, usual.r_index, rate_hz, usual.rr_s).qrs_on
    each = np.array(together).T[usual.members]
    each = each[np.isfinite(each[:, 3])]
    if len(each) < _FEWEST or anchor is None:
        return Boundaries()
    after = each - each[:, 3:4]

    def middle(k: int, least: float) -> float | None:
        seen = after[np.isfinite(after[:, k]), k]
        # The first beat's P and the last one's T may lie outside the strip: not counted against them.
        if seen.size < least * max(_FEWEST, len(each) - 1):
            return None
        low, high = np.percentile(seen, (25, 75))
        return None if high - low > _AGREE_S * rate_hz else float(anchor + np.median(seen))

    p_on, p_off, qrs_off, t_peak, t_off = (
        middle(k, _MOST if k in (0, 2) else _SOME) for k in (0, 2, 5, 7, 8)
    )
    if p_on is None or p_off is None:
        p_on = p_off = None
    if t_peak is None or t_off is None:
        t_peak = t_off = None
    return Boundaries(p_on, p_off, None if qrs_off is None else anchor, qrs_off, t_peak, t_off)


def _parts(peaks: Array, n: int, rate_hz: float) -> Iterator[tuple[slice, int, int]]:
    """Beats to be read together, and the samples [first, last) that they are read from."""
    margin = round(_MARGIN_S * rate_hz)
    if n <= (_CHUNK_S + 2 * _MARGIN_S) * rate_hz:
        yield slice(0, peaks.size), 0, n
        return
    step = _CHUNK_S * rate_hz
    for start in np.arange(0.0, n, step):
        a, b = np.searchsorted(peaks, [start, start + step])
        if b > a:
            yield slice(int(a), int(b)), max(0, round(start) - margin), min(n, round(start + step) + margin)


def _read(filled: Array, rate_hz: float, peaks: Array, which: slice) -> tuple[Array, Array]:
    """Of the beats `which`: (n_leads + 1, n_beats, 9) sample numbers and (…, 3) log odds of each wave.

    The last row is all leads together, and whether a wave is there is its word: cardiologists mark a wave in
    every lead or in none. A lead that shows nothing at all has none.
    """
    strip, rate = network.banded(filled, rate_hz)
    found = network.read(strip, rate, peaks * (rate / rate_hz), which)
    points = np.concatenate([found.points, found.points_together[None]]) * (rate_hz / rate)
    if len(filled) >= _MANY:
        points[-1] += np.array(_OUTERMOST_MS) * rate_hz / 1e3
    odds = np.repeat(found.present_together[None], len(points), axis=0)
    alive = _alive(filled, rate_hz, peaks[which])
    odds[:-1][~alive] = -np.inf
    odds[-1, ~alive.any(axis=0)] = -np.inf
    return points + peaks[which, None], odds


def _alive(filled: Array, rate_hz: float, peaks: Array) -> NDArray[np.bool_]:
    """(n_leads, n_beats): does the lead move at all around R, beside the others?"""
    reach = round(_REACH_S * rate_hz)
    at = np.clip(
        np.rint(peaks).astype(np.int64)[:, None] + np.arange(-reach, reach + 1), 0, filled.shape[1] - 1
    )
    height = np.ptp(filled[:, at], axis=2)
    return np.asarray(height > np.maximum(_DEAD * height.max(axis=0), 1e-6))


def _ordered(points: Array, present: Array) -> Array:
    """Waves that are there and lie in their order; a P that runs into the QRS ends where it begins."""
    kinds = points.reshape(*points.shape[:-1], network.KINDS, 3).copy()
    there = present > np.array(_ODDS)
    qrs = kinds[..., 1, :]
    kinds[..., 0, 2] = np.minimum(kinds[..., 0, 2], qrs[..., 0])
    kinds[..., 2, 0] = np.maximum(kinds[..., 2, 0], qrs[..., 2])
    there &= (np.diff(kinds, axis=-1) > 0).all(axis=-1)
    there[..., 0] &= there[..., 1]
    there[..., 2] &= there[..., 1]
    return np.where(there[..., None], kinds, np.nan).reshape(points.shape)


def _recorded(finite: NDArray[np.bool_], peaks: Array, rate_hz: float) -> NDArray[np.bool_]:
    """(n_leads, n_beats): the lead has samples around R."""
    around = np.array([-1, 0, 1]) * _AROUND_S * rate_hz
    at = np.clip(np.rint(peaks[:, None] + around).astype(np.int64), 0, finite.shape[1] - 1)
    return np.asarray(finite[:, at].all(axis=2))


def _in_data(points: Array, finite: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n_leads, n_beats, 9): all three points of the wave lie on samples that were recorded."""
    at = np.nan_to_num(np.round(points), nan=-1.0).astype(np.int64)
    inside = (at >= 0) & (at < finite.shape[1])
    rows = np.arange(len(points))[:, None, None]
    good = inside & finite[rows, np.clip(at, 0, finite.shape[1] - 1)]
    whole = good.reshape(*good.shape[:-1], network.KINDS, 3).all(axis=-1)
    return np.asarray(whole.repeat(3, axis=-1))
