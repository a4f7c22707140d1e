"""Millimetre paper with a 12-lead ECG, at 25 mm/s; what stands where is in layouts.

The paper is 270 mm wide: 15 mm for the calibration pulse, 250 mm for ten seconds, 5 mm to end in.
Missing samples stay missing: hatched, with their duration. So is an electrode that is off, whose flat line
could be taken for asystole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hub.render.layouts import SECONDS, SPEED_MM_PER_S, Cell, Layout, layout_for
from hub.render.sheet import INK, INK_2, INK_3, UNITS_PER_MM, Colour, Sheet
from hub.render.words import PaperWords

RHYTHM = ("II", "V1", "V5")
"""The first of these that shows anything is the rhythm strip."""

LEFT_MM, WIDTH_MM, HEIGHT_MM = 13.5, 270.0, 120.0
TRACE_LEFT_MM = LEFT_MM + 15

_FINE: Colour = (0xF9, 0xDD, 0xD9)
_BOLD: Colour = (0xEB, 0xAA, 0xA2)
_TRACE: Colour = (0x10, 0x16, 0x1F)
_TRACE_MM = 0.24
_HATCH: Colour = (0x8A, 0x94, 0xA1)
_OFF: Colour = (0x6B, 0x4F, 0xA0)
_FLAT_UV = 25.0
"""Peak to peak, as in ecg.quality: below it a lead shows nothing."""

Held = Literal["trace", "doubtful", "off", "none"]


@dataclass(frozen=True, slots=True)
class Trace:
    """What is drawn: samples in µV by lead, NaN where there is none, all of one length."""

    leads: Mapping[str, NDArray[np.float64]]
    rate_hz: float
    marks: Mapping[str, str]
    """Lead → what its label must say beside the name: 脱落, 限幅."""
    words: PaperWords
    off: frozenset[str] = frozenset()
    """Leads whose electrode was off at some time, whatever the samples look like."""

    @property
    def seconds(self) -> float:
        return max((len(x) for x in self.leads.values()), default=0) / self.rate_hz


def layout_of(trace: Trace) -> Layout:
    """How this trace is printed."""
    return layout_for(trace.seconds, _rhythm_lead(trace))


def held_in(trace: Trace, cell: Cell) -> Held:
    """What a cell holds; the same rule as on the reader's screen.

    off: no contact and nothing but a flat line, which is not drawn. doubtful: no contact at some time, yet a
    signal: drawn, and said. none: no sample.
    """
    _, part = _part(trace, cell)
    known = part[~np.isnan(part)]
    if cell.lead not in trace.off:
        return "trace" if known.size else "none"
    span = float(known.max()) - float(known.min()) if known.size else 0.0
    return "doubtful" if span >= _FLAT_UV else "off"


def draw(sheet: Sheet, top: float, trace: Trace, layout: Layout) -> None:
    """Paper, calibration, labels, then traces, with the paper's upper edge at `top`."""
    _grid(sheet, top)
    for y in layout.baselines_mm:
        _calibration(sheet, top + y, layout.gain_mm_per_mv)
    _lead_changes(sheet, top, layout)
    for cell in layout.cells:
        _label(sheet, top, trace, layout, cell)
    with sheet.clipped(LEFT_MM, top, WIDTH_MM, HEIGHT_MM):
        for cell in layout.cells:
            _cell(sheet, top, trace, layout, cell)
    if trace.seconds == 0:
        sheet.put(LEFT_MM + WIDTH_MM / 2, top + 62, trace.words.nothing, 14, bold=True, align="center")
    elif trace.seconds < SECONDS:
        _end_marks(sheet, top, trace, layout)


def _rhythm_lead(trace: Trace) -> str:
    for lead in RHYTHM:
        if held_in(trace, Cell(lead, 0.0)) in ("trace", "doubtful"):
            return lead
    return RHYTHM[0]


def _part(trace: Trace, cell: Cell) -> tuple[int, NDArray[np.float64]]:
    """The samples of a cell, and which is the first of them."""
    first = int(np.ceil(cell.begin_s * trace.rate_hz - 1e-9))
    last = int(np.floor(cell.end_s * trace.rate_hz + 1e-9))
    samples = trace.leads.get(cell.lead)
    return first, np.empty(0) if samples is None else samples[first : last + 1]


def _label(sheet: Sheet, top: float, trace: Trace, layout: Layout, cell: Cell) -> None:
    """The lead's name, above its line where there is room, and what is to be known about it."""
    y = top + cell.y_mm
    held = held_in(trace, cell)
    off = held in ("off", "doubtful") and trace.seconds > 0
    mark = trace.marks.get(cell.lead, "")
    if held == "doubtful":
        half = min(0.75, layout.row_mm / 20)
        foot = y + 0.36 * layout.row_mm  # ST and T are read at the line itself, the next name stands below
        end = min(cell.end_s, trace.seconds)
        _hatch(sheet, foot - 3 * half, half, _x(cell, cell.begin_s), _x(cell, end), _OFF)
    if held != "off" and _leaves_paper(trace, layout, cell):
        mark = f"{mark} {trace.words.off_paper}".strip()
    high, size = (9.6, 9.5) if layout.row_mm >= 18 else (0.32 * layout.row_mm, 8.0)
    x = _x(cell, cell.begin_s) + 1.6
    wide = sheet.put(x, y - high, cell.lead, size, bold=True, colour=_OFF if off else INK)
    # The space belongs to the words as they are copied out of the file.
    sheet.put(
        x + wide, y - high, f" {mark}" if mark else "", size * 0.8, bold=off, colour=_OFF if off else INK_2
    )


