"""From P waves and beats to the degrees of AV block: which P waves lead to a QRS, and which do not. numpy
only."""

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

Kind = Literal["one_to_one", "mobitz_1", "mobitz_2", "two_to_one", "high_grade", "dissociated", "unknown"]

_PR_S = (0.07, 0.46)
"""P peak to R of a conducted beat: PR from 0.12 to about 0.5 s."""
_SAME_PR_S = 0.045
"""P waves this near to the usual distance from R are conducted."""
_PACE_S = (0.33, 1.6)
"""Atria that beat 38 to 180 times a minute; faster ones are in flutter."""
_STEP = 0.13
"""How far one PP interval may be from the pace: sinus arrhythmia, and P waves nearer together around a
QRS."""
_IN_STEP, _SEEN = 0.75, 0.7
"""Share of PP intervals that keep the pace, and of P waves in plain sight that were seen."""
_MOST_CONDUCTED = 0.6
_STEADY_RR = 0.12
"""How far from the usual RR, as a share, the beats of an escape rhythm stay; one may be another beat."""
_OTHER_PACE = 0.04
_FEWEST_P = 4
_LONG = 1.35
"""RR over the usual RR from which a beat is missing."""
_LENGTHENING_S = 0.025
"""PR longer before a dropped beat than after it by so much: Mobitz I; less is not seen in P peaks at 125
Hz."""
_MIDDLE = (0.40, 0.60)
_SLOW_S = 1.2
"""RR from which a P wave at two thirds of it lies clear of T, its fellow at one third under T."""
_EVEN_P, _EVEN = 6, 0.8
_MOST_GAPS, _MANY_GAPS = 0.7, 0.4


class Conduction(NamedTuple):
    """What P waves and beats have to do with each other."""

    kind: Kind = "unknown"
    pace_s: float = np.nan
    """PP interval."""
    pr_s: float = np.nan
    """Median from P peak to R of the conducted beats."""
    conducted: float = 0.0
    """Share of the beats with a P wave at the usual distance."""
    dropped_s: tuple[float, ...] = ()
    """P waves on time that led to no QRS."""
    early_s: tuple[float, ...] = ()
    """P waves before their time that led to no QRS."""


def conduction(p_s: Array, r_s: Array, hidden: Mask, rate_hz: float) -> Conduction:
    """P waves and beats in seconds, ascending; `hidden` (n,) says where no P wave can be seen."""
    if p_s.size < 3 or r_s.size < 3:
        return Conduction()
    pr_s, own = _own_p(p_s, r_s)
    usual = float(np.nanmedian(pr_s)) if np.isfinite(pr_s).any() else float("nan")
    near = np.abs(pr_s - usual) < _SAME_PR_S
    share = float(near.mean())
    rr_s = np.diff(r_s)
    if share < _MOST_CONDUCTED or _drifting(pr_s):
        apart = _dissociated(p_s, r_s, rr_s, hidden, rate_hz, share)
        if apart is not None:
            return apart
    between = _between(p_s, r_s, own)
    counts = np.array([b.size for b in between])
    p_of = np.where(own >= 0, p_s[np.maximum(own, 0)], np.nan)
    gaps = _Gaps(p_of, rr_s, between, counts, pr_s)
    if share >= _MOST_CONDUCTED:
        for rule in (_many, _two_to_one):
            found = rule(gaps, usual, share)
            if found is not None:
                return found
    found = _mobitz(gaps, usual, share)
    if found is not None:
        return found
    early = tuple(
        float(b[0])
        for b, p, q in zip(between, p_of[:-1], p_of[1:], strict=True)
        if b.size == 1 and np.isfinite(p + q) and b[0] - p < _MIDDLE[0] * (q - p)
    )
    pace = float(np.nanmedian(np.diff(p_of))) if np.isfinite(np.diff(p_of)).any() else float("nan")
    if share >= _MOST_CONDUCTED:
        return Conduction("one_to_one", pace, usual, share, early_s=early)
    return Conduction("unknown", pace, usual, share)


