"""A record on millimetre paper, with the boundaries and beats that were found, as SVG.

One user unit is one millimetre: printed at full size the paper is true, 25 mm/s and 10 mm/mV. SVG is text, so
it needs no library; what turns it into PDF or PNG is any browser.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from ecg import filters, foreign
from ecg.delineate import Waves
from ecg.foreign import Foreign
from ecg.leads import LEADS, derive
from ecg.record import RecordMismatchError
from ecg.tools.annotate import CHUNK_S, Annotated, annotate
from ecg.version import VERSION

Array = NDArray[np.float64]
Layout = Literal["12x1", "3x4"]
LAYOUTS: tuple[Layout, ...] = ("12x1", "3x4")

MM_PER_S, MM_PER_MV = 25.0, 10.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 18.0, 6.0, 24.0, 12.0
_MOST_LEADS = 32
_AROUND_S = 10.0
"""How much of a long record is studied on either side of what is drawn."""
_MOST_S = 60.0
"""A sheet is at most 1.5 m wide; longer records are drawn piece by piece with --start."""
_FINE, _BOLD, _INK, _TRACE = "#f3c9c3", "#e39a90", "#3a4048", "#10161f"
_COLOURS = {"p": "#1f5fa8", "qrs": "#a3252c", "t": "#1d7a46"}
_LETTERS = {"p": "p", "qrs": "N", "t": "t"}
_TICK_MM = 3.0


class _Cell(NamedTuple):
    """A stretch of one lead on the paper."""

    lead: str
    row: int
    x: float
    """mm from the paper's left edge of the trace."""
    start_s: float
    end_s: float


def drawing(of: Foreign, start_s: float, seconds: float, layout: Layout) -> str:
    """The SVG of a stretch of a record. A long record is read around it only. Raises RecordError."""
    if not (0 <= start_s < of.seconds and seconds > 0):
        raise RecordMismatchError(f"{of.name} has {of.seconds:.1f} s: nothing to draw from {start_s:g} s on")
    if of.seconds <= CHUNK_S:
        return draw(annotate(of), start_s, seconds, layout)
    begin = max(0, round((start_s - _AROUND_S) * of.rate_hz))
    end = min(of.length, round((start_s + min(seconds, _MOST_S) + _AROUND_S) * of.rate_hz))
    return draw(annotate(of, start=begin, end=end), start_s, seconds, layout)


def draw(found: Annotated, start_s: float = 0.0, seconds: float = 10.0, layout: Layout = "12x1") -> str:
    """The SVG of `seconds` of the record from `start_s` on, at most a minute.

    12x1: every lead on a line of its own. 3x4: four columns of three leads, one after another in time, and
    lead II below; of a record without twelve leads always one line a lead. Raises RecordError.
    """
    of = found.of
    start_s = min(max(0.0, start_s), of.seconds)
    seconds = min(seconds, _MOST_S, of.seconds - start_s)
    first, last = round(start_s * of.rate_hz), round((start_s + seconds) * of.rate_hz)
    samples = foreign.samples(of, first, max(last, first + 1))
    if found.twelve:
        rest = [k for k, lead in enumerate(of.leads) if lead not in LEADS]
        samples = np.concatenate([derive(samples, of.leads), samples[rest]])
        leads: tuple[str, ...] = (*LEADS, *(of.leads[k] for k in rest))
    else:
        leads = of.leads
    band = filters.BANDS["diagnostic"]
    clean = filters.stored(samples, of.rate_hz, band.highpass_hz, band.lowpass_hz)
    rows = dict(zip(leads, clean, strict=True))
    cells = _cells(leads, seconds, layout if found.twelve else "12x1")
    height_mm = _row_mm(rows, cells)
    n_rows = 1 + max(cell.row for cell in cells)
    width, height = _LEFT + seconds * MM_PER_S + _RIGHT, _TOP + n_rows * height_mm + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.1f} {height:.1f}"',
        f'width="{width:.1f}mm" height="{height:.1f}mm" font-family="sans-serif">',
        f"<title>{escape(of.name)}</title>",
        f'<rect width="{width:.1f}" height="{height:.1f}" fill="#fff"/>',
        *_grid(seconds * MM_PER_S, n_rows * height_mm),
        *_heading(found, start_s, seconds),
    ]
    for cell in cells:
        y = _TOP + (cell.row + 0.5) * height_mm
        parts += _trace(cell, rows[cell.lead], of.rate_hz, y, height_mm)
        parts += _marks(cell, found.per_lead[cell.lead], of.rate_hz, start_s, y + height_mm / 2 - 1)
    parts += _beats(found, start_s, seconds)
    foot = (
        f"25 mm/s  10 mm/mV  {band.highpass_hz:g}-{band.lowpass_hz:g} Hz  ( onset  p N t peak  ) end  "
        f"ecg {VERSION}, not confirmed by a doctor"
    )
    parts += [_text(_LEFT, height - 4, 3, foot), "</svg>\n"]
    return "\n".join(parts)


