"""Which deflections are QRS complexes? What speaks for each, and the likeliest chain of beats.

A first choice is made by rules; then each candidate is described against the beats chosen around it (height,
shape, what lies between the beats), a small network turns the description into odds, and the chain with the
best odds is taken, in which beats keep a ventricle's distance and a regular rhythm makes an extra beat dear.
`scripts/train_beats.py` made the weights and prints what they reach on records not seen. numpy only.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ecg.deflections import SLIDE, TINY, Array, Candidates, Indices, Mask, first_choice

WEIGHTS = Path(__file__).with_name("qrs_network.npz")

_AROUND = 8
"""Beats on each side that a candidate is compared with."""
_OWN_S = 0.13
"""Within this a beat is itself; beyond, what lies between the beats."""
_SECOND_S, _FAR_S = 1.0, 4.0
_KINDS, _ALIKE, _LOOKED_AT = 5, 0.85, 60
"""Kinds of beats kept for the whole stretch; correlation within a kind; beats looked at to find them."""

_NEAREST_S, _NEAREST_SHARE, _NEAREST_MOST_S = 0.15, 0.15, 0.26
"""No two QRS are nearer than 150 ms and 15 % of the usual interval, or 260 ms: a ventricle's refractory time
shortens with its rate. The shortest intervals of the MIT-BIH development half, in runs of V, are 0.25 s."""
_ZONE_LENGTH_S = 0.12
_WAVE_ZONE_S, _UNEQUAL, _UNEQUAL_COST, _NOISY_ZONE_COST = 0.36, 0.4, 6.0, 2.0
"""Nearer than the zone, two of unequal height (log ratio) are rather a QRS and a wave of it."""
_EARLY, _EARLY_MOST, _EARLY_COST, _NOISY_EARLY = 0.85, 0.3, 5.0, 2.0
_LATE, _LATE_MOST, _LATE_COST = 1.25, 3.0, 2.0
_RUN_SPREAD, _RUN_SHARE = 0.2, 0.25
_IRREGULAR = 0.05
"""Intervals against the usual one: what an early and a missing beat cost, in log odds, in a regular rhythm;
at this relative spread of the intervals half of it."""
_SPREAD_SHARE, _SPREAD_SCALE = 0.3, 1.9
"""The spread is read where three tenths of the intervals lie, so that ectopic beats do not hide a rhythm."""
_T_AFTER_S, _T_ALONE, _T_SPREAD_S, _T_SLOWER, _T_HIGHER = 0.32, 1.5, 0.04, 0.15, 0.1
_T_LEAST, _T_SHARE = 3, 0.8
"""A second wave this soon after almost every beat, alone, at one distance, and slower (log ratio of slopes)
is no bigeminy: coupled beats come 0.35 s after at the earliest. If it is steeper, the first was a P wave."""
_ROW_LEAST, _ROW_FAST_S, _ROW_SPREAD, _ROW_LIKE, _ROW_ODDS = 5, 0.6, 0.05, 0.9, 3.0
"""A tachycardia that leaves nothing between its beats: beats, interval, relative spread, likeness with size.
The waves of fibrillation are spread more and less alike."""
_BREAK_COST = 4.0
_IN_FAVOUR, _NOISE_COST, BOUND = 2.75, 1.0, 6.0
"""Log odds added to every candidate; taken away again where there is as much between the beats as in them;
and the most that one candidate can say. All costs: ours, on records left out of the training."""
_BACK = 10


def _shares(values: Array, known: Mask, shares: tuple[float, ...], otherwise: Array | float) -> list[Array]:
    """Per row: the values below which these shares of the known ones lie; `otherwise` where none is known."""
    ordered = np.sort(np.where(known, values, np.inf), axis=1)
    count = known.sum(axis=1)
    rows = np.arange(len(values))
    place = [np.maximum(np.ceil(share * count).astype(int) - 1, 0) for share in shares]
    return [np.where(count > 0, ordered[rows, p], otherwise) for p in place]


def describe(of: Candidates, chosen: Mask) -> Array:
    """(k, FEATURES) what speaks for and against each candidate, measured on the beats chosen around it."""
    at, n, k = of.at, of.energy.size, of.at.size
    ids = np.flatnonzero(chosen)
    if not ids.size:
        ids = np.arange(k)  # nothing is known: each is measured on the others
        chosen = np.ones(k, dtype=bool)
    upto = np.cumsum(chosen)
    near = np.concatenate(
        [
            (upto - chosen)[:, None] - 1 - np.arange(_AROUND),
            upto[:, None] + np.arange(_AROUND),
        ],
        axis=1,
    )
    known = (near >= 0) & (near < ids.size)
    near = np.clip(near, 0, ids.size - 1)
    height = of.energy[at]
    usual, low = _shares(height[ids][near], known, (0.5, 0.2), height)
    usual_broad = _shares(of.broad_height[ids][near], known, (0.5,), of.broad_height)[0]
    usual_size, low_size = _shares(of.size[ids][near], known, (0.5, 0.2), of.size)

    own = round(_OWN_S * of.rate_hz)
    edges = np.zeros(n + 1)
    np.add.at(edges, np.clip(at[ids] - own, 0, n), 1)
    np.add.at(edges, np.clip(at[ids] + own + 1, 0, n), -1)
    free = np.cumsum(edges[:-1]) < 0.5
    away = np.arange(own + 1, round(_SECOND_S * of.rate_hz) + 1, 3)
    far = np.arange(-round(_FAR_S * of.rate_hz), round(_FAR_S * of.rate_hz) + 1, 13)

    def look(offsets: Indices) -> tuple[Indices, Mask]:
        places = at[:, None] + offsets
        inside = (places >= 0) & (places < n)
        places = np.clip(places, 0, n - 1)
        return places, inside & free[places]

    def between(values: Array) -> float:
        return float(np.median(values[free])) if free.any() else TINY

    rest, rest_broad = between(of.energy), between(of.broad)
    left, left_known = look(-away)
    right, right_known = look(away)
    both, both_known = (
        np.concatenate([left, right], axis=1),
        np.concatenate([left_known, right_known], axis=1),
    )
    before = _shares(of.energy[left], left_known, (0.5,), rest)[0]
    after = _shares(of.energy[right], right_known, (0.5,), rest)[0]
    middle, loud = _shares(of.energy[both], both_known, (0.5, 0.8), rest)
    middle_broad, loud_broad = _shares(of.broad[both], both_known, (0.5, 0.8), rest_broad)
    muscle = _shares(of.muscle[both[:, ::2]], both_known[:, ::2], (0.5,), float(np.median(of.muscle)))[0]
    wide, wide_known = look(far)
    far_off = _shares(of.energy[wide], wide_known, (0.5,), rest)[0]
    far_broad = _shares(of.broad[wide], wide_known, (0.5,), rest_broad)[0]

    def log(a: Array, b: Array) -> Array:
        return np.asarray(np.log((a + 1e-3 * usual + TINY) / (b + 1e-3 * usual + TINY)))

    def plain(a: Array, b: Array) -> Array:
        return np.asarray(np.log((a + TINY) / (b + TINY)))

    likeness, same_size, of_a_kind = _likeness(of, ids, near, known)
    own_muscle = of.muscle[at]
    return np.stack(
        [
            log(height, usual),
            log(height, low),
            log(height, before),
            log(height, after),
            log(height, loud),
            log(own_muscle, height),
            log(muscle, height),
            of.slowness,
            likeness,
            np.log(of.size / np.maximum(usual_size, TINY) + 1e-3),
            np.log(of.size / np.maximum(low_size, TINY) + 1e-3),
            np.log(of.step / np.maximum(usual_size, TINY) + 0.02),
            log(of.before, height),
            log(of.after, height),
            10 * of.width_s,
            log(own_muscle, muscle),
            plain(of.broad_height, usual_broad),
            log(loud, usual),
            plain(of.broad_before, of.broad_height),
            plain(of.broad_after, of.broad_height),
            log(middle, usual),
            plain(middle_broad, usual_broad),
            plain(loud_broad, usual_broad),
            log(far_off, usual),
            plain(far_broad, usual_broad),
            same_size,
            of_a_kind,
        ],
        axis=1,
    )


HEIGHT, LIKENESS, _LOUD, _SAME_SIZE = 0, 8, 17, 25
"""Columns of describe: height, likeness to the beats around, what is highest between, likeness and size."""
FOR, AGAINST = (0, 1, 2, 3, 4, 8, 9, 10, 15, 16, 25, 26), (6, 7, 11)
"""Columns that can only speak for a beat, and only against: the network is trained within these bounds."""
FEATURES = 27


def _likeness(of: Candidates, ids: Indices, near: Indices, known: Mask) -> tuple[Array, Array, Array]:
    """Likeness to the beats around, the same with size counted, and to the kinds of beats of the stretch."""
    shapes = of.shapes[SLIDE][ids]
    best = np.full(near.shape, -1.0)
    compared = shapes[near]
    for shifted in of.shapes:
        np.maximum(best, np.matmul(compared, shifted[:, :, None])[:, :, 0], out=best)

    def scale(a: Array, b: Array) -> Array:
        return np.asarray(2 * a * b / (a * a + b * b + TINY))

    likeness = np.sort(np.where(known, best, -1), axis=1)[:, -3:].mean(axis=1)
    sized = best * scale(of.norm[:, None], of.norm[ids][near])
    same_size = np.sort(np.where(known, sized, -1), axis=1)[:, -3:].mean(axis=1)

    looked = np.linspace(0, ids.size - 1, min(ids.size, _LOOKED_AT)).astype(int)
    sample = shapes[looked]
    alike = sample @ sample.T > _ALIKE
    left = np.ones(looked.size, dtype=bool)
    kinds: list[Array] = []
    norms: list[float] = []
    while left.any() and len(kinds) < _KINDS:
        votes = (alike & left).sum(axis=1) * left
        centre = int(votes.argmax())
        if kinds and votes[centre] < (2 if ids.size > _AROUND else 1):
            break
        members = alike[centre] & left
        members[centre] = True
        mean = sample[members].mean(axis=0)
        kinds.append(mean / max(float(np.linalg.norm(mean)), TINY))
        norms.append(float(np.median(of.norm[ids[looked[members]]])))
        left &= ~members
    bank = np.array(kinds).T
    fit = np.max([shifted @ bank for shifted in of.shapes], axis=0)
    of_a_kind = (fit * scale(of.norm[:, None], np.array(norms)[None, :])).max(axis=1)
    return likeness, same_size, of_a_kind


class Network(NamedTuple):
    """One hidden layer of tanh; inputs standardised and bounded."""

    mean: Array
    scale: Array
    hidden: Array
    """(inputs, units)."""
    bias: Array
    out: Array
    """(units,) or (units, outputs)."""
    offset: Array

    def odds(self, features: Array) -> Array:
        """Log odds (k,), or scores (k, outputs), of (k, inputs)."""
        bounded = np.clip((features - self.mean) / self.scale, -BOUND, BOUND)
        return np.asarray(np.tanh(bounded @ self.hidden + self.bias) @ self.out + self.offset)


def read_network(file: Path, prefix: str = "") -> Network:
    """Weights as training wrote them."""
    with np.load(file, allow_pickle=False) as stored:
        return Network(*(np.asarray(stored[prefix + name], dtype=np.float64) for name in Network._fields))


@cache
def network() -> Network:
    """What training found. The file is part of the package."""
    return read_network(WEIGHTS)


def rhythm(time_s: Array, at_s: Array) -> tuple[Array, Array]:
    """Usual interval (s) and its relative spread around each time, from the beats at time_s."""
    if time_s.size < 3:
        return np.full(at_s.size, 0.8), np.full(at_s.size, 0.2)
    rr = np.diff(time_s)
    padded = np.pad(rr, _AROUND, mode="reflect" if rr.size > _AROUND else "edge")
    around = np.sort(sliding_window_view(padded, 2 * _AROUND + 1), axis=1)
    usual = around[:, _AROUND]
    off = np.sort(np.abs(around - usual[:, None]), axis=1)
    spread = off[:, round(_SPREAD_SHARE * 2 * _AROUND)] / usual * _SPREAD_SCALE
    middle = (time_s[1:] + time_s[:-1]) / 2
    return np.interp(at_s, middle, usual), np.interp(at_s, middle, spread)


def follow(of: Candidates, odds: Array, features: Array, chosen: Mask) -> Mask:
    """The likeliest chain of beats: best sum of odds less what its intervals cost (Viterbi's recursion).

    chosen: the beats that the rhythm is read from.
    """
    noisy = np.clip(features[:, _LOUD] + 2.0, 0, 1)
    odds = odds + _IN_FAVOUR - _NOISE_COST * noisy
    taken = np.flatnonzero(odds > -BOUND)
    out = np.zeros(of.at.size, dtype=bool)
    if not taken.size:
        return out
    times = of.at[taken] / of.rate_hz
    usual, spread = rhythm(of.at[chosen] / of.rate_hz, times)
    strict = 1 / (1 + spread / _IRREGULAR)
    noise = noisy[taken]
    t, own = times.tolist(), np.minimum(odds[taken], BOUND).tolist()
    height = np.log(of.energy[of.at[taken]] + TINY).tolist()
    rr = usual.tolist()
    early = (_EARLY_COST * (1 + _NOISY_EARLY * noise) * strict).tolist()
    late = (_LATE_COST * strict).tolist()
    nearest = np.minimum(_NEAREST_MOST_S, _NEAREST_S + _NEAREST_SHARE * usual).tolist()
    in_zone = (_NOISY_ZONE_COST * noise).tolist()
    total: list[float] = []
    back: list[int] = []
    interval: list[float] = []
    best_upto: list[int] = []
    for k in range(len(t)):
        best = 0.0 if t[k] - t[0] < 2.0 else -_BREAK_COST
        link, ratio = -1, 1.0
        j, tried = k - 1, 0
        while j >= 0 and tried < _BACK:
            gap = t[k] - t[j]
            if gap >= nearest[k]:
                cost = 0.0
                if gap < _WAVE_ZONE_S:
                    share = (_WAVE_ZONE_S - gap) / _ZONE_LENGTH_S
                    unequal = max(0.0, abs(height[k] - height[j]) - _UNEQUAL)
                    cost = share * (_UNEQUAL_COST * unequal + in_zone[k])
                r = gap / rr[k]
                if r < _EARLY:
                    # a run of early beats is one thing to believe, not as many as it has beats
                    run = max(abs(interval[j] - r), abs(interval[max(0, back[j])] - r)) < _RUN_SPREAD * r
                    cost += early[k] * min(_EARLY_MOST, _EARLY - r) * (_RUN_SHARE if run else 1.0)
                elif r > _LATE:
                    # after an early beat a pause is to be expected
                    made_up = 1 - interval[j] if interval[j] < 0.9 else 0.0
                    cost += late[k] * min(_LATE_MOST, max(0.0, r - _LATE - made_up))
                if total[j] - cost > best:
                    best, link, ratio = total[j] - cost, j, r
                tried += 1
            j -= 1
        if j >= 0 and total[best_upto[j]] - 2 * _BREAK_COST > best:
            best, link, ratio = total[best_upto[j]] - 2 * _BREAK_COST, best_upto[j], 1.0
        total.append(best + own[k])
        back.append(link)
        interval.append(ratio)
        best_upto.append(best_upto[-1] if k and total[best_upto[-1]] > total[k] else k)
    k = best_upto[-1]
    while k >= 0:
        out[taken[k]] = True
        k = back[k]
    return out


def choose(of: Candidates, weights: Network | None = None) -> Mask:
    """The beats among the candidates; described once more where the first description changed the choice."""
    chosen = first_choice(of)
    if not of.at.size:
        return chosen
    net = weights or network()
    for _ in range(2):
        features = describe(of, chosen)
        odds = np.maximum(net.odds(features), _believed(of, features, chosen))
        better = follow(of, odds, features, chosen)
        if (better == chosen).all():
            break
        chosen = better
    return _without_t(of, chosen)


def _believed(of: Candidates, features: Array, chosen: Mask) -> Array:
    """Least odds of chosen candidates in a fast, even row of likes: there is no quiet to be expected."""
    least = np.full(of.at.size, -np.inf)
    ids = np.flatnonzero(chosen)
    if ids.size < _ROW_LEAST:
        return least
    time_s = of.at[ids] / of.rate_hz
    usual, spread = rhythm(time_s, time_s)
    gap = np.diff(time_s)
    before, after = np.concatenate([gap[:1], gap]), np.concatenate([gap, gap[-1:]])
    even = np.maximum(np.abs(before - usual), np.abs(after - usual)) < _ROW_SPREAD * usual
    even &= (spread < _ROW_SPREAD) & (usual < _ROW_FAST_S) & (features[ids, _SAME_SIZE] > _ROW_LIKE)
    least[ids[even]] = _ROW_ODDS
    return least


def _without_t(of: Candidates, chosen: Mask) -> Mask:
    """Less the T waves, where nearly every beat has a slower one at the same short distance after it."""
    ids = np.flatnonzero(chosen)
    gap = np.diff(of.at[ids]) / of.rate_hz
    rest = np.concatenate([[np.inf], gap, [np.inf]])
    pair = np.flatnonzero((gap < _T_AFTER_S) & (rest[:-2] > _T_ALONE * gap) & (rest[2:] > _T_ALONE * gap))
    if pair.size < max(_T_LEAST, _T_SHARE * (ids.size / 2)):
        return chosen
    slower = np.median(of.slowness[ids[pair + 1]] - of.slowness[ids[pair]])
    higher = np.median(
        np.log(of.energy[of.at[ids[pair + 1]]] / np.maximum(of.energy[of.at[ids[pair]]], TINY))
    )
    if np.ptp(gap[pair]) > _T_SPREAD_S or slower < _T_SLOWER or higher > _T_HIGHER:
        return chosen
    out = chosen.copy()
    out[ids[pair + 1]] = False
    return out
