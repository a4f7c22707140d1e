"""Display filters: they change the picture, never the record.

`LiveFilter` is causal and numpy only (the station's core process); `stored` is zero-phase and loads
scipy when called. Bandwidths are −3 dB points of the whole filter, whichever way it runs.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_CHUNK = 64
"""Samples worked on in one matrix product."""
_RESTART_S = 1.0
"""After a gap this long the electrode may sit on another offset: the filter starts anew."""
_NOTCH_WIDTH_HZ = 2.0
_HIGHEST = 0.45
"""Share of the sampling rate up to which a cut can be made."""

Matrix = NDArray[np.float64]


class Band(NamedTuple):
    """A bandwidth by name."""

    highpass_hz: float
    lowpass_hz: float
    notch_hz: float | None
    warning: bool
    """True: below the diagnostic response (spec-clinical 4.3); the screen and paper must say so."""


BANDS: dict[str, Band] = {
    "diagnostic": Band(0.05, 150.0, None, warning=False),
    "muscle": Band(0.05, 40.0, 50.0, warning=True),
    "monitor": Band(0.5, 40.0, None, warning=True),
}


def _highpass_section(k: float) -> Matrix:
    """One pole (time constant 3.2 s at 0.05 Hz), bilinear, k = tan(π cut/rate); [b0 b1 b2 1 a1 a2]."""
    return np.array([1 / (1 + k), -1 / (1 + k), 0, 1, (k - 1) / (1 + k), 0])


def _lowpass_section(k: float) -> Matrix:
    """Butterworth of second order, bilinear, k = tan(π cut/rate)."""
    norm = 1 / (1 + np.sqrt(2) * k + k * k)
    b0 = k * k * norm
    return np.array([b0, 2 * b0, b0, 1, 2 * (k * k - 1) * norm, (1 - np.sqrt(2) * k + k * k) * norm])


def _notch_section(rate_hz: float, centre_hz: float, width_hz: float) -> Matrix:
    """Second-order notch, gain 1 away from the centre."""
    beta = np.tan(np.pi * width_hz / rate_hz)
    gain, cosine = 1 / (1 + beta), np.cos(2 * np.pi * centre_hz / rate_hz)
    return np.array([gain, -2 * gain * cosine, gain, 1, -2 * gain * cosine, 2 * gain - 1])


def sections(
    rate_hz: float,
    highpass_hz: float | None,
    lowpass_hz: float | None,
    notch_hz: float | None,
    *,
    twice: bool,
) -> Matrix:
    """Second-order sections (n, 6) of a display filter.

    `twice` is for forward-backward use: the cuts are moved so that both passes together are −3 dB at the
    asked frequency. A cut the sampling rate cannot carry is left out.
    """
    rows: list[Matrix] = []
    half = np.sqrt(2) - 1  # each pass is then −1.5 dB at the cut
    if highpass_hz:
        k = np.tan(np.pi * highpass_hz / rate_hz)
        rows.append(_highpass_section(k * half**0.5 if twice else k))
    if lowpass_hz and lowpass_hz < _HIGHEST * rate_hz:
        k = np.tan(np.pi * lowpass_hz / rate_hz)
        rows.append(_lowpass_section(k / half**0.25 if twice else k))
    if notch_hz and notch_hz < _HIGHEST * rate_hz:
        rows.append(_notch_section(rate_hz, notch_hz, _NOTCH_WIDTH_HZ))
    return np.array(rows).reshape(-1, 6)


def _state_space(sos: Matrix) -> tuple[Matrix, Matrix, Matrix, float]:
    """Cascade of sections as one system x' = Ax + Bu, y = Cx + Du (transposed direct form II)."""
    a, b, c, d = np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), 1.0
    for b0, b1, b2, _, a1, a2 in sos:
        a_s = np.array([[-a1, 1.0], [-a2, 0.0]])
        b_s = np.array([[b1 - a1 * b0], [b2 - a2 * b0]])
        a = np.block([[a, np.zeros((a.shape[0], 2))], [b_s @ c, a_s]])
        b = np.vstack([b, b_s * d])
        c, d = np.hstack([b0 * c, np.array([[1.0, 0.0]])]), b0 * d
    return a, b, c, float(d)


