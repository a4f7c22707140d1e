"""Display filters: they change the picture, never the record.

`LiveFilter` is causal and numpy only (the station's core process); `stored` is zero-phase and loads
scipy when called. Bandwidths are −3 dB points of the whole filter, whichever way it runs; mains is
subtracted (`ecg.mains`), not notched out.

The diagnostic band meets, live and stored, at 500 samples a second and more, the response asked of an
electrocardiograph (IEC 60601-2-25:2011 201.12.4.107.3, the figures of AAMI EC11 3.2.7): amplitude within
±10 % from 0.67 to 40 Hz, +10 −30 % from there to 150 Hz, never above +10 %; after 3 mV for 100 ms it is
off by ≤ 0.1 mV and comes back by ≤ 0.3 mV/s.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg import gaps, mains

_CHUNK = 64
"""Samples worked on in one matrix product."""
_RESTART_S = 1.0
"""After a gap this long the electrode may sit on another offset: the filter starts anew."""
_LOST_UV = 5000.0
"""No heart holds its trace that far from the middle (2.5 mV fill a row of the screen); ours."""
_LOST_S = 0.5
"""After so long there a live lead starts anew on the offset it has now: a first-order 0.05 Hz filter would
bring a re-attached electrode back from 300 mV in 25 s; AAMI EC11 3.2.15 gives 1 s after a lead switch."""
_ST_HZ = 0.05
"""Highest low cut under which a one-way filter leaves ST alone (AHA/ACC/HRS 2007 part I)."""
_HIGHEST = 0.45
"""Share of the sampling rate up to which a cut can be made."""
_PR_S = (0.13, 0.04)
"""Where before R the PR segment is sought: a wide QRS begins 100 ms before R, a narrow one 40."""
_LEVEL_S = 0.02
_EARLY = 0.8
"""A beat that comes after less than this share of the usual interval may begin on a T wave; ours."""
_AFTER_BEAT_S, _BEFORE_BEAT_S, _KNOT_S = 0.6, 0.25, 0.6
"""Between T and P of a long interval the trace is at its level too; knots there about so far apart; ours."""

Matrix = NDArray[np.float64]


class Band(NamedTuple):
    """A bandwidth by name."""

    highpass_hz: float
    lowpass_hz: float
    notch_hz: float | None
    """Nominal mains frequency to be subtracted."""
    warning: bool
    """True: below the diagnostic response (spec-clinical 4.3); the screen and paper must say so."""

    @property
    def st_readable_live(self) -> bool:
        """False: one-way, this band shifts phase so far that ST must not be read from a live strip.

        Stored it may be: the zero-phase filter is allowed up to 0.67 Hz (AHA/ACC/HRS 2007 part I).
        """
        return self.highpass_hz <= _ST_HZ


BANDS: dict[str, Band] = {
    "diagnostic": Band(0.05, 150.0, None, warning=False),
    "mains": Band(0.05, 150.0, 50.0, warning=False),
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


def _steep_highpass_section(k: float) -> Matrix:
    """Butterworth of second order, bilinear, k = tan(π cut/rate)."""
    norm = 1 / (1 + np.sqrt(2) * k + k * k)
    return np.array([norm, -2 * norm, norm, 1, 2 * (k * k - 1) * norm, (1 - np.sqrt(2) * k + k * k) * norm])


def sections(rate_hz: float, highpass_hz: float | None, lowpass_hz: float | None, *, twice: bool) -> Matrix:
    """Second-order sections (n, 6) of a display filter.

    `twice` is for forward-backward use: the cuts are moved so that both passes together are −3 dB at the
    asked frequency, and a low cut above 0.05 Hz is steeper, since without phase to lose it may be. A cut the
    sampling rate cannot carry is left out.
    """
    rows: list[Matrix] = []
    half = np.sqrt(2) - 1  # each pass is then −1.5 dB at the cut
    if highpass_hz:
        k = np.tan(np.pi * highpass_hz / rate_hz)
        if twice and highpass_hz > _ST_HZ:
            rows.append(_steep_highpass_section(k * half**0.25))
        else:
            rows.append(_highpass_section(k * half**0.5 if twice else k))
    if lowpass_hz and lowpass_hz < _HIGHEST * rate_hz:
        k = np.tan(np.pi * lowpass_hz / rate_hz)
        rows.append(_lowpass_section(k / half**0.25 if twice else k))
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
    at the very start, the lead begins at zero on its new offset; so it does when it has been out of the
    screen for half a second. A one-way filter shifts phase: with 0.5 Hz the picture must carry
    "监护模式，不判 ST" (spec-clinical 4.3, `Band.st_readable_live`).
    """

    def __init__(
        self,
        rate_hz: float,
        n_leads: int,
        highpass_hz: float | None = 0.05,
        lowpass_hz: float | None = 150.0,
        notch_hz: float | None = None,
    ) -> None:
        a, b, c, d = _state_space(sections(rate_hz, highpass_hz, lowpass_hz, twice=False))
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
        self._away = np.zeros(n_leads, dtype=np.int64)
        """Samples in a row out of the screen."""
        self._lost = round(_LOST_S * rate_hz) if highpass_hz else 0
        humming = notch_hz is not None and mains.can(rate_hz, notch_hz)
        self._canceller = mains.Canceller(rate_hz, n_leads, notch_hz) if humming and notch_hz else None

    def feed(self, block: NDArray[Any]) -> Matrix:
        """Block (n_leads, n) µV with NaN gaps → filtered block of the same shape."""
        samples = np.asarray(block, dtype=np.float64)
        if samples.ndim != 2 or samples.shape[0] != self._gap.size:
            raise ValueError(f"block of shape {samples.shape} for {self._gap.size} leads")
        if not samples.shape[1]:
            return samples.copy()
        if self._canceller is not None:
            samples = self._canceller.feed(samples)
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
        if self._lost:
            far = np.abs(out) > _LOST_UV
            # Most of the time nothing is far away, and then there is nothing to count.
            if far.any() or self._away[rows].any():
                for k, lead in enumerate(rows.tolist()):
                    self._watch(lead, samples[k], out[k], far[k])
        return out

    def _watch(self, lead: int, samples: Matrix, out: Matrix, far: NDArray[np.bool_]) -> None:
        """Start a lead anew, in place, where it has been out of the screen for too long."""
        since = np.arange(1, far.size + 1)
        near = np.maximum.accumulate(np.where(far, 0, since))
        away = np.where(near > 0, since - near, since + self._away[lead])
        late = np.flatnonzero(away >= self._lost)
        if not late.size:
            self._away[lead] = away[-1]
            return
        first = int(late[0])
        self._away[lead] = 0
        self._gap[lead] = self._restart
        out[first:] = self._run(samples[None, first:], np.array([lead]))[0]


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

    Needs scipy. Low cuts up to 0.67 Hz are allowed here because no phase is shifted (spec-clinical 4.3): at
    0.5 Hz ST moves by less than the 25 µV the standard allows an amplitude. A gap under one second is bridged
    inside the filter only and is a gap again in the result.
    """
    from scipy.signal import sosfiltfilt

    data = np.asarray(samples, dtype=np.float64)
    if notch_hz:
        data = data - mains.hum(data, rate_hz, notch_hz)
    sos = sections(rate_hz, highpass_hz, lowpass_hz, twice=True)
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
        part, mask = gaps.bridged(data[rows, start:end])
        part = part - np.median(part, axis=1, keepdims=True)
        pad = min(end - start - 1, round(4 * rate_hz))
        # Even mirroring: about an odd mirror, the last sample's noise would be a step in the mean.
        filtered = sosfiltfilt(sos, part, axis=1, padtype="even", padlen=pad)
        out[rows, start:end] = np.where(mask, filtered, np.nan)
    return out


def wander(samples: NDArray[Any], rate_hz: float, r_peaks: NDArray[np.int64]) -> Matrix:
    """Baseline wander of a stored recording, (n_leads, n) µV → same shape, to be subtracted.

    A cubic spline through the level just before each QRS (Meyer and Keiser, Comput Biomed Res 1977;10:459),
    so that ST keeps its height above that level whatever the rate. Long intervals get knots in between, early
    beats none, since they may begin on a T wave. A lead with fewer than four knots: its median. Needs scipy;
    zeros where the lead has no data.
    """
    from scipy.interpolate import CubicSpline

    data = np.asarray(samples, dtype=np.float64)
    out = np.zeros(data.shape)
    at = _level_knots(data, rate_hz, np.asarray(r_peaks, dtype=np.int64))
    half = max(1, round(_LEVEL_S / 2 * rate_hz))
    at = at[(at >= half) & (at + half < data.shape[1])]
    for row, target in zip(data, out, strict=True):
        finite = np.isfinite(row)
        if not finite.any():
            continue
        windows = row[at[:, None] + np.arange(-half, half + 1)] if at.size else np.zeros((0, 1))
        known = np.isfinite(windows).all(axis=1)
        if known.sum() < 4:
            target[:] = np.median(row[finite])
            continue
        knots, levels = at[known], np.median(windows[known], axis=1)
        inside = slice(knots[0], knots[-1] + 1)
        target[inside] = CubicSpline(knots, levels, bc_type="natural")(np.arange(knots[0], knots[-1] + 1))
        target[: knots[0]], target[knots[-1] :] = levels[0], levels[-1]
    return out


def _level_knots(data: Matrix, rate_hz: float, r_peaks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Samples where the trace is at its level: before each QRS that is in time, and in long pauses."""
    if r_peaks.size < 2:
        return r_peaks[:0]
    intervals = np.diff(r_peaks)
    usual = float(np.median(intervals))
    in_time = np.concatenate(([True], intervals >= _EARLY * usual))
    before = _flattest(data, rate_hz, r_peaks[in_time])
    knots = (r_peaks[in_time] - before).tolist()
    for start, interval in zip(r_peaks[:-1].tolist(), intervals.tolist(), strict=True):
        spare = interval / rate_hz - _AFTER_BEAT_S - _BEFORE_BEAT_S
        n = max(0, round(spare / _KNOT_S))
        knots += [start + round((_AFTER_BEAT_S + (k + 0.5) / n * spare) * rate_hz) for k in range(n)]
    return np.unique(np.array(knots, dtype=np.int64))


def _flattest(data: Matrix, rate_hz: float, r_peaks: NDArray[np.int64]) -> int:
    """How many samples before R the leads together are flattest: the PR segment, wherever it lies."""
    first, last = (round(s * rate_hz) for s in _PR_S)
    steps = np.abs(np.diff(np.nan_to_num(data), axis=1)).sum(axis=0)
    width = max(1, round(_LEVEL_S * rate_hz))
    r_peaks = r_peaks[(r_peaks >= first + width) & (r_peaks < data.shape[1])]
    if not r_peaks.size:
        return last
    around = steps[r_peaks[:, None] - np.arange(first + width // 2, last - width // 2 - 1, -1)[None, :]]
    activity = np.convolve(np.median(around, axis=0), np.ones(width), "valid")
    return first - int(activity.argmin())
