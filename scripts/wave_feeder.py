"""Batches of beats for the wave network, as another electrode, another box and another day might show them.

Most are windows of real strips, stretched a little, with real noise and wander added. Some are put together
anew from the waves of one real beat: the set has hardly any tachycardia, long PR or lost P waves.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from wave_strips import Strip

from ecg import wave_network as network

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROWS = 192
"""Lead windows in a batch."""
COMPOSED = 0.2
COMMON = 0.35
ELSEWHERE = 0.06
"""Share of windows around a place without QRS: a detector errs."""
NOTHING = 0.03
NOISY, NOISE_SHARE, NOISE_LOG_SD = 0.5, 0.012, 0.8
"""Share of windows with added noise, and how large it is against the QRS."""
GAIN_LOG_SD = 0.2
"""No two bodies carry a heart's voltage to a lead alike."""
EDGE_S = 0.03
"""What is cut with a wave on each side."""


class Batch(NamedTuple):
    tokens: NDArray[np.float32]
    """(TOKENS, b, l, INPUTS)."""
    points: Array
    """(b, l, 9) places in the window."""
    known: Flags
    """(b, l, 3)."""
    present: Flags
    points_all: Array
    known_all: Flags
    present_all: Flags


class Part(NamedTuple):
    """One beat in so many leads."""

    window: Array
    bumps: Array
    points: Array
    """(l, 9) places in the window."""
    known: Flags
    present: Flags