class LiveFilter:
    """Causal filter of a live strip; the output does not depend on how the stream is cut into blocks.

    NaN in gives NaN out. Over a gap shorter than one second the state stands still; after a longer one, as
    at the very start, the lead begins at zero on its new offset. A one-way filter shifts phase: with
    0.5 Hz the picture must carry "监护模式，不判 ST" (spec-clinical 4.3).
    """

    def __init__(
        self,
        rate_hz: float,
        n_leads: int,
        highpass_hz: float | None = 0.05,
        lowpass_hz: float | None = 150.0,
        notch_hz: float | None = None,
    ) -> None:
        a, b, c, d = _state_space(sections(rate_hz, highpass_hz, lowpass_hz, notch_hz, twice=False))
        order = a.shape[0]
        powers = np.empty((_CHUNK + 1, order, order))
        powers[0] = np.eye(order)
        for i in range(_CHUNK):
            powers[i + 1] = powers[i] @ a
        impulse = np.array([d] + [(c @ powers[i] @ b).item() for i in range(_CHUNK - 1)])
        lag = np.arange(_CHUNK)[:, None] - np.arange(_CHUNK)[None, :]
        self._powers = powers
        self._observe = (c @ powers[:_CHUNK]).reshape(_CHUNK, order)
        self._respond = np.where(lag >= 0, impulse[np.maximum(lag, 0)], 0.0)
        self._drive = np.hstack([powers[_CHUNK - 1 - i] @ b for i in range(_CHUNK)])
        self._rest = np.linalg.solve(np.eye(order) - a, b)[:, 0]
        self._state = np.zeros((order, n_leads))
        self._gap = np.full(n_leads, np.iinfo(np.int64).max // 2, dtype=np.int64)
        self._restart = round(_RESTART_S * rate_hz)

    def feed(self, block: NDArray[Any]) -> Matrix:
        """Block (n_leads, n) µV with NaN gaps → filtered block of the same shape."""
        samples = np.asarray(block, dtype=np.float64)
        if samples.ndim != 2 or samples.shape[0] != self._gap.size:
            raise ValueError(f"block of shape {samples.shape} for {self._gap.size} leads")
        if not samples.shape[1]:
            return samples.copy()
        finite = np.isfinite(samples)
        if finite.all():
            return self._run(samples, np.arange(self._gap.size))
        out = np.full(samples.shape, np.nan)
        for lead in range(samples.shape[0]):
            edges = np.flatnonzero(np.diff(finite[lead])) + 1
            bounds = [0, *edges.tolist(), samples.shape[1]]
            for start, end in pairwise(bounds):
                if finite[lead, start]:
                    row = np.array([lead])
                    out[lead, start:end] = self._run(samples[row, start:end], row)[0]
                else:
                    self._gap[lead] += end - start
        return out

    def _run(self, samples: Matrix, rows: NDArray[np.intp]) -> Matrix:
        """Filter an unbroken stretch of these leads and move their state on."""
        anew = rows[self._gap[rows] >= self._restart]
        if anew.size:
            first = samples[np.isin(rows, anew), 0]
            self._state[:, anew] = self._rest[:, None] * first[None, :]
        self._gap[rows] = 0
        out = np.empty_like(samples)
        state = self._state[:, rows]
        for start in range(0, samples.shape[1], _CHUNK):
            u = samples[:, start : start + _CHUNK].T
            n = u.shape[0]
            out[:, start : start + n] = (self._observe[:n] @ state + self._respond[:n, :n] @ u).T
            state = self._powers[n] @ state + self._drive[:, _CHUNK - n :] @ u
        self._state[:, rows] = state
        return out


def _stretches(finite: NDArray[np.bool_], longest_gap: int) -> list[tuple[int, int]]:
    """Half-open spans of data, joined over gaps shorter than longest_gap."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], finite, [False])).astype(np.int8)))
    spans: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if spans and start - spans[-1][1] < longest_gap:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


def stored(
    samples: NDArray[Any],
    rate_hz: float,
    highpass_hz: float | None = 0.05,
    lowpass_hz: float | None = 150.0,
    notch_hz: float | None = None,
) -> Matrix:
    """Zero-phase filter of a stored recording, (n_leads, n) µV → same shape; NaN stays NaN.

    Needs scipy. Low cuts above 0.05 Hz are allowed here because no phase is shifted (spec-clinical 4.3).
    A gap under one second is bridged inside the filter only and is a gap again in the result.
    """
    from scipy.signal import sosfiltfilt

    data = np.asarray(samples, dtype=np.float64)
    sos = sections(rate_hz, highpass_hz, lowpass_hz, notch_hz, twice=True)
    if not len(sos) or not data.shape[1]:
        return data.copy()
    out = np.full(data.shape, np.nan)
    finite = np.isfinite(data)
    if finite.all():
        groups = [(np.arange(data.shape[0]), 0, data.shape[1])]
    else:
        restart = round(_RESTART_S * rate_hz)
        groups = [
            (np.array([lead]), start, end)
            for lead in range(data.shape[0])
            for start, end in _stretches(finite[lead], restart)
        ]
    for rows, start, end in groups:
        part = data[rows, start:end].copy()
        mask = finite[rows, start:end]
        if not mask.all():
            at = np.arange(end - start)
            part[0] = np.interp(at, at[mask[0]], part[0, mask[0]])
        part -= np.median(part, axis=1, keepdims=True)
        pad = min(end - start - 1, round(4 * rate_hz))
        # Even mirroring: about an odd mirror, the last sample's noise would be a step in the mean.
        filtered = sosfiltfilt(sos, part, axis=1, padtype="even", padlen=pad)
        out[rows, start:end] = np.where(mask, filtered, np.nan)
    return out
