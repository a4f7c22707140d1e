"""Are the electrodes where their plugs say? Swaps are found by undoing each in turn; numpy only.

A swap mixes the leads in a known way (Krasteva, Jekova and Schmid, Sensors 2019;19:2920), so it can be
undone. If the leads so restored look far more like those of other people than the leads as they came, the
swap is found. What is compared, in P, both halves of QRS, and T: mean potential of each lead, correlation of
each pair of leads, and how evenly the chest leads follow one another into lead I. What these are in other
people, and how much each counts, stands in `electrodes.npz`, made by `scripts/train_electrodes.py` from
recordings taken to be right; no recording is in it. An electrode on the wrong leg (RL) is seen by the lead
that is left between the two legs, which shows nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg import beats
from ecg.leads import BOX_LEADS, LEADS, canonical, derive
from ecg.quality import assess

Array = NDArray[np.float64]

PLUGS = ("RA", "LA", "LL", "RL", "V1", "V2", "V3", "V4", "V5", "V6")

NEVER_EXCLUDABLE = ("LA/LL", "LL/RL")
"""LA and LL swapped give another ordinary heart (22 % found in one study, spec-clinical 5.5); the two legs
are at one potential."""

WEIGHTS = Path(__file__).with_name("electrodes.npz")
LIMB_FOUND, CHEST_FOUND = 1.0, -0.8
"""Log of the odds, in the training's own balance of right and swapped, from which a swap is said to be found.
Cross-validated by person: 1 of 147 recordings without a pacemaker is above one of them, and 94 to 100 of 100
swaps, by kind."""
_EXCLUDED = -3.0
"""And from which down it is said to be none: 99 of 100 true swaps of any kind are above."""
_WIDEST_S = 0.16
"""A usual beat wider than this comes from a ventricle or a pacemaker: its leads are like nobody else's."""
_WIDTH_STEP_S, _WIDTH_SHARE, _WIDTH_AROUND_S = 0.012, 0.15, (0.13, 0.16)
"""Wide is where a step over that time exceeds that share of the steepest, in all leads together; ours."""
_P_S, _P_SHARE, _P_END_S = 0.26, 0.45, 0.076
"""P: from so long before R, or that share of the interval, to so long before R."""
_QRS_S = (0.06, 0.07)
_T_S, _T_SHARE, _T_START_S = 0.44, 0.62, 0.09
_NOISE = 0.02
"""Share of the QRS below which P and T are taken for noise."""
_EVEN = 1e-3
_ROUND = (0.05, 1.0, 0.1)
"""Added to evenness, to distance of means and of correlations, before the logarithm: below it is all one."""
_STEEPEST = 0.98
_NO_LEAD_RMS, _NO_LEAD_RANGE = 0.12, 0.17
"""A limb lead with less than these shares of the larger of the other two is none: in 154 recordings the least
had 0.18 and 0.21."""
_SHORTEST_S = 5.0
_AS_LIKELY = float(np.log(10))
_SAME = 1e-9
"""Share of another lead that is rounding."""


class Reversals(NamedTuple):
    """What was found about the placing of the electrodes."""

    judged: bool
    """False: too short, too few or too wide beats, a lead missing or unusable; then nothing is excluded."""
    found: tuple[str, ...]
    """Swaps, the likeliest first; the others are as likely within a factor of ten. Empty: none found."""
    log_odds: float
    """Of the likeliest against none, as the training balanced them; −inf when not judged."""
    not_excludable: tuple[str, ...]
    """Swaps that this recording cannot rule out, whatever was found."""


def _assign(*pairs: str) -> dict[str, str]:
    """ "RA/LA" → each plug on the site of the other."""
    out: dict[str, str] = {}
    for pair in pairs:
        one, other = pair.split("/")
        out |= {one: other, other: one}
    return out


