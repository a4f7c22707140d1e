"""A twelve-lead heart for demo, tests and the box simulator: seeded, with exact truth.

Every wave is a cosine pulse of finite support, so onsets and offsets are known to the sample. Only the
eight sampled leads are drawn; the other four are derived, so Einthoven holds exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecg.leads import BOX_LEADS, LEADS, derive

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Wave:
    """One deflection: milliseconds relative to R, and µV in I, II, V1 … V6."""

    start_ms: float
    peak_ms: float
    end_ms: float
    uv: tuple[float, ...]
    flat: bool = False
    """True: a plateau (ST) with 20 ms flanks instead of a peak."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of beat."""

    symbol: str
    """WFDB's: N normal, V ventricular, L left bundle branch block."""
    p: tuple[Wave, ...]
    qrs: tuple[Wave, ...]
    st: tuple[Wave, ...]
    t_uv: tuple[float, ...]
    t_ms: float = 180.0
    """Length of T; its end follows from QT."""


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """What the heart did, and what a perfect reader would say of it."""

    scenario: str
    rate_hz: float
    samples: Array
    """(12, n) µV in the order of ecg.leads.LEADS."""
    r_peaks: NDArray[np.int64]
    symbols: tuple[str, ...]
    """WFDB beat symbol of each R."""
    truth: dict[str, float | None]
    """Measurement ids; None where there is no such thing (PR in AF)."""
    boundaries: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """p_on, p_off, qrs_on, qrs_off, t_off: sample number per beat, NaN where the beat has none."""
    electrodes_off: frozenset[str] = frozenset()

    @property
    def leads(self) -> tuple[str, ...]:
        return LEADS


