"""The page: who, when, the paper, the numbers, what the doctor says, and whether a doctor has said it."""

import re
from collections.abc import Mapping

import numpy as np

from hub.render import blank, paper, texts
from hub.render.context import Rendered, ReportContext
from hub.render.fonts import find_font
from hub.render.layouts import GAIN_MM_PER_MV, SECONDS, SPEED_MM_PER_S, Layout
from hub.render.sheet import HEIGHT_MM, INK, INK_2, INK_3, LINE, Sheet
from hub.render.words import LABEL_MARKS, Words, local_time, minute, second
from protocols.statements import HISTORY, SYMPTOMS, WordRow

REPORT_FIELDS = ("findings", "impression", "advice", "conclusion", "risk", "measurements")
"""Fields of protocols.report.Report that are printed."""
NOT_SENT: Mapping[str, str] = {"recording_id": "the trace itself is printed, with the exam's number"}

_LEFT, _RIGHT = paper.LEFT_MM, paper.LEFT_MM + paper.WIDTH_MM
_HEAD_TOP = 8.0
PAPER_TOP_MM = 34.0
_TEXT_TOP = PAPER_TOP_MM + paper.HEIGHT_MM + 6.5
_FOOT = HEIGHT_MM - 6.0


def render_report_pdf(context: ReportContext) -> Rendered:
    """The report as a PDF: A4 landscape, vector only, one page, or more where the text is long.

    Raises FontMissing.
    """
    words = Words(context.language)
    made = local_time(context.made_ns, context.utc_offset_minutes)
    trace = _trace(context, words)
    layout = paper.layout_of(trace)
    with blank.sheet(find_font(context.font_file)) as sheet:
        sheet.begin(made, f"{words('title')} {context.exam_id}", context.language)
        _head(sheet, context, words)
        paper.draw(sheet, PAPER_TOP_MM, trace, layout)
        _paper_note(sheet, context, layout, words)
        whole = texts.draw_beside(sheet, context, words, top=_TEXT_TOP, bottom=_FOOT - 5)
        if not whole:
            texts.draw_in_full(
                sheet,
                context,
                words,
                new_page=lambda: _head(sheet, context, words),
                top=PAPER_TOP_MM,
                bottom=_FOOT - 6,
            )
        _feet(sheet, context, words)
        return Rendered(bytes(sheet.output()), tuple(sheet.missing))


def _trace(context: ReportContext, words: Words) -> paper.Trace:
    samples = np.asarray(context.samples_uv, dtype=np.float64)
    shown = int(SECONDS * context.rate_hz) + 1
    marks = context.analysis.lead_quality if context.analysis else {}
    return paper.Trace(
        leads={lead: row[:shown] for lead, row in zip(context.leads, samples, strict=True)},
        rate_hz=context.rate_hz,
        marks={lead: words(mark) for lead, mark in marks.items() if mark in LABEL_MARKS},
        words=words.paper(),
        off=frozenset(lead for lead, mark in marks.items() if mark == "lead_off"),
    )


def _head(sheet: Sheet, context: ReportContext, words: Words) -> None:
    """Hospital, title, whether confirmed, and who the patient is: on every page."""
    middle = (_LEFT + _RIGHT) / 2
    sheet.put(middle, _HEAD_TOP + 4, context.hospital_name, 11, colour=INK_2, align="center")
    sheet.put(middle, _HEAD_TOP + 11, words("title"), 16, bold=True, align="center")
    _badge(sheet, context, words)
    offset = context.utc_offset_minutes
    recorded = words("recorded"), second(context.started_ns, offset)
    reported = words("not_signed") if context.signed_ns is None else minute(context.signed_ns, offset)
    _line(
        sheet,
        _HEAD_TOP + 17.5,
        [
            (words("name"), _name(context, words)),
            (words("sex"), words(context.sex if context.sex in ("male", "female") else "unknown")),
            (words("age"), _age(context, words)),
            (words("id_number"), f"**** {context.id_last4}" if context.id_last4 else words("no_id")),
            (words("patient_number"), context.patient_number),
            (words("exam_number"), context.exam_id),
        ],
        bold=words("name"),
    )
    complaint = context.complaint
    _line(
        sheet,
        _HEAD_TOP + 22.8,
        [
            (words("organisation"), context.organisation),
            (words("station"), context.station),
            recorded,
            (words("reported"), reported),
            (words("symptoms"), _named(complaint.symptoms, SYMPTOMS, words)),
            (words("history"), _named(complaint.history, HISTORY, words)),
            (words("note"), " ".join(complaint.note.split())),
        ],
    )


def _badge(sheet: Sheet, context: ReportContext, words: Words) -> None:
    """Confirmed or not, in words and in form: a frame when signed, reversed type when not."""
    signed = context.signed_by is not None
    text = words("confirmed" if signed else "unconfirmed")
    wide = sheet.width_of(text, 9) + 6
    fill = None if signed else INK
    sheet.frame(_RIGHT - wide, _HEAD_TOP, wide, 6.6, colour=INK, line_mm=0.3, fill=fill)
    colour = INK if signed else (255, 255, 255)
    sheet.put(_RIGHT - wide / 2, _HEAD_TOP + 4.5, text, 9, colour=colour, bold=True, align="center")
    version = words("version", n=context.version)
    sheet.put(_RIGHT, _HEAD_TOP + 11, version, 8, colour=INK_3, align="right")


