"""What the simulated heart does: the times of its beats, of P waves of their own, of spikes, and what a
perfect reader would say of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg import shapes
from ecg.leads import BOX_LEADS
from ecg.shapes import FIBRILLATING, NORMAL, PACED, VENTRICULAR, Shape

Array = NDArray[np.float64]
Random = np.random.Generator


def _nothing() -> Array:
    return np.zeros(0)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Times of the beats and what each looks like; seconds from the start of the strip."""

    at_s: Array
    shapes: tuple[Shape, ...]
    p_at_s: Array = field(default_factory=_nothing)
    """R times that P waves of their own would belong to, were they conducted in 160 ms."""
    spikes_s: Array = field(default_factory=_nothing)
    """Pacing spikes."""
    background: Callable[[int, float, Random], Array] | None = None
    """(8, n) µV that goes on whatever the ventricles do, or instead of beats."""


Make = Callable[[float, float, Random], Rhythm]


class Scenario(NamedTuple):
    """A rhythm, its usual rate per minute, and what a perfect reader would say."""

    make: Make
    heart_rate: float
    codes: tuple[str, ...] = ()
    """Statement codes of which the first is the point of the scenario."""
    level: int | None = 2
    """Triage level under our own preset: 0 critical … 3 nothing found; None: nothing can be read."""


def _steady(seconds: float, rr_s: float, rng: Random) -> Array:
    return np.arange(rng.uniform(0.3, 0.6) * min(rr_s, 1.0), seconds + rr_s, rr_s)


def _sinus(seconds: float, heart_rate: float, rng: Random, shape: Shape = NORMAL) -> Rhythm:
    at_s = _steady(seconds, 60.0 / heart_rate, rng)
    return Rhythm(at_s, (shape,) * len(at_s))


