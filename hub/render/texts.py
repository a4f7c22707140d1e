"""Under the paper: numbers, findings, impression; in full on further pages where they are long."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hub.render import paper
from hub.render.context import ReportContext
from hub.render.sheet import INK, INK_2, INK_3, LINE, POINTS_PER_MM, Sheet
from hub.render.words import Words, minute
from protocols.messages import Analysis
from protocols.report import ReportMeasurement
from protocols.statements import MEASUREMENTS, STATEMENTS

_LEFT = paper.LEFT_MM
_COLUMNS_MM = ((0.0, 78.0), (83.0, 88.0), (176.0, 94.0))
"""Offset from the paper's left edge, and width: numbers, findings, impression."""
_SIZES_PT = (9.0, 8.0, 7.0)
"""Tried in this order until the text fits beside the numbers."""
_FULL_PT = 10.0
_HEADING_PT = 8.5

_MAIN = frozenset(
    {
        "heart_rate",
        "rr_ms",
        "p_ms",
        "pr_ms",
        "qrs_ms",
        "qt_ms",
        "qtcf_ms",
        "qtcb_ms",
        "p_axis_deg",
        "qrs_axis_deg",
        "t_axis_deg",
        "rv5_mv",
        "sv1_mv",
        "rv5_sv1_mv",
    }
)
"""Measurements that are printed; how many others there are is said below them."""
_IF_KNOWN = frozenset({"qtc_wide_ms"})
_FLAG = "qtc_unsteady"
"""Not a number: said in words."""


@dataclass(frozen=True, slots=True)
class _Block:
    heading: str
    note: str
    """Beside the heading: who says so."""
    body: str
    strong: bool = False


def draw_beside(sheet: Sheet, context: ReportContext, words: Words, *, top: float, bottom: float) -> bool:
    """Three columns between top and bottom. False if the text did not fit whole; then it says where it is."""
    _numbers(sheet, context, words, top)
    for (x, _), (left, width) in zip(_COLUMNS_MM[1:], _COLUMNS_MM, strict=False):
        middle = _LEFT + (left + width + x) / 2
        sheet.stroke([((middle, top - 2), (middle, bottom))], colour=LINE, width_mm=0.15)
    findings, rest = _split(context, words)
    whole = True
    sign_top = bottom - 3.5
    for blocks, (x, width), floor in (
        (findings, _COLUMNS_MM[1], bottom),
        (rest, _COLUMNS_MM[2], sign_top - 4.5),
    ):
        whole &= _column(sheet, blocks, words, _LEFT + x, width, top, floor)
    _signature(sheet, context, words, _LEFT + _COLUMNS_MM[2][0], sign_top, _COLUMNS_MM[2][1])
    return whole


def draw_in_full(
    sheet: Sheet,
    context: ReportContext,
    words: Words,
    *,
    new_page: Callable[[], None],
    top: float,
    bottom: float,
) -> None:
    """All of the text over the whole width, on as many further pages as it takes."""
    findings, rest = _split(context, words)
    step = _FULL_PT / POINTS_PER_MM * 1.55
    y = bottom
    first = True
    for block in [*findings, *rest]:
        lines = sheet.wrap(block.body, _FULL_PT, paper.WIDTH_MM - 4)
        if first or y + 2 * step > bottom:
            y = _continue(sheet, words, new_page, top)
            first = False
        _heading(sheet, block, _LEFT, y, paper.WIDTH_MM)
        y += step
        for line in lines:
            if y > bottom:
                y = _continue(sheet, words, new_page, top)
            sheet.put(_LEFT + 4, y, line, _FULL_PT, bold=block.strong)
            y += step
        y += step * 0.4


def _continue(sheet: Sheet, words: Words, new_page: Callable[[], None], top: float) -> float:
    sheet.add_page()
    new_page()
    sheet.stroke([((_LEFT, top), (_LEFT + paper.WIDTH_MM, top))], colour=LINE, width_mm=0.2)
    sheet.put(_LEFT, top + 6, words("whole_text"), 11, bold=True)
    return top + 13


