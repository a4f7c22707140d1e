"""The figures of a validation as one picture: SVG, written as text so that it needs no library."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from ecg.tools.tables import INTERVAL_WORDS, LIMITS, POINT_WORDS, TITLES

_WIDTH, _LEFT, _RIGHT, _ROW, _HEAD = 900.0, 330.0, 40.0, 18.0, 46.0
_INK, _GRID, _ONE, _TWO = "#2b3037", "#d5d9de", "#1f5fa8", "#b3541e"
_EDGES = ("p_on", "p_off", "qrs_on", "qrs_off", "t_off")


class _Mark(NamedTuple):
    """A value with what it may be instead; round or square tells the two kinds apart without colour."""

    value: float
    low: float
    high: float
    square: bool = False


class _Panel(NamedTuple):
    title: str
    low: float
    high: float
    unit: str
    rows: tuple[tuple[str, tuple[_Mark, ...]], ...]


def picture(figures: Mapping[str, Any]) -> str:
    """The SVG: beats, boundaries, intervals, statements and triage, as far as there are any."""
    panels = [panel for panel in _panels(figures) if panel.rows]
    heights = [_HEAD + _ROW * len(panel.rows) + 30 for panel in panels]
    height = sum(heights) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {height:.0f}"',
        f'width="{_WIDTH:.0f}" height="{height:.0f}" font-family="sans-serif" font-size="12">',
        "<title>Validation of the ECG arithmetic</title>",
        f'<rect width="{_WIDTH:.0f}" height="{height:.0f}" fill="#fff"/>',
    ]
    top = 10.0
    for panel, own in zip(panels, heights, strict=True):
        parts += _drawn(panel, top)
        top += own
    return "\n".join([*parts, "</svg>\n"])


def _panels(figures: Mapping[str, Any]) -> Iterator[_Panel]:
    sets: Mapping[str, Mapping[str, Any]] = figures["sets"]
    beats = [
        (f"{name}, {own['beats']['records']} records", _pair(own["beats"]["gross"]))
        for name, own in sets.items()
        if "beats" in own
    ]
    low = min((mark.value for _, marks in beats for mark in marks), default=100.0)
    yield _Panel(
        "Beats, gross: ● sensitivity ■ predictive value", min(99.0, low - 0.2), 100.0, "%", tuple(beats)
    )
    for name, own in sets.items():
        rows: list[tuple[str, tuple[_Mark, ...]]] = []
        for kind, points in (
            ("lead II", own.get("boundaries", {}).get("II", {})),
            ("together", own.get("together", {})),
            ("nearest lead", own.get("either", {})),
        ):
            rows += [
                (f"{POINT_WORDS[point]}, {kind}", (_spread(points[point]),))
                for point in _EDGES
                if point in points and points[point]["sd"] is not None
            ]
        yield _Panel(f"{name}: boundaries, mean ± SD", -50.0, 50.0, "ms", tuple(rows))
        intervals = own.get("intervals", {})
        yield _Panel(
            f"{name}: intervals, mean ± SD ■ and the largest SD allowed ●",
            -50.0,
            50.0,
            "ms",
            tuple(
                (
                    INTERVAL_WORDS[key],
                    (_Mark(0.0, -LIMITS[key][1], LIMITS[key][1]), _spread(one)._replace(square=True)),
                )
                for key, one in intervals.items()
                if one["sd"] is not None
            ),
        )
        yield _Panel(
            f"{name}: statements, ● sensitivity ■ specificity, 95 % intervals",
            0.0,
            100.0,
            "%",
            tuple(
                (
                    f"{TITLES[family]} ({one['sensitivity']['whole']})",
                    tuple(_share(one["sensitivity"], False) + _share(one["specificity"], True)),
                )
                for family, one in own.get("statements", {}).items()
            ),
        )
    triage, simulated = figures["triage"], figures["simulated"]
    rows = [
        (title, tuple(_share(shares["sensitivity"], False) + _share(shares["false_alarms"], True)))
        for title, shares in (("labelled records", triage), ("simulated heart", simulated))
        if shares and shares["false_alarms"]["whole"]
    ]
    yield _Panel("Alarms: ● on those that must raise one ■ on all others", 0.0, 100.0, "%", tuple(rows))


def _pair(gross: Mapping[str, Any]) -> tuple[_Mark, ...]:
    values = [(gross["se_percent"], False), (gross["ppv_percent"], True)]
    return tuple(_Mark(value, value, value, square) for value, square in values if value is not None)


def _spread(one: Mapping[str, Any]) -> _Mark:
    return _Mark(one["mean"], one["mean"] - one["sd"], one["mean"] + one["sd"])


def _share(share: Mapping[str, Any], square: bool) -> list[_Mark]:
    if share["percent"] is None:
        return []
    return [_Mark(share["percent"], share["low"], share["high"], square)]


def _drawn(panel: _Panel, top: float) -> Iterator[str]:
    yield f'<text x="20" y="{top + 18:.1f}" font-weight="bold" fill="{_INK}">{escape(panel.title)}</text>'
    bottom = top + _HEAD + _ROW * len(panel.rows)
    for k in range(5):
        value = panel.low + (panel.high - panel.low) * k / 4
        x = _x(value, panel)
        yield f'<path d="M{x:.1f} {top + _HEAD - 10:.1f}V{bottom:.1f}" stroke="{_GRID}"/>'
        yield (
            f'<text x="{x:.1f}" y="{bottom + 14:.1f}" text-anchor="middle" fill="{_INK}">'
            f"{value:.4g} {panel.unit}</text>"
        )
    for k, (title, marks) in enumerate(panel.rows):
        y = top + _HEAD + _ROW * k + 4
        words = escape(title)
        yield f'<text x="{_LEFT - 10:.1f}" y="{y + 4:.1f}" text-anchor="end" fill="{_INK}">{words}</text>'
        yield from _row(marks, panel, y)


def _row(marks: Sequence[_Mark], panel: _Panel, y: float) -> Iterator[str]:
    for mark in marks:
        at = y + (3 if mark.square else -3) * (len(marks) > 1)
        colour = _TWO if mark.square else _ONE
        low, x, high = (_x(value, panel) for value in (mark.low, mark.value, mark.high))
        if high > low:
            yield f'<path d="M{low:.1f} {at:.1f}H{high:.1f}" stroke="{colour}" stroke-width="1.5"/>'
        if mark.square:
            yield f'<rect x="{x - 3:.1f}" y="{at - 3:.1f}" width="6" height="6" fill="{colour}"/>'
        else:
            yield f'<circle cx="{x:.1f}" cy="{at:.1f}" r="3.2" fill="{colour}"/>'


def _x(value: float, panel: _Panel) -> float:
    share = (min(max(value, panel.low), panel.high) - panel.low) / (panel.high - panel.low)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)