def _swaps() -> dict[str, dict[str, str]]:
    limbs = {pair: _assign(pair) for pair in ("RA/LA", "RA/LL", "LA/LL", "RA/RL", "LA/RL", "LL/RL")}
    turned = {
        "RA>LA>LL": {"RA": "LA", "LA": "LL", "LL": "RA"},
        "RA>LL>LA": {"RA": "LL", "LL": "LA", "LA": "RA"},
        "arms/legs": _assign("RA/RL", "LA/LL"),
    }
    chest = {f"{a}/{b}": _assign(f"{a}/{b}") for a, b in combinations(PLUGS[4:], 2)}
    return limbs | turned | chest | {"V1>V6": _assign("V1/V6", "V2/V5", "V3/V4")}


SWAPS: Mapping[str, Mapping[str, str]] = _swaps()
"""Swap → plug → the site it is on; plugs not named are where they belong. `V1>V6`: the whole row reversed."""

BY_SHAPE = tuple(s for s in SWAPS if "RL" not in s and s not in ("arms/legs", "LA/LL"))
"""Swaps that are found by undoing them."""
_CHEST = frozenset(swap for swap in BY_SHAPE if swap.startswith("V"))
_BY_SILENCE = {"RA/RL": 1, "LA/RL": 2, "arms/legs": 0}
"""Swap → the limb lead (I, II, III) that lies between the legs then."""


def mixing(swap: str) -> Array:
    """(8, 8) matrix by which I, II, V1 … V6 become what the box records under a swap; `none` is the identity.

    The right leg is taken to be at the potential of the left, which is exact but for the current in the legs.
    Raises KeyError for a swap that is not in SWAPS.
    """
    place = {} if swap == "none" else SWAPS[swap]
    unit = np.eye(len(BOX_LEADS))
    at = {"RA": -(unit[0] + unit[1]) / 3}  # against Wilson's terminal, like the chest electrodes
    at |= {"LA": at["RA"] + unit[0], "LL": at["RA"] + unit[1], "RL": at["RA"] + unit[1]}
    at |= {name: unit[BOX_LEADS.index(name)] for name in PLUGS[4:]}
    seen = {plug: at[place.get(plug, plug)] for plug in PLUGS}
    terminal = (seen["RA"] + seen["LA"] + seen["LL"]) / 3
    limbs = [seen["LA"] - seen["RA"], seen["LL"] - seen["RA"]]
    return np.array(limbs + [seen[name] - terminal for name in PLUGS[4:]])


def swapped(samples: NDArray[Any], leads: Sequence[str], swap: str) -> Array:
    """What the box would have recorded with a swap: (n_leads, n) µV → (12, n) in the order of LEADS.

    For tests and teaching, never for a record. Raises KeyError for an unknown swap.
    """
    twelve = derive(np.asarray(samples, dtype=np.float64), leads)
    rows = [LEADS.index(name) for name in BOX_LEADS]
    return derive(mixing(swap) @ twelve[rows], BOX_LEADS)


def disturbed(swaps: Collection[str]) -> frozenset[str]:
    """The leads that any of these swaps changes: what is measured in them is not what their names say.

    The right leg takes a lead away and shifts what the chest is measured against. Raises KeyError for an
    unknown swap.
    """
    true = derive(np.eye(len(BOX_LEADS)), BOX_LEADS)
    changed = [np.abs(derive(mixing(swap), BOX_LEADS) - true).max(axis=1) > _SAME for swap in swaps]
    return frozenset(name for k, name in enumerate(LEADS) if any(rows[k] for rows in changed))