class _Gaps(NamedTuple):
    """From each beat to the next: the P waves of both, the RR, and the P waves that belong to neither."""

    p_of: Array
    rr_s: Array
    between: list[Array]
    counts: Indices
    pr_s: Array


def _own_p(p_s: Array, r_s: Array) -> tuple[Array, Indices]:
    """For each beat its PR (P peak to R) and the number of its P wave; NaN and −1 without one."""
    last = np.searchsorted(p_s, r_s - _PR_S[0], side="right") - 1
    pr = np.where(last >= 0, r_s - p_s[np.maximum(last, 0)], np.nan)
    own = np.where(pr <= _PR_S[1], last, -1)
    # A P wave leads to one beat only, the first after it.
    again = np.concatenate(([False], (own[1:] == own[:-1]) & (own[1:] >= 0)))
    own[again] = -1
    return np.where(own >= 0, pr, np.nan), own


def _between(p_s: Array, r_s: Array, own: Indices) -> list[Array]:
    """P waves of no beat, gap by gap."""
    free = np.ones(p_s.size, dtype=bool)
    free[own[own >= 0]] = False
    return [p_s[free & (p_s > a) & (p_s < b)] for a, b in pairwise(r_s)]


def _drifting(pr_s: Array) -> bool:
    """Does PR move on steadily from beat to beat, as it does when two clocks run side by side?"""
    steps = np.diff(pr_s)
    steps = steps[np.isfinite(steps)]
    return bool(
        steps.size >= 4
        and abs(float(np.median(steps))) > 0.012
        and np.mean(np.sign(steps) == np.sign(np.median(steps))) > 0.8
    )


def _dissociated(
    p_s: Array, r_s: Array, rr_s: Array, hidden: Mask, rate_hz: float, share: float
) -> Conduction | None:
    """P waves at a pace of their own under steady beats that are not theirs."""
    usual_s = float(np.median(rr_s))
    off = np.abs(rr_s / usual_s - 1) > _STEADY_RR
    if p_s.size < _FEWEST_P or off.sum() > max(1, 0.15 * rr_s.size):
        return None
    pace, in_step = _pace(p_s)
    if not in_step >= _IN_STEP or abs(pace / usual_s - 1) < _OTHER_PACE or pace > usual_s:
        return None
    if _seen(p_s, pace, hidden, rate_hz) < _SEEN:
        return None
    return Conduction("dissociated", pace, conducted=share)


def _pace(p_s: Array) -> tuple[float, float]:
    """The PP interval of which most gaps are whole multiples, and the share that are."""
    gaps = np.diff(p_s)
    best = (float("nan"), 0.0)
    for whole in (1, 2, 3):
        for pace in np.unique(gaps / whole):
            if not _PACE_S[0] <= pace <= _PACE_S[1]:
                continue
            steps = np.maximum(np.rint(gaps / pace), 1)
            each = gaps / steps
            kept = (np.abs(each - pace) <= _STEP * pace) & (steps <= 3)
            # Shorter paces fit anything: a step that skips counts for less.
            score = float((kept / steps).sum() / gaps.size)
            if score > best[1] + 1e-9:
                best = (float(np.median(each[kept])) if kept.any() else float(pace), score)
    pace = best[0]
    if not np.isfinite(pace):
        return best
    steps = np.maximum(np.rint(gaps / pace), 1)
    return pace, float(np.mean(np.abs(gaps / steps - pace) <= _STEP * pace))


def _seen(p_s: Array, pace: float, hidden: Mask, rate_hz: float) -> float:
    """Of the P waves that this pace puts in plain sight, the share that was seen."""
    missing = 0
    for a, b in pairwise(p_s):
        count = round((b - a) / pace)
        for j in range(1, count):
            place = int((a + (b - a) * j / count) * rate_hz)
            around = hidden[max(0, place - round(0.06 * rate_hz)) : place + round(0.06 * rate_hz) + 1]
            missing += not around.any()
    return p_s.size / (p_s.size + missing)


