"""A twelve-lead heart for demo, tests and the box simulator: seeded, with exact truth.

Every wave is a cosine pulse of finite support, so onsets and offsets are known to the sample. Only the
eight sampled leads are drawn; the other four are derived, so Einthoven holds exactly.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecg.leads import BOX_LEADS, LEADS, derive
from ecg.scenarios import SCENARIOS
from ecg.shapes import P, Shape, Wave

Array = NDArray[np.float64]

_SPIKE_MS = 2.0
_SPIKE_UV = (900.0, -2200.0, -1200.0, -1500.0, -1500.0, -1200.0, -900.0, -600.0)
"""A unipolar pacing spike, as a box without spike suppression shows it."""


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
    p_peaks: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Every P wave in the strip, conducted or not."""
    spikes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Pacing spikes."""
    codes: tuple[str, ...] = ()
    """Statement codes that belong here, the point of the scenario first."""
    level: int | None = None
    """Triage level: 0 critical … 3 nothing found; None: nothing can be read."""

    @property
    def leads(self) -> tuple[str, ...]:
        return LEADS


def _pulse(t_ms: Array, wave: Wave) -> Array:
    """Cosine pulse of height 1 on [start, end]; 0 outside."""
    if wave.flat:
        rise = np.clip((t_ms - wave.start_ms) / 20.0, 0, 1)
        fall = np.clip((wave.end_ms - t_ms) / 60.0, 0, 1)
        return np.asarray((1 - np.cos(np.pi * rise)) / 2 * (1 - np.cos(np.pi * fall)) / 2)
    half = np.where(t_ms < wave.peak_ms, wave.peak_ms - wave.start_ms, wave.end_ms - wave.peak_ms)
    x = np.clip((t_ms - wave.peak_ms) / half, -1, 1)
    return np.asarray((1 + np.cos(np.pi * x)) / 2)


def _qt_ms(rr_s: float, qtc_ms: float) -> float:
    return float(qtc_ms * np.clip(rr_s, 0.3, 2.0) ** (1 / 3))


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
    scene = SCENARIOS[name]
    per_minute = float(number) if number else heart_rate or scene.heart_rate
    if per_minute and not 10 <= per_minute <= 300:
        raise ValueError(f"a heart rate of {per_minute} is outside 10 … 300 a minute")
    rng = np.random.default_rng(seed)
    rhythm = scene.make(seconds, per_minute, rng)
    n = round(seconds * rate_hz)
    box = np.zeros((len(BOX_LEADS), n))
    keys = ("p_on", "p_off", "qrs_on", "qrs_off", "t_off")
    marks: dict[str, list[float]] = {key: [] for key in keys}
    # As in a real heart, a beat's QT follows the interval before it.
    rr_s = np.diff(rhythm.at_s, prepend=rhythm.at_s[:1] - (60.0 / per_minute if per_minute else 1.0))
    shown = 0
    for at_s, before_s, shape in zip(rhythm.at_s, rr_s, rhythm.shapes, strict=True):
        row = _draw(box, at_s, shape, _qt_ms(before_s, shape.qtc_ms), rate_hz)
        if round(at_s * rate_hz) < n:
            shown += 1
            for key, value in zip(keys, row, strict=True):
                marks[key].append(value)
    for at_s in rhythm.p_at_s:
        _add(box, at_s, (P,), rate_hz)
    if rhythm.background is not None:
        box += rhythm.background(n, rate_hz, rng)
    heavy = name == "noise"
    box += _noise(n, rate_hz, rng, *((700.0, 180.0, 120.0) if heavy else (25.0, 4.0, 1.5)))
    electrodes_off: frozenset[str] = frozenset()
    if name == "lead_off":
        electrodes_off = frozenset({"V2"})
        row_v2 = BOX_LEADS.index("V2")
        box[row_v2] = 3000.0 * np.sin(2 * np.pi * 50 * np.arange(n) / rate_hz) + rng.normal(0, 300, n)
    for at_s in rhythm.spikes_s:
        _add(box, at_s, (Wave(0, _SPIKE_MS / 2, _SPIKE_MS, _SPIKE_UV),), rate_hz)
    r_peaks = np.rint(rhythm.at_s[:shown] * rate_hz).astype(np.int64)
    shapes = rhythm.shapes[:shown]
    p_s = [
        at_s + shape.p[0].peak_ms / 1e3
        for at_s, shape in zip(rhythm.at_s, rhythm.shapes, strict=True)
        if shape.p
    ]
    p_s += (rhythm.p_at_s + P.peak_ms / 1e3).tolist()
    return Simulated(
        scenario=scenario,
        rate_hz=rate_hz,
        samples=derive(box, BOX_LEADS),
        r_peaks=r_peaks,
        symbols=tuple(shape.symbol for shape in shapes),
        truth=_truth(rhythm.at_s[:shown], shapes, per_minute),
        boundaries={key: np.array(values) for key, values in marks.items()},
        electrodes_off=electrodes_off,
        p_peaks=_inside(np.sort(p_s), n, rate_hz),
        spikes=_inside(rhythm.spikes_s, n, rate_hz),
        codes=scene.codes,
        level=scene.level,
    )


def _inside(at_s: Array, n: int, rate_hz: float) -> NDArray[np.int64]:
    """Sample numbers of those times that lie in the strip."""
    at = np.rint(np.asarray(at_s, dtype=np.float64) * rate_hz).astype(np.int64)
    return at[(at >= 0) & (at < n)]


def _draw(box: Array, at_s: float, shape: Shape, qt_ms: float, rate_hz: float) -> tuple[float, ...]:
    """Add one beat to the eight leads; its boundaries as sample numbers."""
    on_ms, off_ms = min(w.start_ms for w in shape.qrs), max(w.end_ms for w in shape.qrs)
    t_end_ms = max(on_ms + qt_ms, off_ms + shape.t_ms)
    t_wave = Wave(t_end_ms - shape.t_ms, t_end_ms - 0.42 * shape.t_ms, t_end_ms, shape.t_uv)
    _add(box, at_s, (*shape.p, *shape.qrs, *shape.st, t_wave), rate_hz)
    p_on, p_off = (shape.p[0].start_ms, shape.p[-1].end_ms) if shape.p else (np.nan, np.nan)
    return tuple((at_s + ms / 1e3) * rate_hz for ms in (p_on, p_off, on_ms, off_ms, t_end_ms))


def _add(box: Array, at_s: float, waves: tuple[Wave, ...], rate_hz: float) -> None:
    """Add waves around one instant to the eight leads."""
    first = max(0, int((at_s + min(w.start_ms for w in waves) / 1e3) * rate_hz))
    last = min(box.shape[1], int((at_s + max(w.end_ms for w in waves) / 1e3) * rate_hz) + 2)
    if first < last:
        t_ms = (np.arange(first, last) / rate_hz - at_s) * 1e3
        for wave in waves:
            box[:, first:last] += np.outer(wave.uv, _pulse(t_ms, wave))


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
        truth["qt_ms"] = max(_qt_ms(60.0 / per_minute, usual.qtc_ms), off_ms - on_ms + usual.t_ms)
        if usual.p:
            truth["p_ms"] = usual.p[-1].end_ms - usual.p[0].start_ms
            truth["pr_ms"] = on_ms - usual.p[0].start_ms
    return truth
