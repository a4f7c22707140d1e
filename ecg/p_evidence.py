"""Is there a P wave before this beat? What it shows itself, and what the beats around it show.

A P wave comes back at the same distance before each QRS of a steady rhythm; a flutter or fibrillation wave
that looks like one does not. So the odds of one beat are weighed together with those of its neighbours of
the same class, with how steadily the supposed P keeps its distance, and with how irregular the rhythm is.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_NEAR = 5
"""Beats looked at on each side: eleven are the ten seconds of a usual strip."""
_OWN, _AROUND, _STEADY, _IRREGULAR, _ALONE = 0.3, 0.54, 3.2, -11.75, -2.24
_STEADY_MS = 6.0
_MOST_ODDS, _MOST_IRREGULAR = 8.0, 0.3
"""Logistic regression on LUDB, QTDB, the sinus, fibrillating and fluttering strips of the Challenge sets and
pieces of MIT-BIH records, seen in all leads and in one alone, each by weights of the network that had not
learned from it; the beat's own weight was set by hand, for a beat out of turn in a steady rhythm."""
_FEWEST = 3
"""With fewer beats around, a beat speaks for itself."""


def log_odds(
    own: Array, lag_ms: Array, r_peaks: Array, rate_hz: float, classes: Sequence[str] | None = None
) -> Array:
    """(n_beats,) log odds of a P, from the network's own and the distance of its P from R in ms."""
    n = own.size
    kinds = np.array(classes if classes is not None else ["Q"] * n)
    clipped = np.clip(own, -_MOST_ODDS, _MOST_ODDS)
    rr_s = np.diff(r_peaks, prepend=np.nan) / rate_hz
    # An interval tells of the rhythm if both its beats are of the class in question.
    out = np.empty(n)
    for kind in np.unique(kinds):
        at = np.flatnonzero(kinds == kind)
        alike = kinds[np.maximum(at - 1, 0)] == kind
        intervals = np.where(alike, rr_s[at], np.nan)
        for k, b in enumerate(at):
            near = slice(max(0, k - _NEAR), k + _NEAR + 1)
            if at[near].size < _FEWEST:
                out[b] = clipped[b]
                continue
            lag = lag_ms[at[near]]
            steady = np.exp(-_median(np.abs(lag - _median(lag))) / _STEADY_MS)
            out[b] = (
                _OWN * clipped[b]
                + _AROUND * _median(clipped[at[near]])
                + _STEADY * steady
                + _IRREGULAR * _irregularity(intervals[near])
                + _ALONE
            )
    return out


def _irregularity(intervals_s: Array) -> float:
    """Median change from one interval to the next, as a share of the median interval; 0 where unknown."""
    change = np.abs(np.diff(intervals_s))
    change = change[np.isfinite(change)]
    if change.size < _FEWEST - 1:
        return 0.0
    return min(_MOST_IRREGULAR, _median(change) / _median(intervals_s[np.isfinite(intervals_s)]))


def _median(values: Array) -> float:
    """Of a few values: numpy's own takes twenty times as long to begin."""
    ordered = np.sort(values)
    return float(ordered[(values.size - 1) // 2] + ordered[values.size // 2]) / 2
