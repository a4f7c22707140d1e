"""Millimetre paper with a 12-lead ECG: 3 × 4 columns consecutive in time, a rhythm strip, 25 mm/s, 10 mm/mV.

The paper is 270 mm wide: 15 mm for the calibration pulse, 250 mm for ten seconds, 5 mm to end in.
Baselines lie 30 mm apart on thick lines. Missing samples stay missing: hatched, with their duration.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hub.render.sheet import INK, INK_2, INK_3, UNITS_PER_MM, Colour, Sheet
from hub.render.words import PaperWords

SPEED_MM_PER_S = 25
GAIN_MM_PER_MV = 10
SECONDS = 10.0
ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
COLUMN_S = SECONDS / len(ROWS[0])
RHYTHM = ("II", "V1", "V5")
"""The first of these that was recorded is the rhythm strip."""

LEFT_MM, WIDTH_MM, HEIGHT_MM = 13.5, 270.0, 120.0
TRACE_LEFT_MM = LEFT_MM + 15
BASELINES_MM = (20.0, 50.0, 80.0, 110.0)

_FINE: Colour = (0xF9, 0xDD, 0xD9)
_BOLD: Colour = (0xEB, 0xAA, 0xA2)
_TRACE: Colour = (0x10, 0x16, 0x1F)
_TRACE_MM = 0.24
_HATCH: Colour = (0x8A, 0x94, 0xA1)
_LEAD_CHANGE_S = 0.05


@dataclass(frozen=True, slots=True)
class Trace:
    """What is drawn: samples in µV by lead, NaN where there is none, all of one length."""

    leads: Mapping[str, NDArray[np.float64]]
    rate_hz: float
    marks: Mapping[str, str]
    """Lead → what its label must say beside the name: 脱落, 限幅."""
    words: PaperWords

    @property
    def seconds(self) -> float:
        return max((len(x) for x in self.leads.values()), default=0) / self.rate_hz


def rhythm_lead(trace: Trace) -> str:
    """The lead of the strip below."""
    for lead in RHYTHM:
        if lead in trace.leads and not np.isnan(trace.leads[lead]).all():
            return lead
    return RHYTHM[0]


def draw(sheet: Sheet, top: float, trace: Trace) -> None:
    """Paper, calibration, labels, then traces, with the paper's upper edge at `top`."""
    _grid(sheet, top)
    baselines = [top + y for y in BASELINES_MM]
    for y in baselines:
        _calibration(sheet, y)
    cells = [
        (lead, y, n * COLUMN_S, (n + 1) * COLUMN_S)
        for row, y in zip(ROWS, baselines, strict=False)
        for n, lead in enumerate(row)
    ]
    strip = rhythm_lead(trace)
    _lead_changes(sheet, baselines[:-1])
    for lead, y, begin, end in [*cells, (strip, baselines[-1], 0.0, SECONDS)]:
        mark = trace.marks.get(lead, "")
        if _leaves_paper(trace, lead, top, y, begin, end):
            mark = f"{mark} {trace.words.off_paper}".strip()
        wide = sheet.put(_x(begin) + 1.6, y - 9.6, lead, 9.5, bold=True)
        sheet.put(_x(begin) + 2.6 + wide, y - 9.6, mark, 7.5, colour=INK_2)
    with sheet.clipped(LEFT_MM, top, WIDTH_MM, HEIGHT_MM):
        for lead, y, begin, end in [*cells, (strip, baselines[-1], 0.0, SECONDS)]:
            first = begin + (_LEAD_CHANGE_S if begin > 0 else 0)
            last = end - (_LEAD_CHANGE_S if end < SECONDS else 0)
            _cell(sheet, trace, lead, y, first, last)
    if trace.seconds == 0:
        sheet.put(LEFT_MM + WIDTH_MM / 2, top + 62, trace.words.nothing, 14, bold=True, align="center")
    elif trace.seconds < SECONDS:
        _end_mark(sheet, top, trace)


def _leaves_paper(trace: Trace, lead: str, top: float, y: float, begin: float, end: float) -> bool:
    """Whether the trace is higher or lower than the paper, so that its amplitude cannot be read off it."""
    samples = trace.leads.get(lead)
    part = () if samples is None else samples[int(begin * trace.rate_hz) : int(end * trace.rate_hz)]
    up_uv, down_uv = (1000 * mm / GAIN_MM_PER_MV for mm in (y - top, top + HEIGHT_MM - y))
    return bool(np.any(np.greater(part, up_uv) | np.less(part, -down_uv)))


def _x(seconds: float) -> float:
    return TRACE_LEFT_MM + seconds * SPEED_MM_PER_S


def _grid(sheet: Sheet, top: float) -> None:
    right, bottom = LEFT_MM + WIDTH_MM, top + HEIGHT_MM

    def lines(thick: bool) -> Iterator[Sequence[tuple[float, float]]]:
        for n in range(int(WIDTH_MM) + 1):
            if (n % 5 == 0) == thick:
                yield (LEFT_MM + n, top), (LEFT_MM + n, bottom)
        for n in range(int(HEIGHT_MM) + 1):
            if (n % 5 == 0) == thick:
                yield (LEFT_MM, top + n), (right, top + n)

    sheet.stroke(lines(thick=False), colour=_FINE, width_mm=0.1)
    sheet.stroke(lines(thick=True), colour=_BOLD, width_mm=0.18)