def _line(sheet: Sheet, y: float, pairs: list[tuple[str, str]], bold: str = "") -> None:
    """Labels and values over the whole width, spaced evenly; set smaller until all of it is on the line."""
    pairs = [(label, value) for label, value in pairs if value]
    size = 9.0

    def width(size: float) -> float:
        return sum(sheet.width_of(label, size * 0.85) + 1.2 + sheet.width_of(v, size) for label, v in pairs)

    room = paper.WIDTH_MM - 3 * (len(pairs) - 1)
    if width(size) > room:
        size *= room / width(size)
    gap = min(9.0, (paper.WIDTH_MM - width(size)) / max(1, len(pairs) - 1))
    x = _LEFT
    for label, value in pairs:
        x += sheet.put(x, y, label, size * 0.85, colour=INK_3) + 1.2
        x += sheet.put(x, y, value, size, bold=label == bold) + gap


def _name(context: ReportContext, words: Words) -> str:
    if not context.patient_name:
        return words("no_name")
    return context.patient_name + (words("temporary") if context.temporary else "")


def _age(context: ReportContext, words: Words) -> str:
    on = local_time(context.started_ns, context.utc_offset_minutes).date()
    return words.age(context.birth_date, context.age_years, on)


def _named(ids: tuple[str, ...], rows: tuple[WordRow, ...], words: Words) -> str:
    names = {row.id: words.row(row.zh, row.en) for row in rows}
    return words.list([names.get(id_, id_) for id_ in ids])


def _paper_note(sheet: Sheet, context: ReportContext, layout: Layout, words: Words) -> None:
    """Under the paper: quality and what is wrong on the left, scale and bandwidth on the right."""
    y = PAPER_TOP_MM + paper.HEIGHT_MM + 3.6
    quality = f"quality_{context.analysis.quality}" if context.analysis else "quality_none"
    left = [
        f"{words('quality')}：{words(quality)}"
        if words.index == 0
        else f"{words('quality')}: {words(quality)}"
    ]
    warnings = []
    if context.damaged:
        warnings.append(words("damaged"))
    if context.interrupted:
        warnings.append(words("interrupted"))
    if context.missing_samples:
        warnings.append(words("missing_samples", n=context.missing_samples))
    seconds = np.shape(context.samples_uv)[1] / context.rate_hz
    if seconds > SECONDS:
        left.append(words("window", s=f"{seconds:.1f}"))
    x = _LEFT + sheet.put(_LEFT, y, "  ".join(left), 7.5, colour=INK_2) + 3
    sheet.put(x, y, "  ".join(warnings), 7.5, bold=True)
    scale = [f"{SPEED_MM_PER_S} mm/s", f"{layout.gain_mm_per_mv} mm/mV"]
    high, low, notch = context.highpass_hz, context.lowpass_hz, context.notch_hz
    scale.append(words("band_unknown") if high is None or low is None else f"{high:g}–{low:g} Hz")
    if notch is not None:
        scale.append(words("notch", hz=f"{notch:g}"))
    if context.box_filters not in ("", "none"):
        scale.append(words("box_filters", text=re.sub(r"\s+", " ", context.box_filters)))
    scale.append(words(layout.word))
    narrow = []
    if layout.gain_mm_per_mv != GAIN_MM_PER_MV:
        narrow.append(words("half_gain", gain=layout.gain_mm_per_mv))
    if low is not None and low < 150:
        narrow.append(words("band_narrow", hz=f"{low:g}"))
    if high is not None and high > 0.05:
        narrow.append(words("band_low", hz=f"{high:g}"))
    warned = "  ".join(narrow)
    sheet.put(_RIGHT, y, warned, 7.5, bold=True, align="right")
    right = _RIGHT - (sheet.width_of(warned, 7.5) + 3 if warned else 0)
    sheet.put(right, y, "  ".join(scale), 7.5, colour=INK, align="right")


def _feet(sheet: Sheet, context: ReportContext, words: Words) -> None:
    """On every page, last: page of pages, what it is for, and what the font could not write."""
    pages = sheet.pages_count
    codes = [f"U+{ord(char):04X}" for char in sheet.missing]
    for page in range(1, pages + 1):
        sheet.turn_to(page)
        sheet.stroke([((_LEFT, _FOOT - 3.6), (_RIGHT, _FOOT - 3.6))], colour=LINE, width_mm=0.15)
        status = words("confirmed" if context.signed_by is not None else "unconfirmed")
        text = f"{words('for_reference')}　{status}"
        sheet.put(_LEFT, _FOOT, text, 7, colour=INK_3)
        sheet.put(_RIGHT, _FOOT, words("page", page=page, pages=pages), 7, colour=INK_3, align="right")
        if codes:
            note = words(
                "missing_glyphs", n=len(codes), list=" ".join(codes[:24]) + (" …" if codes[24:] else "")
            )
            size = min(7.0, 7.0 * 160 / max(1.0, sheet.width_of(note, 7)))
            sheet.put((_LEFT + _RIGHT) / 2 + 10, _FOOT, note, size, bold=True, align="center")