def _split(context: ReportContext, words: Words) -> tuple[list[_Block], list[_Block]]:
    """What goes in the middle column, and what in the right one."""
    report, signed = context.report, context.signed_by is not None
    empty = words("nothing_written")
    middle = [_Block(words("findings"), "", report.findings.strip() or empty)]
    if not signed:
        middle.append(_Block(words("machine"), words("machine_note"), _machine(context.analysis, words)))
    lines = [f"{n}. {statement.text}" for n, statement in enumerate(report.impression, 1)]
    if len(lines) == 1:
        lines = [report.impression[0].text]
    right = [_Block(words("impression"), "", "\n".join(lines) or empty, strong=bool(lines))]
    classes = [
        f"{words(label)}{'：' if words.index == 0 else ': '}{words(value)}"
        for label, value in (("conclusion", report.conclusion), ("risk", report.risk))
        if value
    ]
    if classes:
        right.append(_Block("", "", "　".join(classes)))
    if report.advice.strip():
        right.append(_Block(words("advice"), "", report.advice.strip()))
    return middle, right


def _machine(analysis: Analysis | None, words: Words) -> str:
    if analysis is None or not analysis.statements:
        return words("machine_none")
    names = {row.code: words.row(row.zh, row.en) for row in STATEMENTS}
    return "\n".join(
        names.get(s.code, s.code) + (f" ({s.evidence})" if s.evidence else "") for s in analysis.statements
    )


def _column(
    sheet: Sheet, blocks: list[_Block], words: Words, x: float, width: float, top: float, bottom: float
) -> bool:
    """Set in the largest size that fits; if none does, as much as fits and where the rest is."""
    for size in _SIZES_PT:
        if _height(sheet, blocks, size, width) <= bottom - top:
            _set(sheet, blocks, x, width, top, size, bottom)
            return True
    _set(sheet, blocks, x, width, top, _SIZES_PT[-1], bottom - 4)
    sheet.put(x, bottom, words("continued", page=2), _SIZES_PT[-1], bold=True)
    return False


def _step(size_pt: float) -> float:
    return size_pt / POINTS_PER_MM * 1.38


def _body_size(block: _Block, size_pt: float) -> float:
    return size_pt + 1.5 if block.strong else size_pt


def _height(sheet: Sheet, blocks: list[_Block], size: float, width: float) -> float:
    total = 0.0
    for block in blocks:
        body = _body_size(block, size)
        total += _step(_HEADING_PT) * bool(block.heading) + _step(body) * len(
            sheet.wrap(block.body, body, width)
        )
        total += 0.35 * _step(size)
    return total - 0.35 * _step(size)


def _set(
    sheet: Sheet, blocks: list[_Block], x: float, width: float, top: float, size: float, bottom: float
) -> None:
    y = top
    for block in blocks:
        if block.heading:
            y += _step(_HEADING_PT)
            if y > bottom:
                return
            _heading(sheet, block, x, y - 0.8, width)
        body = _body_size(block, size)
        for line in sheet.wrap(block.body, body, width):
            y += _step(body)
            if y > bottom + 0.01:
                return
            sheet.put(x, y - 0.8, line, body, bold=block.strong)
        y += 0.35 * _step(size)


def _heading(sheet: Sheet, block: _Block, x: float, y: float, width: float) -> None:
    wide = sheet.put(x, y, block.heading, _HEADING_PT, colour=INK_3, bold=True) + 2
    size = min(7.2, 7.2 * (width - wide) / max(0.1, sheet.width_of(block.note, 7.2)))
    sheet.put(x + wide, y, block.note, size, colour=INK_2)