def _calibration(sheet: Sheet, y: float) -> None:
    """1 mV for 200 ms, by the same figures as the trace."""
    height, width = GAIN_MM_PER_MV * 1.0, SPEED_MM_PER_S * 0.2
    x = LEFT_MM + 5
    pulse = [(x - 2, y), (x, y), (x, y - height), (x + width, y - height), (x + width, y), (x + width + 2, y)]
    sheet.stroke([pulse], colour=_TRACE, width_mm=_TRACE_MM)


def _lead_changes(sheet: Sheet, baselines: Sequence[float]) -> None:
    ticks = [
        ((_x(n * COLUMN_S), y - 2.5), (_x(n * COLUMN_S), y + 2.5))
        for y in baselines
        for n in range(1, len(ROWS[0]))
    ]
    sheet.stroke(ticks, colour=_TRACE, width_mm=0.18)


def _cell(sheet: Sheet, trace: Trace, lead: str, y: float, begin: float, end: float) -> None:
    """One lead from `begin` to `end`: every sample once, in one polyline for each unbroken run."""
    samples = trace.leads.get(lead)
    if samples is None or len(samples) == 0:
        if trace.seconds:
            _hatch(sheet, trace, y, begin, min(end, trace.seconds), trace.words.not_recorded)
        return
    first = int(np.ceil(begin * trace.rate_hz - 1e-9))
    part = samples[first : int(np.floor(end * trace.rate_hz + 1e-9)) + 1]
    paths = []
    for start, stop, known in _runs(~np.isnan(part)):
        if known:
            paths.append(_polyline(part[start:stop], first + start, trace.rate_hz, y))
        else:
            _hatch(
                sheet,
                trace,
                y,
                max(begin, (first + start - 0.5) / trace.rate_hz),
                min(end, (first + stop - 0.5) / trace.rate_hz),
                trace.words.missing.format(s=_seconds((stop - start) / trace.rate_hz)),
            )
    sheet.stroke_units(paths, colour=_TRACE, width_mm=_TRACE_MM, round_ends=True)


def _polyline(samples: NDArray[np.float64], first: int, rate_hz: float, y: float) -> str:
    """Samples as text in units of 0.01 mm; one unit is one microvolt."""
    step = SPEED_MM_PER_S * UNITS_PER_MM / rate_hz
    left = TRACE_LEFT_MM * UNITS_PER_MM
    units_per_uv = GAIN_MM_PER_MV * UNITS_PER_MM / 1000
    xs = np.round(left + (first + np.arange(len(samples))) * step, 2).tolist()
    # ±100 mV is far beyond any paper; a number without bound would make the file unreadable.
    ys = np.rint(y * UNITS_PER_MM - np.clip(samples, -1e5, 1e5) * units_per_uv).astype(int).tolist()
    points = [f"{x:.10g} {v}" for x, v in zip(xs, ys, strict=True)]
    # A single sample between two gaps is a dot: a line to itself with round ends.
    return " l ".join(points if len(points) > 1 else points * 2)


def _runs(known: NDArray[np.bool_]) -> Iterator[tuple[int, int, bool]]:
    """Unbroken stretches of an array of truth values, as (start, stop, value)."""
    if len(known) == 0:
        return
    edges = [0, *(np.flatnonzero(np.diff(known.astype(np.int8))) + 1).tolist(), len(known)]
    for start, stop in pairwise(edges):
        yield start, stop, bool(known[start])


def _hatch(sheet: Sheet, trace: Trace, y: float, begin: float, end: float, label: str) -> None:
    """No data from `begin` to `end`: a light hatch and how long it lasts, never a line."""
    left, right = _x(begin), _x(min(end, max(trace.seconds, begin)))
    if right - left < 0.02:
        return
    half = 3.0
    slopes = []
    x = left - 2 * half
    while x < right:
        a, b = max(x, left), min(x + 2 * half, right)
        if b > a:
            slopes.append(((a, y + half - (a - x)), (b, y + half - (b - x))))
        x += 1.5
    sheet.stroke(slopes, colour=_HATCH, width_mm=0.1)
    edges = [((at, y - half), (at, y + half)) for at in (left, right)]
    sheet.stroke(edges, colour=_HATCH, width_mm=0.15)
    sheet.put((left + right) / 2, y + half + 2.8, label, 6.5, colour=INK_3, align="center")


def _end_mark(sheet: Sheet, top: float, trace: Trace) -> None:
    x = _x(trace.seconds)
    line = ((x, top + 1), (x, top + HEIGHT_MM - 1))
    sheet.stroke([line], colour=INK_2, width_mm=0.2, dash_mm=(1.5, 1.0))
    label = trace.words.end.format(s=_seconds(trace.seconds))
    room = LEFT_MM + WIDTH_MM - x > sheet.width_of(label, 7) + 3
    sheet.put(x + (1 if room else -1), top + 117.5, label, 7, colour=INK, align="left" if room else "right")


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 0.1 else f"{seconds:.3f}"