def together(points: Array) -> Array:
    """(…, l, 9) → (…, 9): the mean of the two earliest onsets, of the two latest ends, the middle peak.

    One extreme lead of twelve is often a slip of the hand, so the outermost two speak together.
    """
    out = np.full((*points.shape[:-2], 9), np.nan)
    for where in np.ndindex(*points.shape[:-2]):
        for k in range(9):
            given = np.sort(points[where][:, k][np.isfinite(points[where][:, k])])
            if given.size >= max(1, points.shape[-2] // 2):
                out[(*where, k)] = (given[:2].mean(), np.median(given), given[-2:].mean())[k % 3]
    return out


class Feeder:
    """An endless variety from a set of strips and (rows, n) noise of standard deviation 1."""

    def __init__(self, strips: list[Strip], noise: Array, seed: int) -> None:
        self.strips, self.noise = strips, noise
        self.random = np.random.default_rng(seed)
        self.beats = [
            (k, b) for k, s in enumerate(strips) for b in range(s.r_peaks.size) if s.known[:, b].any()
        ]
        self.rare = [strips[k].known[0, b, 1] or not strips[k].present[0, b, 0] for k, b in self.beats]

    def epoch(self) -> Iterator[Batch]:
        """Every beat once, a share of those that only say "a P"; one lead, two, most or all at a time."""
        order = self.random.permutation(len(self.beats))
        order = order[[self.rare[k] or self.random.random() < COMMON for k in order]]
        first = 0
        while first < len(order):
            leads = int(self.random.choice([1, 2, self.random.integers(6, 12), 12], p=[0.2, 0.2, 0.15, 0.45]))
            n = max(1, ROWS // leads // (2 if leads == 1 else 1))
            parts = [self._one(*self.beats[k], leads) for k in order[first : first + n]]
            window, bumps, points, known, present = (np.array(part) for part in zip(*parts, strict=True))
            tokens = network.tokens(window, bumps)
            most = known.mean(axis=1) >= 0.5
            yield Batch(tokens, points, known, present, together(points), most, present.mean(axis=1) >= 0.5)
            first += n

    def _one(self, k: int, b: int, leads: int) -> Part:
        random, strip = self.random, self.strips[k]
        own = len(strip.band)
        rows = random.permutation(own)[:leads] if leads <= own else random.integers(0, own, leads)
        if leads > own:
            rows[:own] = np.arange(own)
        part = None
        if random.random() < COMPOSED:
            part = self._composed(strip, b, rows)
        if part is None:
            part = self._cut(strip, b, rows)
        return self._spoiled(part)

    def _cut(self, strip: Strip, b: int, rows: NDArray[np.int64]) -> Part:
        random = self.random
        stretch = float(np.exp(random.normal(0, 0.08)))
        away_s = random.normal(0, 0.008) + (random.uniform(-0.03, 0.03) if random.random() < 0.3 else 0.0)
        points, known, present = strip.points[rows, b], strip.known[rows, b], strip.present[rows, b]
        at = strip.r_peaks[b] + away_s * strip.rate_hz
        if random.random() < ELSEWHERE and b + 1 < strip.r_peaks.size:
            apart = strip.r_peaks[b + 1] - strip.r_peaks[b]
            at = strip.r_peaks[b] + random.uniform(0.3, 0.7) * apart
            points, known, present = np.full_like(points, np.nan), np.zeros_like(known), np.zeros_like(known)
            known[:, 1] = min(at - strip.r_peaks[b], strip.r_peaks[b + 1] - at) > 0.16 * strip.rate_hz
        place = np.array([at])
        window = network.windows(strip.band[rows], strip.rate_hz, place, stretch)[0]
        bumps = network.neighbours(strip.r_peaks, np.array([b]), place, strip.rate_hz * stretch)[0]
        scale = network.HZ / strip.rate_hz / stretch
        return Part(window, bumps, (points - at) * scale + network.BEFORE, known, present)

    def _composed(self, strip: Strip, b: int, rows: NDArray[np.int64]) -> Part | None:
        """The same P and QRS-T again and again, at another interval, another PR and QT, or without P."""
        random, rate, r = self.random, strip.rate_hz, strip.r_peaks[b]
        points = strip.points[rows, b]
        if not (np.isfinite(points).all() and strip.known[rows, b].all()):
            return None
        first, last = points.min(axis=0), points.max(axis=0)
        edge = EDGE_S * rate
        if first[3] - last[2] < -edge or first[0] < edge or last[8] + edge >= strip.band.shape[1]:
            return None
        stretch = random.uniform(0.75, 1.05)
        slower = random.uniform(0.8, 1.15) if random.random() < 0.5 else random.uniform(1.0, 1.9)
        rr_s = random.uniform(0.32, 0.9) if random.random() < 0.7 else random.uniform(0.9, 1.6)
        delay_s = random.uniform(-0.05, 0.2) if random.random() < 0.5 else 0.0
        if -delay_s > max(0.0, first[3] - last[2]) / rate * stretch:
            delay_s = 0.0
        bend = (last[5] - r) / rate  # from the end of QRS on, time runs slower

        def later(places: Array) -> Array:
            """Places in the strip → seconds after R in the window."""
            t = (places - r) / rate
            return np.asarray(stretch * np.where(t < bend, t, bend + (t - bend) * slower))

        pr_s, qt_s = delay_s - later(first[0]), later(last[8])
        if pr_s > min(0.85 * rr_s, 0.48) or qt_s > min(rr_s - 0.02, 0.86):
            return None
        at_s = (np.arange(network.LENGTH) - network.BEFORE) / network.HZ

        def piece(start: float, end: float, shift_s: float) -> Array:
            """(l, LENGTH) the samples [start, end] shift_s later, less a line through their ends."""
            t = (at_s - shift_s) / stretch
            t = np.where(t < bend, t, bend + (t - bend) / slower)
            place = r + t * rate
            inside = (place >= start) & (place <= end)
            place = np.clip(place, start, end)
            low = place.astype(np.int64)
            part = place - low
            values = strip.band[rows][:, low] * (1 - part) + strip.band[rows][:, low + 1] * part
            a, z = strip.band[rows, round(start)], strip.band[rows, round(end)]
            line = a[:, None] + (z - a)[:, None] * (place - start) / (end - start)
            return np.asarray(np.where(inside, values - line, 0.0))

        with_p = random.random() > 0.25
        window = np.zeros((len(rows), network.LENGTH))
        beats = np.zeros(5)
        loose = 0.02 if with_p else 0.15 * rr_s
        for k, n in enumerate((-2, -1, 0, 1, 2)):
            beats[k] = n * rr_s + (0.0 if n == 0 else random.normal(0, loose))
            beats[k] = max(beats[k], qt_s + 0.05) if n == 1 else beats[k]
            window += piece(first[3] - edge / 2, last[8] + edge, beats[k])
            if with_p:
                window += piece(first[0] - edge, last[2] + edge / 3, beats[k] - delay_s)
        moved = later(points) * network.HZ + network.BEFORE
        moved[:, :3] -= delay_s * network.HZ
        if not with_p:
            moved[:, :3] = np.nan
            if random.random() < 0.7:
                window += self._flutter(len(rows)) * np.ptp(window, axis=1).max()
        bumps = network.neighbours(np.sort(beats), np.array([2]), np.zeros(1), 1.0)[0]
        known = np.ones((len(rows), network.KINDS), dtype=bool)
        return Part(window, bumps, moved, known, np.isfinite(moved[:, 1::3]))

    def _flutter(self, leads: int) -> Array:
        """Atrial waves at 4 to 9 a second, from regular to wandering, in every lead its own share."""
        random = self.random
        wander = np.cumsum(random.normal(0, random.uniform(0, 0.15), network.LENGTH))
        phase = 2 * np.pi * random.uniform(4, 9) * np.arange(network.LENGTH) / network.HZ + wander
        saw = np.sin(phase) + random.uniform(0, 0.6) * np.sin(2 * phase + random.uniform(0, 6))
        return np.asarray(random.normal(0, 0.05, (leads, 1)) * saw)

    def _spoiled(self, part: Part) -> Part:
        """With noise, wander, or a lead the other way round; seldom nothing but noise."""
        random = self.random
        window, leads = part.window, len(part.window)
        height = np.ptp(window[:, network.QRS], axis=1)
        height = np.maximum(height, 0.3 * height.max())[:, None]
        if random.random() < NOTHING:
            window = self._noise(leads) * np.exp(random.normal(0, 0.5, (leads, 1)))
            nowhere, looked = np.full_like(part.points, np.nan), np.ones_like(part.known)
            return Part(window, part.bumps, nowhere, looked, ~looked)
        if random.random() < NOISY:
            size = np.exp(random.normal(np.log(NOISE_SHARE), NOISE_LOG_SD))
            window = window + self._noise(leads) * height * size
        if random.random() < 0.3:
            window = window + self._wander(leads) * height
        if random.random() < 0.1:
            window = window * random.choice([-1.0, 1.0], (leads, 1))
        window = window * np.exp(random.normal(0, GAIN_LOG_SD, (leads, 1)))
        return part._replace(window=window)

    def _noise(self, leads: int) -> Array:
        first = self.random.integers(0, self.noise.shape[1] - network.LENGTH, leads)
        row = self.random.integers(0, len(self.noise), leads)
        return np.stack([self.noise[r, f : f + network.LENGTH] for r, f in zip(row, first, strict=True)])

    def _wander(self, leads: int) -> Array:
        t = np.linspace(-1, 1, network.LENGTH)
        wave = np.sin(np.pi * (t * self.random.uniform(0.5, 1.5) + self.random.uniform(0, 2)))
        slope, size = self.random.normal(0, 0.05, (leads, 1)), self.random.normal(0, 0.04, (leads, 1))
        return np.asarray(slope * t + size * wave)