def _text(x: float, y: float, size: float, text: str, colour: str = _INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}">{escape(text)}</text>'


def _cells(leads: Sequence[str], seconds: float, layout: Layout) -> list[_Cell]:
    if layout == "12x1":
        return [_Cell(lead, k, _LEFT, 0.0, seconds) for k, lead in enumerate(leads[:_MOST_LEADS])]
    quarter = seconds / 4
    cells = [
        _Cell(lead, k % 3, _LEFT + k // 3 * quarter * MM_PER_S, k // 3 * quarter, (k // 3 + 1) * quarter)
        for k, lead in enumerate(LEADS)
    ]
    return [*cells, _Cell("II", 3, _LEFT, 0.0, seconds)]


def _row_mm(rows: dict[str, Array], cells: Sequence[_Cell]) -> float:
    """Height of a row: twice the furthest any lead goes from its middle, 20 to 60 mm, whole 5 mm."""
    far = 0.0
    for cell in cells:
        known = rows[cell.lead][np.isfinite(rows[cell.lead])]
        if known.size:
            far = max(far, float(np.abs(known - np.median(known)).max()))
    return float(np.clip(5 * np.ceil(2 * far / 1000 * MM_PER_MV / 5), 20, 60))


def _grid(width: float, height: float) -> Iterator[str]:
    """Lines every millimetre, bold every five, from the paper's corner."""
    for step, colour, weight in ((1, _FINE, 0.08), (5, _BOLD, 0.16)):
        lines = [f"M{_LEFT + x:.1f} {_TOP:.1f}v{height:.1f}" for x in range(0, int(width) + 1, step)]
        lines += [f"M{_LEFT:.1f} {_TOP + y:.1f}h{width:.1f}" for y in range(0, int(height) + 1, step)]
        yield f'<path d="{"".join(lines)}" stroke="{colour}" stroke-width="{weight}" fill="none"/>'


def _heading(found: Annotated, start_s: float, seconds: float) -> Iterator[str]:
    """Name, what is drawn, and the numbers of the strip that it begins in."""
    of = found.of
    what = f"{of.name}  {of.rate_hz:g} Hz  {start_s:.1f}-{start_s + seconds:.1f} s of {of.seconds:.1f}"
    yield _text(_LEFT, 6, 4.5, what)
    at = start_s * of.rate_hz
    strip = next((s for s in found.stretches if s.start <= at < s.end), found.stretches[-1])
    numbers = [
        f"{label} {value:.0f}{unit}"
        for label, name, unit in (
            ("HR", "heart_rate", "/min"),
            ("P", "p_ms", " ms"),
            ("PR", "pr_ms", " ms"),
            ("QRS", "qrs_ms", " ms"),
            ("QT", "qt_ms", " ms"),
            ("QTcF", "qtcf_ms", " ms"),
            ("axis", "qrs_axis_deg", "°"),
        )
        if (value := strip.measurements.get(name)) is not None
    ]
    said = ", ".join(finding.code for finding in strip.findings)
    yield _text(_LEFT, 10.5, 3, "  ".join([strip.quality.verdict, *numbers]))
    yield _text(_LEFT, 14.5, 3, said)


def _trace(cell: _Cell, row: Array, rate_hz: float, y: float, height_mm: float) -> Iterator[str]:
    """Calibration pulse where the row begins, label, the trace; where there is no sample, hatching."""
    if cell.x == _LEFT:
        base = y + MM_PER_MV / 2
        yield (
            f'<path d="M3 {base:.2f}h2.5v{-MM_PER_MV}h5v{MM_PER_MV}h2.5" stroke="{_TRACE}"'
            ' stroke-width="0.25" fill="none"/>'
        )
    else:
        yield f'<path d="M{cell.x:.2f} {y - 6:.2f}v12" stroke="{_TRACE}" stroke-width="0.25"/>'
    yield _text(cell.x + 1, y - height_mm / 2 + 4, 3.6, cell.lead, _TRACE)
    part = row[round(cell.start_s * rate_hz) : round(cell.end_s * rate_hz)]
    finite = np.isfinite(part)
    middle = float(np.nanmedian(row)) if np.isfinite(row).any() else 0.0
    reach = height_mm / 2
    for first, last, known in _runs(finite):
        x = cell.x + np.arange(first, last) / rate_hz * MM_PER_S
        if not known:
            yield (
                f'<rect x="{x[0]:.2f}" y="{y - 4:.2f}" width="{(last - first) / rate_hz * MM_PER_S:.2f}"'
                f' height="8" fill="none" stroke="{_INK}" stroke-width="0.2" stroke-dasharray="1 1"/>'
            )
            continue
        high = np.clip((part[first:last] - middle) / 1000 * MM_PER_MV, -reach, reach)
        points = " ".join(f"{a:.2f},{b:.2f}" for a, b in zip(x.tolist(), (y - high).tolist(), strict=True))
        yield f'<polyline points="{points}" stroke="{_TRACE}" stroke-width="0.25" fill="none"/>'


def _runs(mask: NDArray[np.bool_]) -> Iterator[tuple[int, int, bool]]:
    edges = [0, *(np.flatnonzero(np.diff(mask.astype(np.int8))) + 1).tolist(), mask.size]
    for a, b in pairwise(edges):
        if b > a:
            yield a, b, bool(mask[a])


def _marks(cell: _Cell, waves: Waves, rate_hz: float, start_s: float, y: float) -> Iterator[str]:
    """Brackets and letters under the trace; shape and letter say it, colour only helps."""
    points = waves._asdict()
    for wave, colour in _COLOURS.items():
        path: list[str] = []
        letters: list[str] = []
        for kind, foot in (("on", 1.0), ("off", -1.0), ("peak", 0.0)):
            at_s = points[f"{wave}_{kind}"] / rate_hz - start_s
            inside = at_s[np.isfinite(at_s) & (at_s >= cell.start_s) & (at_s < cell.end_s)]
            for x in (cell.x + (inside - cell.start_s) * MM_PER_S).tolist():
                if foot:
                    path.append(f"M{x + foot:.2f} {y:.2f}h{-foot}v{-_TICK_MM}h{foot}")
                else:
                    letters.append(f'<tspan x="{x - 0.7:.2f}" y="{y:.2f}">{_LETTERS[wave]}</tspan>')
        if path:
            yield f'<path d="{"".join(path)}" stroke="{colour}" stroke-width="0.2" fill="none"/>'
        if letters:
            yield f'<text font-size="2.4" fill="{colour}">{"".join(letters)}</text>'


def _beats(found: Annotated, start_s: float, seconds: float) -> Iterator[str]:
    """Over the paper: each beat's symbol, the boundaries of all leads together, rhythm changes."""
    rate_hz = found.of.rate_hz
    beats: list[str] = []
    for at, kind in zip((found.r_peaks / rate_hz - start_s).tolist(), found.classes, strict=True):
        if 0 <= at < seconds:
            beats.append(f'<tspan x="{_LEFT + at * MM_PER_S - 0.9:.2f}" y="18.6">{kind}</tspan>')
    if beats:
        yield f'<text font-size="2.8" fill="{_INK}">{"".join(beats)}</text>'
    whole = _Cell("", 0, _LEFT, 0.0, seconds)
    yield from _marks(whole, found.together, rate_hz, start_s, _TOP - 1)
    for at_sample, note in found.rhythm:
        at = at_sample / rate_hz - start_s
        if 0 <= at < seconds:
            yield _text(_LEFT + at * MM_PER_S, _TOP + 3, 3, note)