def _leaves_paper(trace: Trace, layout: Layout, cell: Cell) -> bool:
    """Whether the trace is higher or lower than the paper, so that its amplitude cannot be read off it."""
    _, part = _part(trace, cell)
    uv_per_mm = 1000 / layout.gain_mm_per_mv
    up_uv, down_uv = uv_per_mm * cell.y_mm, uv_per_mm * (HEIGHT_MM - cell.y_mm)
    return bool(np.any(np.greater(part, up_uv) | np.less(part, -down_uv)))


def _x(cell: Cell, seconds: float) -> float:
    return TRACE_LEFT_MM + cell.left_mm + seconds * SPEED_MM_PER_S


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


def _calibration(sheet: Sheet, y: float, gain_mm_per_mv: int) -> None:
    """1 mV for 200 ms, by the same figures as the trace."""
    height, width = gain_mm_per_mv * 1.0, SPEED_MM_PER_S * 0.2
    x = LEFT_MM + 5
    pulse = [(x - 2, y), (x, y), (x, y - height), (x + width, y - height), (x + width, y), (x + width + 2, y)]
    sheet.stroke([pulse], colour=_TRACE, width_mm=_TRACE_MM)


def _lead_changes(sheet: Sheet, top: float, layout: Layout) -> None:
    ticks = [
        ((TRACE_LEFT_MM + x, top + y - 2.5), (TRACE_LEFT_MM + x, top + y + 2.5)) for x, y in layout.changes
    ]
    sheet.stroke(ticks, colour=_TRACE, width_mm=0.18)


def _cell(sheet: Sheet, top: float, trace: Trace, layout: Layout, cell: Cell) -> None:
    """One lead: every sample once, in one polyline for each unbroken run."""
    y, half = top + cell.y_mm, min(3.0, layout.row_mm / 4)
    held = held_in(trace, cell)
    first, part = _part(trace, cell)
    end = min(cell.end_s, trace.seconds)
    if held == "off" and np.isnan(part).all():
        _hatch(sheet, y, half, _x(cell, cell.begin_s), _x(cell, end), _OFF)
        return
    if cell.lead not in trace.leads:
        _hatch(sheet, y, half, _x(cell, cell.begin_s), _x(cell, end), _HATCH, label=trace.words.not_recorded)
        return
    paths = []
    for start, stop, known in _runs(~np.isnan(part)):
        if known and held != "off":
            paths.append(_polyline(part[start:stop], first + start, trace.rate_hz, y, cell, layout))
            continue
        _hatch(
            sheet,
            y,
            half,
            _x(cell, max(cell.begin_s, (first + start - 0.5) / trace.rate_hz)),
            _x(cell, min(end, (first + stop - 0.5) / trace.rate_hz)),
            _OFF if known else _HATCH,
            label="" if known else trace.words.missing.format(s=_seconds((stop - start) / trace.rate_hz)),
        )
    sheet.stroke_units(paths, colour=_TRACE, width_mm=_TRACE_MM, round_ends=True)


def _polyline(
    samples: NDArray[np.float64], first: int, rate_hz: float, y: float, cell: Cell, layout: Layout
) -> str:
    """Samples as text in units of 0.01 mm; at 10 mm/mV one unit is one microvolt."""
    step = SPEED_MM_PER_S * UNITS_PER_MM / rate_hz
    left = (TRACE_LEFT_MM + cell.left_mm) * UNITS_PER_MM
    units_per_uv = layout.gain_mm_per_mv * UNITS_PER_MM / 1000
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


def _hatch(
    sheet: Sheet, y: float, half: float, left: float, right: float, colour: Colour, label: str = ""
) -> None:
    """Nothing to be read from `left` to `right`: a light hatch and how long it lasts, never a line."""
    if right - left < 0.02:
        return
    slopes = []
    x = left - 2 * half
    while x < right:
        a, b = max(x, left), min(x + 2 * half, right)
        if b > a:
            slopes.append(((a, y + half - (a - x)), (b, y + half - (b - x))))
        x += 1.5
    sheet.stroke(slopes, colour=colour, width_mm=0.1)
    edges = [((at, y - half), (at, y + half)) for at in (left, right)]
    sheet.stroke(edges, colour=colour, width_mm=0.15)
    sheet.put((left + right) / 2, y + half + 2.8, label, 6.5, colour=INK_3, align="center")


def _end_marks(sheet: Sheet, top: float, trace: Trace, layout: Layout) -> None:
    """Where the recording ends, in each column of its own time."""
    label = trace.words.end.format(s=_seconds(trace.seconds))
    edges = [*(TRACE_LEFT_MM + origin for origin in layout.origins_mm), LEFT_MM + WIDTH_MM]
    for origin, edge in pairwise(edges):
        x = origin + trace.seconds * SPEED_MM_PER_S
        line = ((x, top + 1), (x, top + HEIGHT_MM - 1))
        sheet.stroke([line], colour=INK_2, width_mm=0.2, dash_mm=(1.5, 1.0))
        room = edge - x > sheet.width_of(label, 7) + 3
        sheet.put(
            x + (1 if room else -1), top + 117.5, label, 7, colour=INK, align="left" if room else "right"
        )


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 0.1 else f"{seconds:.3f}"