def _all(shape: Shape, st: tuple[float, float] = (1.0, 1.0)) -> Make:
    """Every beat of one shape; ST levels times a factor drawn between the two."""

    def make(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
        own = shape
        if st != (1.0, 1.0):
            factor = rng.uniform(*st)
            own = replace(shape, st=tuple(wave.larger(factor) for wave in shape.st))
        return _sinus(seconds, heart_rate, rng, own)

    return make


def _irregular(seconds: float, heart_rate: float, rng: Random, least_s: float, spread: float) -> Array:
    """R times with lognormal intervals, as the AV node makes of fibrillation."""
    mean_s = 60.0 / heart_rate
    rr_s = np.maximum(least_s, mean_s * rng.lognormal(-0.02, spread, int(seconds / mean_s * 2) + 8))
    at_s = 0.4 + np.cumsum(rr_s) - rr_s[0]
    return np.asarray(at_s[at_s < seconds + mean_s])


def _af(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    at_s = _irregular(seconds, heart_rate, rng, 0.28, 0.2)
    return Rhythm(at_s, (FIBRILLATING,) * len(at_s), background=_fibrillation)


def _af_fast(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    at_s = _irregular(seconds, heart_rate, rng, 0.22, 0.18)
    return Rhythm(at_s, (replace(FIBRILLATING, t_ms=110.0),) * len(at_s), background=_fibrillation)


def _af_preexcited(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    """Fast, irregular, each beat with another share of pre-excitation; intervals down to 200 ms."""
    at_s = _irregular(seconds, heart_rate, rng, 0.2, 0.22)
    wide, delta = shapes.PREEXCITED.qrs[1:], shapes.PREEXCITED.qrs[0]
    kinds = tuple(
        replace(shapes.PREEXCITED, p=(), qrs=(delta.larger(share), *wide), t_ms=110.0, qtc_ms=330.0)
        for share in rng.uniform(0.8, 1.6, len(at_s))
    )
    return Rhythm(at_s, kinds, background=_fibrillation)


def _af_paced(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    base = _paced(seconds, heart_rate, rng)
    return replace(base, background=_fibrillation)


def _flutter(ratios: tuple[int, ...]) -> Make:
    """Atria at 300 a minute; ventricles follow every so many waves, in turn."""

    def make(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
        cycle_s = rng.uniform(0.19, 0.22)
        start_s = rng.uniform(0.2, 0.5)
        counts = np.resize(rng.permutation(ratios), int(seconds / cycle_s) + 2)
        at_s = start_s + cycle_s * np.concatenate(([0], np.cumsum(counts)))
        at_s = at_s[at_s < seconds + 0.5]

        def waves(n: int, rate_hz: float, rng: Random) -> Array:
            phase = ((np.arange(n) / rate_hz - start_s + 0.1) / cycle_s) % 1.0
            saw = np.where(phase < 0.7, 0.5 - phase / 0.7, -0.5 + (phase - 0.7) / 0.3)
            return np.outer((15.0, -220.0, 110.0, 50.0, 20.0, 10.0, 10.0, 10.0), saw)

        return Rhythm(at_s, (replace(FIBRILLATING, t_ms=150.0),) * len(at_s), background=waves)

    return make


def _pvc(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    base = _sinus(seconds, heart_rate, rng)
    at_s, kinds = base.at_s.copy(), list(base.shapes)
    for beat in range(3, len(at_s), 5):  # every fifth beat early, the next one in time: a full pause
        at_s[beat] -= 0.32 * 60.0 / heart_rate
        kinds[beat] = VENTRICULAR
    return Rhythm(at_s, tuple(kinds))


def _bigeminy(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    base = _sinus(seconds, heart_rate, rng)
    at_s, kinds = base.at_s.copy(), list(base.shapes)
    at_s[1::2] -= 0.3 * 60.0 / heart_rate
    kinds[1::2] = [VENTRICULAR] * len(kinds[1::2])
    return Rhythm(at_s, tuple(kinds))


def _ventricular_run(length: int, heart_rate: float = 170.0) -> Make:
    """Sinus rhythm, one run of ventricular beats in the middle."""

    def make(seconds: float, sinus_rate: float, rng: Random) -> Rhythm:
        rr_s, short_s = 60.0 / sinus_rate, 60.0 / heart_rate
        before = np.arange(0.35, 0.4 * seconds, rr_s)
        run = before[-1] + 0.7 * rr_s + short_s * np.arange(length)
        after = np.arange(run[-1] + 1.3 * rr_s, seconds + rr_s, rr_s)
        kinds = (NORMAL,) * len(before) + (VENTRICULAR,) * length + (NORMAL,) * len(after)
        return Rhythm(np.concatenate((before, run, after)), kinds)

    return make


def _pac(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    """Every fifth beat early with a P of its own; the sinus node is set back by it."""
    rr_s = 60.0 / heart_rate
    early = [beat % 5 == 3 for beat in range(int(seconds / rr_s) + 3)]
    at_s = 0.4 + np.cumsum([0.62 * rr_s if is_early else rr_s for is_early in early]) - rr_s
    kinds = tuple(shapes.ATRIAL_PREMATURE if is_early else NORMAL for is_early in early)
    return Rhythm(at_s, kinds)


def _sinus_arrhythmia(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    mean_s = 60.0 / heart_rate
    at_s = [rng.uniform(0.3, 0.6)]
    phase = rng.uniform(0, 6)
    while at_s[-1] < seconds + mean_s:
        at_s.append(at_s[-1] + mean_s * (1 + 0.16 * np.sin(2 * np.pi * at_s[-1] / 4.2 + phase)))
    return Rhythm(np.array(at_s), (NORMAL,) * len(at_s))


def _pause(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    base = _sinus(seconds, heart_rate, rng)
    middle = len(base.at_s) // 2 - 1
    at_s = base.at_s.copy()
    at_s[middle:] += 3.5 - 60.0 / heart_rate
    return Rhythm(at_s, base.shapes)


def _dropping(pattern: tuple[float | None, ...]) -> Make:
    """Sinus P waves in step; each is conducted after so many ms more than 160, or not at all (None)."""

    def make(seconds: float, atrial_rate: float, rng: Random) -> Rhythm:
        p_at_s = _steady(seconds, 60.0 / atrial_rate, rng)
        turn = rng.integers(len(pattern))
        delays = [pattern[(k + int(turn)) % len(pattern)] for k in range(len(p_at_s))]
        at_s = np.array([p + d / 1e3 for p, d in zip(p_at_s, delays, strict=True) if d is not None])
        return Rhythm(at_s, (FIBRILLATING,) * len(at_s), p_at_s=p_at_s)

    return make


def _dissociated(shape: Shape, atrial_rate: float) -> Make:
    """Atria and ventricles each at their own pace."""

    def make(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
        base = _sinus(seconds, heart_rate, rng, shape)
        p_at_s = _steady(seconds, 60.0 / (atrial_rate * rng.uniform(0.94, 1.06)), rng)
        return replace(base, p_at_s=p_at_s)

    return make


def _standstill(seconds: float, atrial_rate: float, rng: Random) -> Rhythm:
    return Rhythm(np.zeros(0), (), p_at_s=_steady(seconds, 60.0 / atrial_rate, rng))


def _vt(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    return _sinus(seconds, heart_rate, rng, VENTRICULAR)


def _asystole(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    return Rhythm(np.zeros(0), ())


_SPIKE_TO_R_S = 0.075


def _paced(seconds: float, heart_rate: float, rng: Random, failing: int = 0) -> Rhythm:
    """Ventricular pacing, no P waves; of every `failing` spikes one only is answered."""
    spikes_s = _steady(seconds, 60.0 / heart_rate, rng)
    answered = spikes_s[::failing] if failing else spikes_s
    at_s = answered + _SPIKE_TO_R_S
    return Rhythm(at_s, (PACED,) * len(at_s), spikes_s=spikes_s)


def _paced_block(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    """Ventricular pacing under P waves that are faster and never conducted."""
    base = _paced(seconds, heart_rate, rng)
    return replace(base, p_at_s=_steady(seconds, 60.0 / rng.uniform(74.0, 88.0), rng))


def _paced_dual(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    at_s = _steady(seconds, 60.0 / heart_rate, rng)
    follows = replace(PACED, p=(shapes.P.later(-15),))
    return Rhythm(at_s, (follows,) * len(at_s), spikes_s=at_s - _SPIKE_TO_R_S)


def _r_on_t(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    """Long QT; every fourth beat is followed by a ventricular one on its T."""
    rr_s = 60.0 / heart_rate
    base = _steady(seconds, rr_s, rng)
    at_s, kinds = [], []
    for beat, at in enumerate(base):
        at_s.append(at)
        kinds.append(shapes.LONG_QT)
        if beat % 4 == 1:
            at_s.append(at + 0.43)
            kinds.append(VENTRICULAR)
    keep = [k for k, (a, b) in enumerate(pairwise((-9.0, *at_s))) if b - a > 0.2]
    return Rhythm(np.array(at_s)[keep], tuple(kinds[k] for k in keep))


_AXES = np.array(
    [
        # I, II, V1 … V6 of a vector to the left, downward, to the front
        (1.0, 0.5, -0.4, 0.0, 0.4, 0.8, 1.0, 1.0),
        (0.0, 0.87, 0.0, 0.1, 0.2, 0.3, 0.3, 0.3),
        (0.0, 0.0, 0.9, 1.2, 1.1, 0.8, 0.4, 0.1),
    ]
)
"""A plain model of the chest: enough for waves without beats."""


def _fibrillation(n: int, rate_hz: float, rng: Random) -> Array:
    """f waves of 6 to 8 a second, largest in V1."""
    phase = 2 * np.pi * np.cumsum(6.8 + 0.8 * np.sin(2 * np.pi * 0.23 * np.arange(n) / rate_hz)) / rate_hz
    wave = np.sin(phase + rng.uniform(0, 6)) + 0.35 * np.sin(2 * phase + rng.uniform(0, 6))
    return np.outer((15.0, 45.0, 80.0, 40.0, 20.0, 15.0, 12.0, 10.0), wave)


def _wander(n: int, rate_hz: float, rng: Random, period_s: float) -> Array:
    """A smooth random course of about 1, never still for a period."""
    knots = np.arange(-2, n / rate_hz / period_s + 3)
    course = rng.normal(0, 1, knots.size)
    return np.asarray(np.interp(np.arange(n) / rate_hz / period_s, knots, course))


def _vf_waves(n: int, rate_hz: float, rng: Random) -> Array:
    """Coarse fibrillation: 4 to 7 waves a second whose rate, height and direction never stay."""
    size_uv = rng.uniform(180.0, 500.0)
    sources = []
    for _ in range(3):
        rate = rng.uniform(4.5, 6.0) + 0.9 * _wander(n, rate_hz, rng, 0.8)
        phase = 2 * np.pi * np.cumsum(rate) / rate_hz + rng.uniform(0, 6)
        height = np.abs(0.8 + 0.5 * _wander(n, rate_hz, rng, 1.1))
        sources.append(height * (np.sin(phase) + 0.25 * np.sin(2 * phase + rng.uniform(0, 6))))
    return np.asarray(size_uv * _AXES.T @ np.array(sources))


def _ventricular_flutter_waves(n: int, rate_hz: float, rng: Random) -> Array:
    """Large sine-like waves, 250 to 300 a minute, without a line between them."""
    phase = 2 * np.pi * rng.uniform(4.2, 5.0) * np.arange(n) / rate_hz
    wave = np.sin(phase) + 0.2 * np.sin(2 * phase + 0.8)
    return np.outer(np.array((0.5, 1.0, -0.4, 0.2)) @ np.vstack((_AXES, _AXES[1])), 900.0 * wave)


def _torsades(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
    """Two beats with a long QT, then wide waves at 200 to 250 a minute whose direction turns over."""
    before = np.array([0.5, 1.5])

    def waves(n: int, rate_hz: float, rng: Random) -> Array:
        t_s = np.arange(n) / rate_hz - 1.95
        phase = 2 * np.pi * rng.uniform(3.4, 4.1) * t_s
        turn = 2 * np.pi * t_s / rng.uniform(4.0, 6.0) + rng.uniform(0, 6)
        wave = 1000.0 * np.clip(t_s / 0.2, 0, 1) * (np.sin(phase) + 0.25 * np.sin(2 * phase + 0.6))
        directions = np.array((0.5 * np.sin(turn), np.cos(turn), 0.6 * np.sin(turn + 0.7)))
        return np.asarray((_AXES.T @ directions) * wave)

    return Rhythm(before, (shapes.LONG_QT,) * 2, background=waves)


def _only(background: Callable[[int, float, Random], Array]) -> Make:
    def make(seconds: float, heart_rate: float, rng: Random) -> Rhythm:
        return Rhythm(np.zeros(0), (), background=background)

    return make


assert _AXES.shape[1] == len(BOX_LEADS)

SCENARIOS: dict[str, Scenario] = {
    "sinus": Scenario(_sinus, 72.0, ("sinus_rhythm",), 3),
    "af": Scenario(_af, 96.0, ("atrial_fibrillation",)),
    "pvc": Scenario(_pvc, 72.0, ("ventricular_premature", "sinus_rhythm")),
    "inferior_stemi": Scenario(_all(shapes.INFERIOR_STEMI), 78.0, ("mi_inferior_acute", "sinus_rhythm"), 0),
    "lbbb": Scenario(_all(shapes.WIDE_LEFT), 70.0, ("left_bundle_branch_block", "sinus_rhythm")),
    "vt": Scenario(_vt, 170.0, ("ventricular_tachycardia",), 0),
    "pause": Scenario(_pause, 64.0, ("long_rr", "sinus_rhythm"), 0),
    "asystole": Scenario(_asystole, 0.0, ("asystole",), 0),
    "noise": Scenario(_sinus, 76.0, (), None),
    "lead_off": Scenario(_sinus, 72.0, ("sinus_rhythm",), None),
    "sinus_arrhythmia": Scenario(_sinus_arrhythmia, 66.0, ("sinus_arrhythmia",), 3),
    "sinus_bradycardia": Scenario(_sinus, 45.0, ("sinus_bradycardia",)),
    "sinus_tachycardia": Scenario(_sinus, 118.0, ("sinus_tachycardia",)),
    "extreme_bradycardia": Scenario(_sinus, 30.0, ("sinus_bradycardia",), 0),
    "junctional": Scenario(_all(FIBRILLATING), 48.0, ("junctional_rhythm",)),
    "idioventricular": Scenario(_all(shapes.ESCAPE), 33.0, ("ventricular_rhythm",), 0),
    "accelerated_idioventricular": Scenario(_all(shapes.ESCAPE), 78.0, ("accelerated_ventricular_rhythm",)),
    "pac": Scenario(_pac, 72.0, ("atrial_premature", "sinus_rhythm")),
    "bigeminy": Scenario(_bigeminy, 76.0, ("ventricular_bigeminy", "ventricular_premature")),
    "couplet": Scenario(_ventricular_run(2), 72.0, ("ventricular_couplet", "ventricular_premature")),
    "ventricular_run": Scenario(_ventricular_run(6), 72.0, ("ventricular_tachycardia_unsustained",), 1),
    "svt": Scenario(_all(replace(FIBRILLATING, t_ms=120.0)), 210.0, ("supraventricular_tachycardia",), 0),
    "flutter_2to1": Scenario(_flutter((2,)), 145.0, ("atrial_flutter",), 1),
    "flutter_4to1": Scenario(_flutter((4,)), 73.0, ("atrial_flutter",)),
    "flutter_varying": Scenario(_flutter((2, 3, 4, 4, 3)), 90.0, ("atrial_flutter",)),
    "af_fast": Scenario(_af_fast, 205.0, ("atrial_fibrillation",), 0),
    "af_preexcited": Scenario(
        _af_preexcited, 205.0, ("atrial_fibrillation_preexcited", "atrial_fibrillation"), 0
    ),
    "af_paced": Scenario(_af_paced, 70.0, ("atrial_fibrillation", "paced_rhythm")),
    "vf": Scenario(_only(_vf_waves), 0.0, ("ventricular_fibrillation",), 0),
    "ventricular_flutter": Scenario(_only(_ventricular_flutter_waves), 0.0, ("ventricular_flutter",), 0),
    "torsades": Scenario(_torsades, 60.0, ("torsades_de_pointes",), 0),
    "standstill": Scenario(_standstill, 70.0, ("ventricular_standstill",), 0),
    "av_block_1": Scenario(_all(shapes.LONG_PR), 70.0, ("av_block_1", "sinus_rhythm")),
    "av_block_2_mobitz_1": Scenario(_dropping((0.0, 90.0, 140.0, None)), 84.0, ("av_block_2_mobitz_1",)),
    "av_block_2_mobitz_2": Scenario(_dropping((20.0, 20.0, 20.0, None)), 84.0, ("av_block_2_mobitz_2",), 1),
    "av_block_2_1": Scenario(_dropping((30.0, None)), 84.0, ("av_block_2_1",), 1),
    "av_block_high_grade": Scenario(_dropping((30.0, None, None)), 96.0, ("av_block_high_grade",), 0),
    "av_block_3": Scenario(_dissociated(FIBRILLATING, 96.0), 41.0, ("av_block_3",), 0),
    "av_block_3_wide": Scenario(_dissociated(shapes.ESCAPE, 88.0), 32.0, ("av_block_3",), 0),
    "anterior_stemi": Scenario(
        _all(shapes.ANTERIOR_STEMI, (0.8, 1.6)), 84.0, ("mi_anterior_acute", "sinus_rhythm"), 0
    ),
    "lateral_stemi": Scenario(
        _all(shapes.LATERAL_STEMI, (0.8, 1.6)), 80.0, ("mi_lateral_acute", "sinus_rhythm"), 0
    ),
    "posterior_stemi": Scenario(
        _all(shapes.POSTERIOR_STEMI, (0.8, 1.4)), 76.0, ("mi_posterior_acute", "sinus_rhythm"), 0
    ),
    "subendocardial": Scenario(_all(shapes.SUBENDOCARDIAL), 92.0, ("diffuse_st_depression",), 1),
    "wellens": Scenario(_all(shapes.WELLENS), 70.0, ("wellens_pattern",), 1),
    "de_winter": Scenario(_all(shapes.DE_WINTER), 82.0, ("de_winter_pattern",), 1),
    "hyperkalaemia": Scenario(_all(shapes.HYPERKALAEMIA), 62.0, ("hyperkalaemia_pattern",), 0),
    "long_qt": Scenario(_all(shapes.LONG_QT), 62.0, ("qtc_prolonged", "sinus_rhythm"), 0),
    "r_on_t": Scenario(_r_on_t, 58.0, ("r_on_t", "qtc_prolonged"), 0),
    "rbbb": Scenario(_all(shapes.WIDE_RIGHT), 74.0, ("right_bundle_branch_block", "sinus_rhythm")),
    "lafb": Scenario(_all(shapes.LEFT_ANTERIOR), 72.0, ("left_anterior_fascicular_block", "sinus_rhythm")),
    "wpw": Scenario(_all(shapes.PREEXCITED), 72.0, ("ventricular_preexcitation",)),
    "paced": Scenario(_paced, 65.0, ("paced_rhythm",)),
    "paced_block": Scenario(_paced_block, 62.0, ("av_block_3", "paced_rhythm"), 0),
    "paced_dual": Scenario(_paced_dual, 75.0, ("paced_rhythm",)),
    "paced_failing": Scenario(
        lambda s, r, g: _paced(s, r, g, failing=3), 70.0, ("failure_to_capture", "paced_rhythm"), 0
    ),
}
"""Name → what happens and what it means."""