def reversals(
    samples: NDArray[Any], rate_hz: float, leads: Sequence[str], usable: Collection[str] | None = None
) -> Reversals:
    """Look for swapped electrodes in raw (n_leads, n) µV with two limb leads and V1 … V6 among them.

    Five seconds at least. `usable` names the leads that may be measured; None: those `quality.assess` finds
    usable. Raises ValueError if rows and names differ in number, and for a rate that is none.
    """
    data = np.asarray(samples, dtype=np.float64)
    if usable is None:
        usable = assess(data, rate_hz, leads).usable
    eight = derive(data, leads)[[LEADS.index(name) for name in BOX_LEADS]]
    if eight.shape[1] < _SHORTEST_S * rate_hz or not np.isfinite(eight).any(axis=1).all():
        return _UNKNOWN
    usual = beats.representative(eight, beats.detect(eight, rate_hz), rate_hz)
    if usual is None:
        return _UNKNOWN
    fine = {canonical(name) for name in usable}
    silent = _between_legs(usual, rate_hz)
    if silent is not None:
        rest = tuple(swap for swap in SWAPS if swap != silent)
        return Reversals(True, (silent,), np.inf, rest)
    limbs = len(fine & {"I", "II", "III"}) >= 2
    if not limbs or not fine.issuperset(PLUGS[4:]) or _width_s(usual, rate_hz) > _WIDEST_S:
        return _UNKNOWN
    people, weights = model()
    strange = strangeness(moments(usual, rate_hz), _undoing(), people)
    odds = log_odds(strange, weights)
    order = np.argsort(-odds, kind="stable").tolist()
    best = float(odds[order[0]])
    limit = np.array([CHEST_FOUND if swap in _CHEST else LIMB_FOUND for swap in BY_SHAPE])
    close = (odds > limit) & (odds > best - _AS_LIKELY)
    left = {swap for swap, odd in zip(BY_SHAPE, odds.tolist(), strict=True) if odd > _EXCLUDED}
    return Reversals(
        judged=True,
        found=tuple(BY_SHAPE[k] for k in order if close[k]),
        log_odds=best,
        not_excludable=tuple(swap for swap in SWAPS if swap in NEVER_EXCLUDABLE or swap in left),
    )


_UNKNOWN = Reversals(False, (), -np.inf, tuple(SWAPS))


def _between_legs(usual: beats.Representative, rate_hz: float) -> str | None:
    """The swap with the right leg that leaves a limb lead with nothing."""
    i, ii = usual.beat[:2]
    start, end = usual.r_index - round(_P_S * rate_hz), usual.r_index + round(_T_S * rate_hz)
    limbs = np.array([i, ii, ii - i])[:, max(0, start) : end]
    rms, span = np.sqrt((limbs * limbs).mean(axis=1)), np.ptp(limbs, axis=1)
    for swap, lead in _BY_SILENCE.items():
        others = [k for k in range(3) if k != lead]
        if rms[lead] < _NO_LEAD_RMS * rms[others].max() and span[lead] < _NO_LEAD_RANGE * span[others].max():
            return swap
    return None