_P = Wave(-205, -155, -105, (80, 140, 50, 60, 60, 60, 60, 60))
_T = (180.0, 300.0, -40.0, 350.0, 420.0, 400.0, 330.0, 250.0)
NORMAL = Shape(
    symbol="N",
    p=(_P,),
    qrs=(
        Wave(-45, -27, -8, (-60, -90, 0, 0, 0, -40, -90, -100)),
        Wave(-34, 0, 30, (650, 1100, 220, 420, 750, 1350, 1450, 1150)),
        Wave(8, 26, 48, (-120, -170, -950, -1350, -850, -450, -200, -80)),
    ),
    st=(),
    t_uv=_T,
)
INFERIOR_STEMI = Shape(
    symbol="N",
    p=(_P,),
    qrs=NORMAL.qrs,
    # J and ST: II +0.25, I −0.10, so III +0.35, aVF +0.30, aVL −0.225 mV (reciprocal)
    st=(Wave(40, 120, 230, (-100, 250, -60, -120, -80, 0, 30, 60), flat=True),),
    t_uv=(60.0, 420.0, -40.0, 200.0, 260.0, 300.0, 300.0, 260.0),
)
WIDE_LEFT = Shape(
    symbol="L",
    p=(_P,),
    qrs=(
        Wave(-45, -10, 50, (600, 500, -350, -500, -400, 200, 500, 600)),
        Wave(-20, 45, 105, (750, 500, -1300, -1700, -1300, 100, 700, 900)),
    ),
    st=(),
    t_uv=(-200.0, -120.0, 380.0, 500.0, 400.0, 80.0, -150.0, -220.0),
)
VENTRICULAR = Shape(
    symbol="V",
    p=(),
    qrs=(
        Wave(-75, 0, 60, (500, 1500, -700, -900, -400, 700, 1100, 1100)),
        Wave(10, 50, 85, (-200, -500, 300, 300, 100, -200, -300, -300)),
    ),
    st=(),
    t_uv=(-200.0, -450.0, 300.0, 400.0, 200.0, -250.0, -400.0, -400.0),
    t_ms=240.0,
)
FIBRILLATING = Shape(symbol="N", p=(), qrs=NORMAL.qrs, st=(), t_uv=_T)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Times of the beats and what each looks like."""

    at_s: Array
    shapes: tuple[Shape, ...]


def _sinus(seconds: float, heart_rate: float, rng: np.random.Generator, shape: Shape = NORMAL) -> Rhythm:
    rr_s = 60.0 / heart_rate
    at_s = np.arange(rng.uniform(0.3, 0.6) * min(rr_s, 1.0), seconds + rr_s, rr_s)
    return Rhythm(at_s, (shape,) * len(at_s))


def _af(seconds: float, heart_rate: float, rng: np.random.Generator) -> Rhythm:
    mean_s = 60.0 / heart_rate
    rr_s = np.maximum(0.28, mean_s * rng.lognormal(-0.02, 0.2, int(seconds / mean_s * 2) + 8))
    at_s = 0.4 + np.cumsum(rr_s) - rr_s[0]
    at_s = at_s[at_s < seconds + mean_s]
    return Rhythm(at_s, (FIBRILLATING,) * len(at_s))


def _pvc(seconds: float, heart_rate: float, rng: np.random.Generator) -> Rhythm:
    base = _sinus(seconds, heart_rate, rng)
    at_s, shapes = base.at_s.copy(), list(base.shapes)
    for beat in range(3, len(at_s), 5):  # every fifth beat early, the next one in time: a full pause
        at_s[beat] -= 0.32 * 60.0 / heart_rate
        shapes[beat] = VENTRICULAR
    return Rhythm(at_s, tuple(shapes))


def _pause(seconds: float, heart_rate: float, rng: np.random.Generator) -> Rhythm:
    base = _sinus(seconds, heart_rate, rng)
    middle = len(base.at_s) // 2 - 1
    at_s = base.at_s.copy()
    at_s[middle:] += 3.5 - 60.0 / heart_rate
    return Rhythm(at_s, base.shapes)


def _vt(seconds: float, heart_rate: float, rng: np.random.Generator) -> Rhythm:
    return _sinus(seconds, heart_rate, rng, VENTRICULAR)


def _asystole(seconds: float, heart_rate: float, rng: np.random.Generator) -> Rhythm:
    return Rhythm(np.zeros(0), ())


SCENARIOS: dict[str, tuple[Callable[[float, float, np.random.Generator], Rhythm], float]] = {
    "sinus": (_sinus, 72.0),
    "af": (_af, 96.0),
    "pvc": (_pvc, 72.0),
    "inferior_stemi": (lambda s, r, g: _sinus(s, r, g, INFERIOR_STEMI), 78.0),
    "lbbb": (lambda s, r, g: _sinus(s, r, g, WIDE_LEFT), 70.0),
    "vt": (_vt, 170.0),
    "pause": (_pause, 64.0),
    "asystole": (_asystole, 0.0),
    "noise": (_sinus, 76.0),
    "lead_off": (_sinus, 72.0),
}
"""Name → rhythm and its usual rate per minute."""


def _pulse(t_ms: Array, wave: Wave) -> Array:
    """Cosine pulse of height 1 on [start, end]; 0 outside."""
    if wave.flat:
        rise = np.clip((t_ms - wave.start_ms) / 20.0, 0, 1)
        fall = np.clip((wave.end_ms - t_ms) / 60.0, 0, 1)
        return np.asarray((1 - np.cos(np.pi * rise)) / 2 * (1 - np.cos(np.pi * fall)) / 2)
    half = np.where(t_ms < wave.peak_ms, wave.peak_ms - wave.start_ms, wave.end_ms - wave.peak_ms)
    x = np.clip((t_ms - wave.peak_ms) / half, -1, 1)
    return np.asarray((1 + np.cos(np.pi * x)) / 2)


def _qt_ms(rr_s: float) -> float:
    return float(400.0 * np.clip(rr_s, 0.3, 2.0) ** (1 / 3))


def _noise(
    n: int, rate_hz: float, rng: np.random.Generator, wander_uv: float, muscle_uv: float, mains_uv: float
) -> Array:
    """Independent noise of the eight sampled leads."""
    t_s = np.arange(n) / rate_hz
    out = np.empty((len(BOX_LEADS), n))
    mains = np.sin(2 * np.pi * 50.0 * t_s + rng.uniform(0, 2 * np.pi))
    for row in out:
        breath = np.sin(2 * np.pi * rng.uniform(0.18, 0.3) * t_s + rng.uniform(0, 2 * np.pi))
        white = rng.standard_normal(n + 1)
        muscle = (white[1:] - 0.6 * white[:-1]) / np.hypot(1, 0.6)
        row[:] = wander_uv * breath + muscle_uv * muscle + mains_uv * rng.uniform(0.5, 1) * mains
    return out


def simulate(
    scenario: str,
    seconds: float = 10.0,
    rate_hz: float = 500.0,
    seed: int = 1,
    heart_rate: float | None = None,
) -> Simulated:
    """Twelve leads of a scenario of SCENARIOS; "sinus:35" sets the rate as heart_rate does.

    The same arguments give the same samples. Raises ValueError for an unknown scenario.
    """
    name, _, number = scenario.partition(":")
    if name not in SCENARIOS:
        raise ValueError(f"unknown scenario '{name}': one of {', '.join(SCENARIOS)}")
    make, usual = SCENARIOS[name]
    per_minute = float(number) if number else heart_rate or usual
    if per_minute and not 10 <= per_minute <= 300:
        raise ValueError(f"a heart rate of {per_minute} is outside 10 … 300 a minute")
    rng = np.random.default_rng(seed)
    rhythm = make(seconds, per_minute, rng)
    n = round(seconds * rate_hz)
    box = np.zeros((len(BOX_LEADS), n))
    keys = ("p_on", "p_off", "qrs_on", "qrs_off", "t_off")
    marks: dict[str, list[float]] = {key: [] for key in keys}
    # As in a real heart, a beat's QT follows the interval before it.
    rr_s = np.diff(rhythm.at_s, prepend=rhythm.at_s[:1] - (60.0 / per_minute if per_minute else 1.0))
    shown = 0
    for at_s, before_s, shape in zip(rhythm.at_s, rr_s, rhythm.shapes, strict=True):
        row = _draw(box, at_s, shape, _qt_ms(before_s), rate_hz)
        if round(at_s * rate_hz) < n:
            shown += 1
            for key, value in zip(keys, row, strict=True):
                marks[key].append(value)
    if name == "af":
        box += _fibrillation(n, rate_hz, rng)
    heavy = name == "noise"
    box += _noise(n, rate_hz, rng, *((700.0, 180.0, 120.0) if heavy else (25.0, 4.0, 1.5)))
    electrodes_off: frozenset[str] = frozenset()
    if name == "lead_off":
        electrodes_off = frozenset({"V2"})
        row_v2 = BOX_LEADS.index("V2")
        box[row_v2] = 3000.0 * np.sin(2 * np.pi * 50 * np.arange(n) / rate_hz) + rng.normal(0, 300, n)
    r_peaks = np.rint(rhythm.at_s[:shown] * rate_hz).astype(np.int64)
    shapes = rhythm.shapes[:shown]
    return Simulated(
        scenario=scenario,
        rate_hz=rate_hz,
        samples=derive(box, BOX_LEADS),
        r_peaks=r_peaks,
        symbols=tuple(shape.symbol for shape in shapes),
        truth=_truth(rhythm.at_s[:shown], shapes, per_minute),
        boundaries={key: np.array(values) for key, values in marks.items()},
        electrodes_off=electrodes_off,
    )


def _draw(box: Array, at_s: float, shape: Shape, qt_ms: float, rate_hz: float) -> tuple[float, ...]:
    """Add one beat to the eight leads; its boundaries as sample numbers."""
    on_ms, off_ms = min(w.start_ms for w in shape.qrs), max(w.end_ms for w in shape.qrs)
    t_end_ms = max(on_ms + qt_ms, off_ms + shape.t_ms)
    t_wave = Wave(t_end_ms - shape.t_ms, t_end_ms - 0.42 * shape.t_ms, t_end_ms, shape.t_uv)
    waves = (*shape.p, *shape.qrs, *shape.st, t_wave)
    first = max(0, int((at_s + min(w.start_ms for w in waves) / 1e3) * rate_hz))
    last = min(box.shape[1], int((at_s + t_end_ms / 1e3) * rate_hz) + 2)
    if first < last:
        t_ms = (np.arange(first, last) / rate_hz - at_s) * 1e3
        for wave in waves:
            box[:, first:last] += np.outer(wave.uv, _pulse(t_ms, wave))
    p_on, p_off = (shape.p[0].start_ms, shape.p[-1].end_ms) if shape.p else (np.nan, np.nan)
    return tuple((at_s + ms / 1e3) * rate_hz for ms in (p_on, p_off, on_ms, off_ms, t_end_ms))


def _fibrillation(n: int, rate_hz: float, rng: np.random.Generator) -> Array:
    """f waves of 6 to 8 a second, largest in V1."""
    phase = 2 * np.pi * np.cumsum(6.8 + 0.8 * np.sin(2 * np.pi * 0.23 * np.arange(n) / rate_hz)) / rate_hz
    wave = np.sin(phase + rng.uniform(0, 6)) + 0.35 * np.sin(2 * phase + rng.uniform(0, 6))
    return np.outer((15.0, 45.0, 80.0, 40.0, 20.0, 15.0, 12.0, 10.0), wave)


def _truth(at_s: Array, shapes: tuple[Shape, ...], per_minute: float) -> dict[str, float | None]:
    """Measurements of the beats drawn, by the ids of the measurement table."""
    truth: dict[str, float | None] = dict.fromkeys(
        ("heart_rate", "rr_ms", "p_ms", "pr_ms", "qrs_ms", "qt_ms")
    )
    if len(at_s) >= 2:
        rr_s = float(np.diff(at_s).mean())
        truth |= {"heart_rate": 60.0 / rr_s, "rr_ms": rr_s * 1e3}
    if at_s.size:
        usual = max(shapes, key=shapes.count)
        on_ms, off_ms = min(w.start_ms for w in usual.qrs), max(w.end_ms for w in usual.qrs)
        truth["qrs_ms"] = off_ms - on_ms
        truth["qt_ms"] = max(_qt_ms(60.0 / per_minute), off_ms - on_ms + usual.t_ms)
        if usual.p:
            truth["p_ms"] = usual.p[-1].end_ms - usual.p[0].start_ms
            truth["pr_ms"] = on_ms - usual.p[0].start_ms
    return truth
