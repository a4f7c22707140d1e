"""Mains interference taken away by subtraction: it is learned between the beats and subtracted everywhere.

A notch filter rings after every QRS, because a QRS has 50 Hz too. Here a sine of the mains frequency is
fitted to 40 ms at a time beside a parabola; where that does not explain the signal there is a QRS, and
nothing is learned from it. The principle is the subtraction procedure (Levkov et al., BioMed Eng OnLine
2005;4:50: linear segments teach, all segments are corrected); the fit, the weights and the tracking are
ours. numpy only.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_PERIODS = 2
"""Length of one fit: two periods tell a sine from a parabola, and end before a QRS does."""
_OFF_HZ = 1.0
"""Farthest the mains is sought from its nominal frequency (GB/T 15945 allows 0.5 Hz)."""
_SMOOTH_S = 0.35
"""Standard deviation of the time over which amplitude and phase are taken as one, stored; ours."""
_TURN_S = 0.1
"""Phase is compared over this time to find the frequency: a difference of 5 Hz is still told apart."""
_IN_STEP = 0.5
"""Share of the phase steps that must agree for there to be mains; ours."""
_GAIN = 0.2
"""Share of a new fit in the live estimate: a memory of eight fits, 160 ms of quiet signal; ours."""
_TURN_GAIN = 0.01
"""The same for the frequency: slower than the phase by as much as makes the pair well damped."""
_LOOSE = 2.5
"""A fit this many times worse than the quiet ones teaches (half) nothing; ours."""
_FLOOR_UV = 2.0
"""No signal is quieter: rounding of a 5 µV converter."""
_RISE, _FALL = 1.04, 0.85
"""Steps of the running level of quiet fits: it settles where 4 of 5 fits are worse."""
_GAP_S = 1.0
"""After so long without data a lead is learned anew."""


class _Fit(NamedTuple):
    """Least squares of cosine, sine and a parabola over a window, ready to be applied."""

    n: int
    to_phasor: NDArray[np.complex128]
    """(n,) window · to_phasor = phasor c at the window's first sample: the sine is Re(c e^{jωk})."""
    rest: Matrix
    """(n, n) projection on what the model does not explain."""
    omega: float
    """Radians a sample."""


def _fit(rate_hz: float, mains_hz: float) -> _Fit:
    omega = 2 * np.pi * mains_hz / rate_hz
    n = round(_PERIODS * rate_hz / mains_hz)
    k = np.arange(n)
    t = (k - (n - 1) / 2) / n
    model = np.stack([np.cos(omega * k), np.sin(omega * k), np.ones(n), t, t * t], axis=1)
    solve = np.linalg.pinv(model)
    return _Fit(n, solve[0] - 1j * solve[1], np.eye(n) - model @ solve, omega)


def can(rate_hz: float, mains_hz: float) -> bool:
    """Is the sampling rate high enough to tell the mains from the rest? (Five samples a period at least.)"""
    return rate_hz >= 5 * mains_hz


def _trust(residual: Matrix, quiet: Matrix) -> Matrix:
    """Weight 0 … 1 of fits with this residual, given that of the quiet ones."""
    return np.asarray(1 / (1 + (residual / (_LOOSE * np.maximum(quiet, _FLOOR_UV))) ** 6))