def _many(gaps: _Gaps, usual: float, share: float) -> Conduction | None:
    """Two P waves or more in a row that lead nowhere, evenly spaced between conducted ones."""
    dropped: list[float] = []
    paces: list[float] = []
    for between, p, q in zip(gaps.between, gaps.p_of[:-1], gaps.p_of[1:], strict=True):
        if not between.size or not np.isfinite(p + q):
            continue
        for count in (2, 3):
            step = float(q - p) / (count + 1)
            due = p + step * np.arange(1, count + 1)
            off = np.abs(between[:, None] - due[None, :])
            met = off.min(axis=0) <= _STEP * step
            # Clear of T, one at two thirds is enough: its fellow lies under T.
            if step >= _PACE_S[0] and (met.all() or (count == 2 and met[1] and q - p >= _SLOW_S)):
                dropped += between[off.argmin(axis=0)[met]].tolist()
                paces.append(step)
                break
    if len(paces) < max(1, _MANY_GAPS * gaps.rr_s.size):
        return None
    return Conduction("high_grade", float(np.median(paces)), usual, share, tuple(dropped))


def _two_to_one(gaps: _Gaps, usual: float, share: float) -> Conduction | None:
    """One P wave in the middle of almost every gap."""
    middle = [
        (float(b[0]), float(q - p) / 2)
        for b, p, q in zip(gaps.between, gaps.p_of[:-1], gaps.p_of[1:], strict=True)
        if b.size == 1 and np.isfinite(p + q) and _MIDDLE[0] <= (b[0] - p) / (q - p) <= _MIDDLE[1]
    ]
    if len(middle) < max(2, _MOST_GAPS * gaps.rr_s.size):
        return None
    pace = float(np.median([half for _, half in middle]))
    if pace < _PACE_S[0]:
        return None
    return Conduction("two_to_one", pace, usual, share, tuple(at for at, _ in middle))


def _even(p_of: Array, dropped: list[float]) -> bool:
    """Do the P waves of the beats and the dropped ones make one even train? Waves of fibrillation do not."""
    train = np.sort(np.concatenate((p_of[np.isfinite(p_of)], dropped)))
    gaps = np.diff(train)
    pace = float(np.median(gaps))
    steps = np.maximum(np.rint(gaps / pace), 1)
    kept = np.abs(gaps / steps - pace) <= _STEP * pace
    return bool(train.size >= _EVEN_P and kept.mean() >= _EVEN and np.mean(steps == 1) >= _EVEN)


def _mobitz(gaps: _Gaps, usual: float, share: float) -> Conduction | None:
    """A gap too long by a beat, with a P wave in it at its time."""
    pp = np.diff(gaps.p_of)
    whole = pp[np.isfinite(pp) & (gaps.counts == 0)]
    dropped: list[float] = []
    lengthening: list[float] = []
    for k, between in enumerate(gaps.between):
        before, after = gaps.p_of[k], gaps.p_of[k + 1]
        if between.size != 1 or not np.isfinite(before):
            continue
        pace = float(np.median(whole)) if whole.size else float("nan")
        on_time = abs(between[0] - before - pace) <= 1.2 * _STEP * pace
        if np.isfinite(after) and on_time:
            on_time = abs(after - between[0] - pace) <= 2 * _STEP * pace
        if not on_time or not np.isfinite(after) or gaps.rr_s[k] < _LONG * pace:
            continue
        dropped.append(float(between[0]))
        lengthening.append(float(gaps.pr_s[k] - gaps.pr_s[k + 1]))
    if not dropped or not _even(gaps.p_of, dropped):
        return None
    kind: Kind = "mobitz_1" if np.median(lengthening) >= _LENGTHENING_S else "mobitz_2"
    return Conduction(kind, float(np.median(whole)), usual, share, tuple(dropped))