def _numbers(sheet: Sheet, context: ReportContext, words: Words, top: float) -> None:
    """Two columns of measurements, whose they are, and what is not printed."""
    report, analysis = context.report, context.analysis
    signed = context.signed_by is not None
    note = words("measured_confirmed" if report.measurements and signed else "measured_by_machine")
    if analysis:
        note += f" v{analysis.version}"
    rows = report.measurements or _measured(analysis)
    y = top + _step(_HEADING_PT)
    _heading(sheet, _Block(words("measurements"), note, ""), _LEFT, y - 0.8, _COLUMNS_MM[0][1])
    by_id = {row.id: row for row in rows}
    printed = _printed(by_id, signed)
    half = max(7, -(-len(printed) // 2))
    step = min(4.1, 28.7 / half)
    size = min(8.5, step / 4.1 * 8.5)
    edited = []
    for n, (id_, name, unit, decimals) in enumerate(printed):
        row = by_id.get(id_)
        x = _LEFT + (n // half) * 40.5
        line = y + 4.0 + (n % half) * step
        value = "—" if row is None or row.value is None else f"{row.value:.{decimals}f}"
        if row is not None and row.edited_from is not None and signed:
            edited.append(f"{words.row(*name)} {row.edited_from:.{decimals}f}")
            value += "*"
        sheet.put(x, line, words.row(*name), size, colour=INK_2)
        sheet.put(x + 25.5, line, value, size, colour=INK, bold=value != "—", align="right")
        sheet.put(x + 26.5, line, words.row(unit, unit.replace("次", "")), size * 0.85, colour=INK_3)
    notes = [words("edited", list=words.list(edited))] if edited else []
    if (flag := by_id.get(_FLAG)) is not None and flag.value:
        notes.append(words("unsteady"))
    if left_out := by_id.keys() - {id_ for id_, *_ in printed} - {_FLAG}:
        notes.append(words("not_printed", n=len(left_out)))
    if notes:
        note = ("；", "; ")[words.index].join(notes)
        size = min(6.5, 6.5 * 78 / sheet.width_of(note, 6.5))
        sheet.put(_LEFT, y + 4.0 + half * step - 0.3, note, size, colour=INK_2)


def _printed(
    by_id: Mapping[str, ReportMeasurement], signed: bool
) -> list[tuple[str, tuple[str, str], str, int]]:
    """Id, names, unit and decimals of what is printed: _MAIN where there is any, _IF_KNOWN where it has a
    value, and whatever the physician changed, be its id known here or not."""
    changed = {id_ for id_, row in by_id.items() if signed and row.edited_from is not None}
    has_main = any(id_ in by_id for id_ in _MAIN)
    cells = [
        (row.id, (row.zh, row.en), row.unit, row.decimals)
        for row in MEASUREMENTS
        if (row.id in _MAIN and (row.id in by_id or not has_main))
        or (row.id in _IF_KNOWN and row.id in by_id and by_id[row.id].value is not None)
        or (row.id in changed and row.id != _FLAG)
    ]
    known = {row.id for row in MEASUREMENTS}
    return cells + [(id_, (id_, id_), "", 2) for id_ in by_id if id_ in changed and id_ not in known]


def _measured(analysis: Analysis | None) -> tuple[ReportMeasurement, ...]:
    if analysis is None:
        return ()
    return tuple(ReportMeasurement(id=id_, value=value) for id_, value in analysis.measurements.items())


def _signature(sheet: Sheet, context: ReportContext, words: Words, x: float, y: float, width: float) -> None:
    sheet.stroke([((x, y - 3.6), (x + width, y - 3.6))], colour=LINE, width_mm=0.15)
    wide = sheet.put(x, y + 1.6, words("signed_by"), 8, colour=INK_3)
    signed = context.signed_by is not None
    sheet.put(
        x + wide + 2,
        y + 1.6,
        context.signed_by or words("not_signed"),
        10 if signed else 8,
        bold=signed,
        colour=INK if signed else INK_2,
    )
    if context.signed_ns is not None:
        when = f"{words('reported')} {minute(context.signed_ns, context.utc_offset_minutes)}"
        sheet.put(x + width, y + 1.6, when, 8, colour=INK_2, align="right")