def hum(samples: NDArray[Any], rate_hz: float, mains_hz: float) -> Matrix:
    """The mains in a stored recording, (n_leads, n) µV → same shape, to be subtracted; zero phase.

    Zero where a lead has no data, where it is shorter than 200 ms, and where the rate does not allow it
    (`can`). Amplitude may change within a second or so, frequency is one for the recording and all leads.
    """
    data = np.asarray(samples, dtype=np.float64)
    out = np.zeros(data.shape)
    if data.ndim != 2 or not data.size or not can(rate_hz, mains_hz) or data.shape[1] < 0.2 * rate_hz:
        return out
    fit = _fit(rate_hz, mains_hz)
    hop = max(1, fit.n // 2)
    starts = np.arange(0, data.shape[1] - fit.n + 1, hop)
    found = [_phasors(row, fit, starts) for row in data]
    turn = _turn(found, hop, rate_hz)
    middle = starts + (fit.n - 1) / 2
    width = max(1.0, _SMOOTH_S * rate_hz / hop)
    reach = round(3 * width)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    at = np.arange(data.shape[1])
    carrier = np.exp(1j * (fit.omega + turn) * at)
    for row, (phasors, weight) in zip(out, found, strict=True):
        if not weight.any():
            continue
        steady = weight * phasors * np.exp(-1j * turn * middle)
        inside = slice(reach, reach + starts.size)
        mean = np.convolve(steady, kernel)[inside] / np.maximum(np.convolve(weight, kernel)[inside], 1e-3)
        amplitude = np.interp(at, middle, mean.real) + 1j * np.interp(at, middle, mean.imag)
        row[:] = (amplitude * carrier).real
    return out


def _phasors(row: Matrix, fit: _Fit, starts: NDArray[np.int64]) -> tuple[NDArray[np.complex128], Matrix]:
    """Phasor of each window of one lead, turned back to sample 0, and how far to trust it."""
    windows = np.lib.stride_tricks.sliding_window_view(row, fit.n)[starts]
    windows = windows - windows[:, :1]
    known = np.isfinite(windows).all(axis=1)
    if not known.any():
        return np.zeros(starts.size, dtype=np.complex128), np.zeros(starts.size)
    windows[~known] = 0.0
    residual = np.sqrt(np.mean((windows @ fit.rest) ** 2, axis=1))
    quiet = np.percentile(residual[known], 30)
    weight = np.where(known, _trust(residual, quiet), 0.0)
    return (windows @ fit.to_phasor) * np.exp(-1j * fit.omega * starts), weight


def _turn(found: list[tuple[NDArray[np.complex128], Matrix]], hop: int, rate_hz: float) -> float:
    """Radians a sample by which the mains is off its nominal frequency, from all leads together.

    Zero where the phase does not advance evenly: then there is no mains, and nothing to be followed.
    """
    limit = 2 * np.pi * _OFF_HZ / rate_hz
    apart = max(1, round(_TURN_S * rate_hz / hop))
    together, apiece = 0j, 0.0
    for phasors, weight in found:
        pairs = phasors[apart:] * np.conj(phasors[:-apart]) * weight[apart:] * weight[:-apart]
        together += complex(pairs.sum())
        apiece += float(np.abs(pairs).sum())
    if apiece <= 0 or abs(together) < _IN_STEP * apiece:
        return 0.0
    return float(np.clip(np.angle(together) / (apart * hop), -limit, limit))


class Canceller:
    """Takes the mains out of a live strip, sample by sample in, sample by sample out, without delay.

    What is subtracted is what the last fits said, turned on to the present; a fit is made every 20 ms, at
    fixed sample numbers, so that it does not matter how the stream is cut into blocks. NaN stays NaN.
    """

    def __init__(self, rate_hz: float, n_leads: int, mains_hz: float) -> None:
        self._fit = _fit(rate_hz, mains_hz)
        self._hop = self._fit.n
        self._limit = 2 * np.pi * _OFF_HZ / rate_hz
        self._gap = round(_GAP_S * rate_hz / self._hop)
        self._past = np.full((n_leads, self._fit.n), np.nan)
        self._waiting = 0
        """Samples since the last fit."""
        self._phasor = np.zeros(n_leads, dtype=np.complex128)
        """Of the mains at the sample after the last fit."""
        self._turn = 0.0
        self._learned = np.zeros(n_leads)
        """Sum of the weights of the fits so far."""
        self._quiet = np.full(n_leads, np.inf)
        self._unknown = np.zeros(n_leads, dtype=np.int64)
        """Fits in a row that had no data."""
        self._ahead = np.arange(self._hop)

    def feed(self, block: Matrix) -> Matrix:
        """Block (n_leads, n) µV → block of the same shape without the mains."""
        out = np.empty_like(block)
        done = 0
        while done < block.shape[1]:
            n = min(self._hop - self._waiting, block.shape[1] - done)
            piece = block[:, done : done + n]
            ahead = self._ahead[self._waiting : self._waiting + n]
            carrier = np.exp(1j * (self._fit.omega + self._turn) * ahead)
            out[:, done : done + n] = piece - (self._phasor[:, None] * carrier).real
            self._past[:, :-n] = self._past[:, n:]
            self._past[:, -n:] = piece
            self._waiting += n
            done += n
            if self._waiting == self._hop:
                self._waiting = 0
                self._learn()
        return out

    def _learn(self) -> None:
        fit = self._fit
        window = self._past - self._past[:, :1]
        known = np.isfinite(window).all(axis=1)
        self._unknown = np.where(known, 0, self._unknown + 1)
        self._learned[self._unknown >= self._gap] = 0.0
        self._quiet[self._unknown >= self._gap] = np.inf
        window[~known] = 0.0
        residual = np.sqrt(np.mean((window @ fit.rest) ** 2, axis=1))
        fresh = known & np.isinf(self._quiet)
        self._quiet[fresh] = residual[fresh]
        weight = np.where(known, _trust(residual[:, None], self._quiet[:, None])[:, 0], 0.0)
        step = np.where(residual < self._quiet, _FALL, _RISE)
        self._quiet = np.where(known, np.maximum(self._quiet * step, _FLOOR_UV), self._quiet)
        # A fit at the nominal frequency is right in the middle of its window: turn on from there.
        ahead = fit.omega * fit.n + self._turn * (fit.n + 1) / 2
        seen = (window @ fit.to_phasor) * np.exp(1j * ahead)
        held = self._phasor * np.exp(1j * (fit.omega + self._turn) * self._hop)
        self._learned = np.minimum(self._learned + weight, 1 / _GAIN)
        gain = weight / np.maximum(self._learned, 1e-9)
        self._follow(seen, held, weight)
        self._phasor = held + gain * (seen - held)

    def _follow(self, seen: Any, held: Any, weight: Matrix) -> None:
        """Move the frequency by how far the phase of all leads together runs ahead."""
        ready = weight * (self._learned >= 1 / _GAIN)
        power = float((ready * np.abs(held) ** 2).sum())
        noise = float((ready * np.abs(seen - held) ** 2).sum())
        if power > 0:
            ahead = float((ready * (seen * np.conj(held)).imag).sum()) / (power + noise)
            turn = self._turn + _TURN_GAIN * ahead / self._hop
            self._turn = float(np.clip(turn, -self._limit, self._limit))