def _width_s(usual: beats.Representative, rate_hz: float) -> float:
    """From the first steep part of the QRS to the last, in any lead."""
    step = max(1, round(_WIDTH_STEP_S * rate_hz))
    before, after = (round(s * rate_hz) for s in _WIDTH_AROUND_S)
    first = max(0, usual.r_index - before - step // 2)
    around = usual.beat[:, first : usual.r_index + after + step - step // 2]
    if around.shape[1] <= step:
        return 0.0
    steep = np.sqrt(((around[:, step:] - around[:, :-step]) ** 2).sum(axis=0))
    wide = np.flatnonzero(steep > _WIDTH_SHARE * steep.max())
    return float(wide[-1] - wide[0]) / rate_hz if wide.size else 0.0


class Moments(NamedTuple):
    """The usual beat of I, II, V1 … V6 in figures from which any mixing of leads follows."""

    mean: Array
    """(4, 8) mean of each lead in each phase."""
    product: Array
    """(4, 8, 8) mean product of two leads."""


def moments(usual: beats.Representative, rate_hz: float) -> Moments:
    """P, early and late QRS, and T of a representative beat (8, m) µV; scaled so that QRS is one."""
    r, rr_s = usual.r_index, usual.rr_s

    def cut(from_s: float, to_s: float) -> Array:
        start = max(0, r + round(from_s * rate_hz))
        return usual.beat[:, start : max(start + 1, r + round(to_s * rate_hz))]

    p = cut(-min(_P_S, _P_SHARE * rr_s), -_P_END_S)
    ramp = np.linspace(0, 1, p.shape[1])
    p = p - p[:, :1] * (1 - ramp) - p[:, -1:] * ramp
    t = cut(_T_START_S, max(_T_START_S, min(_T_S, _T_SHARE * rr_s)))
    phases = (p, cut(-_QRS_S[0], 0), cut(0, _QRS_S[1]), t)
    mean = np.array([x.mean(axis=1) for x in phases])
    product = np.array([x @ x.T / x.shape[1] for x in phases])
    scale = max(float(np.trace(product[1] + product[2])) / 2, 1e-12)
    return Moments(mean / np.sqrt(scale), product / scale)


def description(seen: Moments, mix: Array) -> tuple[Array, Array, Array]:
    """Of leads mixed by each of (h, 8, 8): means (h, 4, 8), correlations (h, 3, 28), evenness (h, 4).

    Means are against the power of their phase; correlations as Fisher's z, of P, of all QRS, and of T.
    """
    product = mix[:, None] @ seen.product @ mix.transpose(0, 2, 1)[:, None]
    power = np.trace(product, axis1=2, axis2=3)[..., None] + 8 * _NOISE**2
    mean = (seen.mean @ mix.transpose(0, 2, 1)) / np.sqrt(power)
    like = _correlation(product)
    chain = np.array([2, 3, 4, 5, 6, 7, 0])
    uneven = (1 - like[:, :, chain[:-1], chain[1:]]).sum(axis=2)
    pairs = np.triu_indices(len(BOX_LEADS), 1)
    whole = np.stack([product[:, 0], product[:, 1] + product[:, 2], product[:, 3]], axis=1)
    z = np.arctanh(np.clip(_correlation(whole)[:, :, pairs[0], pairs[1]], -_STEEPEST, _STEEPEST))
    return mean, z, uneven


def _correlation(product: Array) -> Array:
    """Correlation of each pair of leads, drawn to zero where there is little but noise."""
    own = np.diagonal(product, axis1=-2, axis2=-1)
    floor = _EVEN * own.sum(axis=-1, keepdims=True) + _NOISE**2
    size = np.sqrt(own + floor)
    return np.asarray(product / (size[..., :, None] * size[..., None, :]))


class Model(NamedTuple):
    """What other people's leads are like: middle and inverse spread of means and correlations."""

    mean: Array
    """(4, 8)"""
    mean_inverse: Array
    """(4, 8, 8)"""
    z: Array
    """(3, 28)"""
    z_inverse: Array
    """(3, 28, 28)"""


def strangeness(seen: Moments, mix: Array, people: Model) -> Array:
    """(h, 11): how unlike other people's the leads are after each mixing; smaller is more ordinary."""
    mean, z, uneven = description(seen, mix)
    far = mean - people.mean
    mean_far = np.einsum("hpi,pij,hpj->hp", far, people.mean_inverse, far)
    away = z - people.z
    z_far = np.einsum("hpi,pij,hpj->hp", away, people.z_inverse, away) / z.shape[2]
    apart = np.concatenate([uneven + _ROUND[0], mean_far + _ROUND[1], z_far + _ROUND[2]], axis=1)
    return np.asarray(np.log(apart))


def log_odds(strange: Array, weights: Array) -> Array:
    """Of each of BY_SHAPE against no swap; weights (2, 12) of limb and of chest swaps, the last one added."""
    gain = strange[:1] - strange[1:]
    own = weights[[int(swap in _CHEST) for swap in BY_SHAPE]]
    return np.asarray((gain * own[:, :-1]).sum(axis=1) + own[:, -1])


@cache
def _undoing() -> Array:
    """(1 + swaps, 8, 8): nothing, and the inverse of each of BY_SHAPE."""
    return np.stack([np.eye(len(BOX_LEADS)), *(np.linalg.inv(mixing(swap)) for swap in BY_SHAPE)])


@cache
def model() -> tuple[Model, Array]:
    """The trained figures: other people's leads, and the weights."""
    with np.load(WEIGHTS) as file:
        people = Model(*(np.asarray(file[name], dtype=np.float64) for name in Model._fields))
        return people, np.asarray(file["weights"], dtype=np.float64)
