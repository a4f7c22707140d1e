"""The printed report is held against the file itself: millimetres, samples, words, and nothing dropped."""

import os
import re
import shutil
import subprocess
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ecg import leads
from hub.render import ReportContext, blank, render_report_pdf, warm_up
from hub.render.fonts import Font, FontMissing, find_font
from hub.render.layouts import layout_for
from hub.render.paper import HEIGHT_MM, LEFT_MM, TRACE_LEFT_MM, WIDTH_MM
from hub.render.report import NOT_SENT, PAPER_TOP_MM, REPORT_FIELDS
from hub.render.sheet import Sheet
from hub.render.words import Words, local_time
from protocols.messages import Analysis, Complaint, MachineStatement
from protocols.report import FIELDS, Report, ReportMeasurement, Statement
from protocols.statements import MEASUREMENTS

RATE = 500
POINTS_PER_MM = 72 / 25.4
BASELINES_MM = layout_for(10, "II").baselines_mm
OFF = "0.420 0.310 0.627"
"""Colour of all that concerns an electrode that is off."""


@pytest.fixture(scope="module", autouse=True)
def _font() -> None:
    try:
        find_font()
    except FontMissing as error:
        pytest.skip(str(error))


def samples(seconds: float = 10.0, rate: int = RATE) -> NDArray[np.float64]:
    """Twelve leads of whole microvolts, no two samples of a lead equal to their neighbours for long."""
    n = int(seconds * rate)
    t = np.arange(n) / rate
    beat = 1200 * np.exp(-(((t % 0.8) - 0.3) ** 2) / 2 / 0.012**2)
    box = np.array([np.rint(beat * (0.3 + k / 8) + 40 * np.sin(7 * t + k)) for k in range(8)])
    return leads.derive(box, leads.BOX_LEADS)


def context(**changes: object) -> ReportContext:
    made = ReportContext(
        hospital_name="清河县人民医院",
        exam_id="e3f1a2b3c4d5e6f7",
        version=1,
        signed_by="王淑芬",
        signed_ns=1_777_788_300_000_000_000,
        made_ns=1_777_788_300_000_000_000,
        patient_number="P000123",
        patient_name="李建国",
        sex="male",
        birth_date="1961-04-02",
        age_years=None,
        id_last4="1234",
        temporary=False,
        organisation="河西村卫生室",
        station="MT-0007",
        complaint=Complaint(symptoms=("chest_pain",), history=("hypertension",), note="2 小时前开始"),
        started_ns=1_777_788_000_000_000_000,
        rate_hz=RATE,
        samples_uv=samples(),
        leads=leads.LEADS,
        highpass_hz=0.05,
        lowpass_hz=150,
        analysis=Analysis(version="0.1.0", measurements={"heart_rate": 75, "pr_ms": 150}),
        report=Report(
            findings="窦性心律，PR 间期正常。",
            impression=(Statement(text="窦性心律"), Statement(text="ST 段抬高，请立即转诊")),
            advice="启动胸痛流程",
            conclusion="abnormal",
            risk="critical",
            measurements=(ReportMeasurement(id="pr_ms", value=160, edited_from=150),),
        ),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


class Stroke(NamedTuple):
    """One stroked polyline, in millimetres from the top left corner."""

    colour: str
    width: float
    points: list[tuple[float, float]]


def paths(pdf: bytes, page: int = 0) -> list[Stroke]:
    """Every polyline drawn through an explicit coordinate system, through that system, into millimetres."""
    content = contents(pdf)[page]
    number = r"(-?[\d.]+)"
    found = []
    head = re.compile(
        rf"q {number} 0 0 {number} 0 {number} cm\n([\d. ]+) RG {number} w [^\n]*\n(.*?)\nS Q", re.DOTALL
    )
    for sx, sy, ty, colour, width, body in head.findall(content):
        for line in body.splitlines():
            flat = [float(token) for token in line.split() if token not in "ml"]
            points = [
                (x * float(sx) / POINTS_PER_MM, (595.28 - (y * float(sy) + float(ty))) / POINTS_PER_MM)
                for x, y in zip(flat[::2], flat[1::2], strict=True)
            ]
            found.append(Stroke(colour, float(width) * float(sx) / POINTS_PER_MM, points))
    return found


def contents(pdf: bytes) -> list[str]:
    """The content stream of each page."""
    streams = re.findall(rb"stream\n(.*?)\nendstream", pdf, re.DOTALL)
    out = []
    for stream in streams:
        try:
            text = zlib.decompress(stream)
        except zlib.error:
            continue
        if b" cm\n" in text and b" RG " in text:
            out.append(text.decode("latin-1"))
    return out


def text_of(pdf: bytes, tmp_path: Path, *options: str) -> str:
    """What a reader's program copies out of the file."""
    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("pdftotext (poppler-utils) is not installed")
    file = tmp_path / "report.pdf"
    file.write_bytes(pdf)
    done = subprocess.run([program, *options, str(file), "-"], capture_output=True, check=True)
    return done.stdout.decode()


@pytest.fixture(scope="module")
def signed() -> bytes:
    return render_report_pdf(context()).pdf


def trace_paths(pdf: bytes) -> list[Stroke]:
    """The drawn leads: polylines of many points inside the time axis."""
    return [p for p in paths(pdf) if len(p.points) > 20]


def test_grid_is_exact_millimetres_with_every_fifth_line_thick(signed: bytes) -> None:
    lines = [p.points for p in paths(signed) if len(p.points) == 2]
    top, bottom = PAPER_TOP_MM, PAPER_TOP_MM + HEIGHT_MM
    upright = sorted(a[0] for a, b in lines if a[0] == b[0] and (a[1], b[1]) == pytest.approx((top, bottom)))
    level = sorted(
        a[1]
        for a, b in lines
        if a[1] == b[1] and (a[0], b[0]) == pytest.approx((LEFT_MM, LEFT_MM + WIDTH_MM), abs=0.003)
    )
    assert upright == pytest.approx([LEFT_MM + n for n in range(271)], abs=0.003)
    assert level[:121] == pytest.approx([top + n for n in range(121)], abs=0.003)
    by_width: dict[float, list[float]] = {}
    for path in paths(signed):
        (a, b), vertical = path.points[:2], path.points[0][0] == path.points[1][0]
        if len(path.points) == 2 and vertical and abs(b[1] - a[1] - HEIGHT_MM) < 0.01:
            by_width.setdefault(path.width, []).append(a[0])
    thin, thick = sorted(by_width)
    assert sorted(by_width[thick]) == pytest.approx([LEFT_MM + 5 * n for n in range(55)], abs=0.003)
    assert len(by_width[thin]) == 271 - 55


def test_calibration_pulse_is_one_millivolt_for_200_ms_on_each_row(signed: bytes) -> None:
    pulses = [p.points for p in paths(signed) if len(p.points) == 6]
    assert len(pulses) == 4
    for points, baseline in zip(pulses, BASELINES_MM, strict=True):
        (_, y0), (x1, _), (x2, y2), (x3, y3), (x4, _), (_, y5) = points
        assert y0 == y5 == pytest.approx(PAPER_TOP_MM + baseline, abs=0.003)
        assert y0 - y2 == pytest.approx(10, abs=0.003)
        assert y2 == y3
        assert x3 - x2 == pytest.approx(5, abs=0.003)
        assert (x1, x4) == pytest.approx((x2, x3), abs=0.003)


def test_rhythm_strip_is_every_sample_at_25_mm_a_second_and_10_mm_a_millivolt(signed: bytes) -> None:
    strip = max(trace_paths(signed), key=lambda p: len(p.points)).points
    lead_two = samples()[leads.LEADS.index("II")]
    xs, ys = np.array(strip).T
    assert len(strip) == 10 * RATE
    assert xs == pytest.approx(TRACE_LEFT_MM + np.arange(5000) * 25 / RATE, abs=0.002)
    assert xs[0] + 250 == pytest.approx(xs[-1] + 25 / RATE, abs=0.002)
    assert (PAPER_TOP_MM + BASELINES_MM[3] - ys) * 100 == pytest.approx(lead_two, abs=0.6)


def test_columns_follow_each_other_in_time_under_one_another(signed: bytes) -> None:
    cells = [p.points for p in trace_paths(signed) if len(p.points) < 2000]
    assert len(cells) == 12
    spans = [((c[0][0] - TRACE_LEFT_MM) / 25, (c[-1][0] - TRACE_LEFT_MM) / 25) for c in cells]
    for n, (begin, end) in enumerate(spans):
        column = n % 4
        assert begin == pytest.approx(column * 2.5 + (0.05 if column else 0), abs=1e-3)
        assert end == pytest.approx((column + 1) * 2.5 - (0.05 if column < 3 else 1 / RATE), abs=1e-3)
    drawn = leads.derive(samples(), leads.LEADS)
    for cell, lead in zip(
        cells, ("I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6"), strict=True
    ):
        first = round((cell[0][0] - TRACE_LEFT_MM) / 25 * RATE)
        row = np.array([y for _, y in cell])
        expected = drawn[leads.LEADS.index(lead), first : first + len(cell)]
        assert (row[0] - row) * 100 == pytest.approx(expected - expected[0], abs=1.1), lead


def test_gaps_stay_gaps(tmp_path: Path) -> None:
    broken = samples()
    broken[leads.LEADS.index("II"), 2000:2300] = np.nan
    pdf = render_report_pdf(context(samples_uv=broken)).pdf
    strip = sorted((p.points for p in trace_paths(pdf) if p.points[0][1] > 120), key=lambda p: p[0])
    assert [len(part) for part in strip] == [2000, 2700]
    left, right = strip[0][-1][0], strip[1][0][0]
    assert right - left == pytest.approx(301 * 25 / RATE, abs=0.01)
    assert "缺 0.6 s" in text_of(pdf, tmp_path)


def test_short_and_interrupted_record_says_where_it_ends(tmp_path: Path) -> None:
    pdf = render_report_pdf(context(samples_uv=samples(6.2), interrupted=True, missing_samples=7)).pdf
    text = text_of(pdf, tmp_path)
    assert "记录止于 6.2 s" in text
    assert "采集中断" in text
    assert "缺失 7 点" in text
    assert max(x for p in trace_paths(pdf) for x, _ in p.points) <= TRACE_LEFT_MM + 6.2 * 25


def with_off(row: dict[str, NDArray[np.float64]], seconds: float = 10.0, **changes: object) -> ReportContext:
    """A report whose leads `row` hold these samples and are said to be off."""
    drawn = samples(seconds)
    for lead, values in row.items():
        drawn[leads.LEADS.index(lead)] = values
    analysis = Analysis(version="0.1.0", lead_quality=dict.fromkeys(row, "lead_off"))
    return context(samples_uv=drawn, analysis=analysis, **changes)


def hatches(pdf: bytes) -> list[tuple[float, float, float]]:
    """From, to and height of each hatch of an electrode that is off, in millimetres."""
    edges = sorted(
        (round(b[1] + a[1], 2), a[0], b[1] - a[1])
        for a, b in (p.points for p in paths(pdf) if p.colour == OFF and len(p.points) == 2)
        if a[0] == b[0]
    )
    return [(left[1], right[1], left[2]) for left, right in zip(edges[::2], edges[1::2], strict=True)]


def test_lead_that_is_off_is_a_hatch_and_no_line(tmp_path: Path) -> None:
    quiet = 2.0 * np.sin(np.arange(5000))
    pdf = render_report_pdf(with_off({"V3": quiet})).pdf
    cells = [p for p in trace_paths(pdf) if len(p.points) < 2000]
    assert len(cells) == 11
    assert hatches(pdf) == [
        pytest.approx((TRACE_LEFT_MM + 5.05 * 25, TRACE_LEFT_MM + 7.45 * 25, 6), abs=0.01)
    ]
    assert "V3 脱落" in text_of(pdf, tmp_path)
    assert "V3 off" in text_of(render_report_pdf(with_off({"V3": quiet}, language="en")).pdf, tmp_path)


def test_flat_lead_whose_electrode_held_is_a_line() -> None:
    flat = samples()
    flat[leads.LEADS.index("V3")] = 0
    pdf = render_report_pdf(context(samples_uv=flat)).pdf
    assert len(trace_paths(pdf)) == 13
    assert hatches(pdf) == []


def test_lead_that_is_off_for_some_time_keeps_its_trace_and_is_marked(signed: bytes, tmp_path: Path) -> None:
    partly = samples()[leads.LEADS.index("V3")]
    partly[3000:] = 0
    pdf = render_report_pdf(with_off({"V3": partly})).pdf
    assert len(trace_paths(pdf)) == len(trace_paths(signed))
    assert [height for _, _, height in hatches(pdf)] == [pytest.approx(1.5)]
    assert "V3 脱落" in text_of(pdf, tmp_path)
    # Of its ten seconds those that are shown decide.
    partly[2500:] = 0
    assert [height for _, _, height in hatches(render_report_pdf(with_off({"V3": partly})).pdf)] == [
        pytest.approx(6)
    ]


def test_missing_samples_of_a_lead_that_is_off_stay_a_gap(tmp_path: Path) -> None:
    flat = np.zeros(5000)
    flat[3000:3300] = np.nan
    pdf = render_report_pdf(with_off({"V3": flat})).pdf
    spans = [((a - TRACE_LEFT_MM) / 25, (b - TRACE_LEFT_MM) / 25) for a, b, _ in hatches(pdf)]
    assert spans == [pytest.approx((5.05, 5.999), abs=0.001), pytest.approx((6.599, 7.45), abs=0.001)]
    text = text_of(pdf, tmp_path)
    assert "缺 0.6 s" in text
    assert "V3 脱落" in text


def test_rhythm_strip_is_not_a_lead_that_is_off() -> None:
    pdf = render_report_pdf(with_off({"II": np.zeros(5000)})).pdf
    strip = max(trace_paths(pdf), key=lambda p: len(p.points)).points
    drawn = samples()[leads.LEADS.index("V1")]
    assert (PAPER_TOP_MM + BASELINES_MM[3] - np.array(strip)[:, 1]) * 100 == pytest.approx(drawn, abs=0.6)


@pytest.mark.parametrize(
    ("seconds", "name", "gain", "columns"),
    [
        (0.3, "6×2 同步起点", 10, 2),
        (3.0, "6×2 同步起点", 10, 2),
        (4.8, "6×2 同步起点", 10, 2),
        (4.9, "12×1", 5, 1),
        (8.7, "12×1", 5, 1),
    ],
)
def test_strip_too_short_for_columns_shows_every_second_of_every_lead(
    seconds: float, name: str, gain: int, columns: int, tmp_path: Path
) -> None:
    pdf = render_report_pdf(context(samples_uv=samples(seconds), interrupted=True)).pdf
    drawn, n = samples(seconds), int(seconds * RATE)
    lines = trace_paths(pdf)
    assert [len(line.points) for line in lines] == [n] * 12
    rows = layout_for(seconds, "II").baselines_mm
    assert len(rows) * columns == 12
    order = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    for k, (lead, line) in enumerate(zip(order, lines, strict=True)):
        xs, ys = np.array(line.points).T
        left = TRACE_LEFT_MM + k // len(rows) * 125
        assert xs == pytest.approx(left + np.arange(n) * 25 / RATE, abs=0.002)
        zero = PAPER_TOP_MM + rows[k % len(rows)]
        assert (zero - ys) * 1000 / gain == pytest.approx(drawn[leads.LEADS.index(lead)], abs=10 / gain), lead
    pulses = [p.points for p in paths(pdf) if len(p.points) == 6]
    assert [round(points[0][1] - points[2][1], 2) for points in pulses] == [gain] * len(rows)
    text = text_of(pdf, tmp_path)
    assert f"25 mm/s {gain} mm/mV 0.05–150 Hz {name}" in re.sub(r" +", " ", text)
    assert ("▲ 增益 5 mm/mV" in text) == (gain == 5)
    assert text.count(f"记录止于 {seconds:.1f} s") == columns
    assert "连续分列" not in text


def test_strip_that_reaches_every_column_keeps_the_columns(tmp_path: Path) -> None:
    assert "连续分列" in text_of(render_report_pdf(context(samples_uv=samples(8.8))).pdf, tmp_path)


def test_lead_that_is_off_in_a_short_strip_is_a_hatch_to_its_end(tmp_path: Path) -> None:
    pdf = render_report_pdf(with_off({"V3": np.zeros(1500)}, 3.0)).pdf
    assert len(trace_paths(pdf)) == 11
    left = TRACE_LEFT_MM + 125
    assert hatches(pdf) == [pytest.approx((left, left + 75, 6), abs=0.03)]
    assert "V3 脱落" in text_of(pdf, tmp_path)


def test_no_samples_at_all_is_said_in_words(tmp_path: Path) -> None:
    pdf = render_report_pdf(context(samples_uv=np.empty((0, 0)), leads=(), damaged=True)).pdf
    text = text_of(pdf, tmp_path)
    assert "没有可显示的波形" in text
    assert "记录损坏" in text


def test_longer_record_says_that_it_shows_ten_seconds(tmp_path: Path) -> None:
    assert "全长 12.0 s，此页为前 10 s" in text_of(
        render_report_pdf(context(samples_uv=samples(12))).pdf, tmp_path
    )


def test_amplitude_beyond_the_paper_is_marked(tmp_path: Path) -> None:
    high = samples()
    high[leads.LEADS.index("V4"), 4400] = 30_000
    assert "超出纸面" in text_of(render_report_pdf(context(samples_uv=high)).pdf, tmp_path)


def test_missing_glyphs_are_drawn_as_boxes_reported_and_listed(tmp_path: Path) -> None:
    rendered = render_report_pdf(context(patient_name="李\U0003ffff国\x01"))
    assert rendered.missing == ("\U0003ffff", "\x01")
    text = text_of(rendered.pdf, tmp_path)
    assert "U+3FFFF" in text
    assert "U+0001" in text
    boxes = re.findall(r"[\d.]+ [\d.]+ [\d.]+ -?[\d.]+ re S", contents(rendered.pdf)[0])
    plain = re.findall(r"[\d.]+ [\d.]+ [\d.]+ -?[\d.]+ re S", contents(render_report_pdf(context()).pdf)[0])
    assert len(boxes) == len(plain) + 2


def test_rare_names_are_set_where_the_font_has_them(tmp_path: Path) -> None:
    rendered = render_report_pdf(context(patient_name="龘䶮堃"))
    assert rendered.missing == ()
    assert "龘䶮堃" in text_of(rendered.pdf, tmp_path)


def test_confirmed_and_unconfirmed_are_said(signed: bytes, tmp_path: Path) -> None:
    text = text_of(signed, tmp_path)
    assert "已签发 · 医师已确认" in text
    assert "未经医师确认" not in text
    assert "王淑芬" in text
    preliminary = context(
        signed_by=None,
        signed_ns=None,
        analysis=Analysis(version="0.1.0", statements=(MachineStatement(code="heart_rate_high"),)),
    )
    text = text_of(render_report_pdf(preliminary).pdf, tmp_path)
    assert "初步报告 · 未经医师确认" in text
    assert "机器提示" in text
    assert "已签发" not in text
    assert "王淑芬" not in text


def test_who_when_scale_and_words_are_on_the_page(signed: bytes, tmp_path: Path) -> None:
    text = text_of(signed, tmp_path)
    for word in (
        "清河县人民医院", "心电图报告", "李建国", "男", "65岁", "**** 1234", "P000123", "e3f1a2b3c4d5e6f7",
        "河西村卫生室", "2026-05-03 14:00:00", "2026-05-03 14:05", "胸痛", "高血压", "2 小时前开始",
        "25 mm/s", "10 mm/mV", "0.05–150 Hz", "连续分列", "可用于诊断", "窦性心律，PR 间期正常。",
        "ST 段抬高，请立即转诊", "启动胸痛流程", "结论分类：异常", "风险分级：危急",
        "160*", "机器原值 PR 间期 150", "仅供临床参考",
    ):  # fmt: skip
        assert word in text, word
    assert "第1页/共1页" in text.replace(" ", "")
    assert text.count("\f") == 1


def test_the_main_numbers_are_printed_and_the_others_are_counted(tmp_path: Path) -> None:
    measured = {row.id: 1.0 for row in MEASUREMENTS} | {"later_ms": 3.5, "qtc_wide_ms": None}
    rows = tuple(ReportMeasurement(id=id_, value=value) for id_, value in measured.items())
    report = context().report.model_copy(update={"measurements": rows})
    text = text_of(render_report_pdf(context(report=report)).pdf, tmp_path)
    for name in ("心率", "QTcB", "QRS 轴", "RV5+SV1"):
        assert name in text, name
    for name in ("later_ms", "QTcH", "最短 RR", "Sokolow", "宽 QRS"):
        assert name not in text, name
    # 28 in all: 14 are printed, and the flag is said in words.
    assert "另有 13 项未印" in text
    assert "心率不稳，QTc 参考" in text
    assert text.count("\f") == 1


def test_a_number_that_was_changed_is_printed_whoever_knows_it(tmp_path: Path) -> None:
    rows = (
        ReportMeasurement(id="pr_ms", value=160),
        ReportMeasurement(id="qtch_ms", value=431, edited_from=400),
        ReportMeasurement(id="later_ms", value=3.25, edited_from=2),
        ReportMeasurement(id="qtc_wide_ms", value=444),
    )
    report = context().report.model_copy(update={"measurements": rows})
    text = text_of(render_report_pdf(context(report=report)).pdf, tmp_path)
    for words in ("QTcH", "431*", "later_ms", "3.25*", "444", "later_ms 2.00"):
        assert words in text, words
    assert "未印" not in text
    assert "心率不稳" not in text


def test_a_loose_lead_is_said_beside_its_name(tmp_path: Path) -> None:
    loose = Analysis(version="0.1.0", lead_quality={"V3": "loose", "V4": "later_word"})
    assert "接触不良" in text_of(render_report_pdf(context(analysis=loose)).pdf, tmp_path)


def test_narrow_filter_and_unknown_band_are_stated(tmp_path: Path) -> None:
    narrow = render_report_pdf(context(highpass_hz=0.5, lowpass_hz=40, notch_hz=50)).pdf
    text = text_of(narrow, tmp_path)
    assert "▲ 40 Hz：影响 ST/QRS 判读" in text
    assert "▲ 低频 0.5 Hz：不判 ST" in text
    assert "陷波 50 Hz" in text
    unknown = render_report_pdf(context(highpass_hz=None, lowpass_hz=None, analysis=None)).pdf
    text = text_of(unknown, tmp_path)
    assert "频带未说明" in text
    assert "未评定" in text


def test_long_text_goes_on_whole_on_further_pages(tmp_path: Path) -> None:
    lines = tuple(Statement(text=f"第 {n} 条：心房颤动伴快速心室率") for n in range(40))
    report = Report(findings="很长的所见。" * 600, impression=lines, advice="转诊" * 900 + "完")
    text = text_of(render_report_pdf(context(report=report)).pdf, tmp_path)
    assert "全文见第 2 页" in text
    assert text.count("\f") >= 3
    flat = re.sub(r"\s", "", text)
    assert flat.count("很长的所见。") >= 600
    assert all(re.sub(r"\s", "", line.text) in flat for line in lines)
    assert "转诊完" in flat


def test_english_switch(tmp_path: Path) -> None:
    text = text_of(render_report_pdf(context(language="en")).pdf, tmp_path)
    assert "ECG REPORT" in text
    assert "SIGNED · CONFIRMED BY A PHYSICIAN" in text
    assert "Chest pain" in text


def test_same_context_same_bytes(signed: bytes) -> None:
    assert render_report_pdf(context()).pdf == signed
    assert set(re.findall(rb"\d{4}-\d\d-\d\dT[\d:+]+", signed)) == {b"2026-05-03T14:05:00+08:00"}


@pytest.fixture
def own_font(tmp_path: Path) -> Path:
    """The font in a file of this test's own: no sheet of it has been made yet."""
    found = find_font()
    return Path(shutil.copy(found.path, tmp_path / found.path.name))


def wait_for_spare(font_file: Path) -> None:
    for thread in threading.enumerate():
        if thread.name == f"blank sheet {font_file}":
            thread.join(20)


def test_sheets_made_ahead_change_nothing_and_carry_nothing_over(signed: bytes, own_font: Path) -> None:
    other = context(font_file=own_font, patient_name="龘\U0003ffff", language="en", made_ns=0)
    alone = render_report_pdf(other)  # nothing made ahead
    mine = context(font_file=own_font)
    assert render_report_pdf(mine).pdf == signed  # while it is being made
    wait_for_spare(own_font)
    assert render_report_pdf(other) == alone  # when it is ready
    assert render_report_pdf(mine).missing == ()


def test_the_font_is_read_before_anyone_asks(
    signed: bytes, own_font: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(font: Font) -> Sheet:
        assert font.path != own_font, "the font is read while somebody waits"
        return Sheet(font)  # ahead, for a font that an earlier test used

    blank.prepare(find_font(own_font))
    wait_for_spare(own_font)
    monkeypatch.setattr(blank, "LULL_S", 3600)
    monkeypatch.setattr(blank, "Sheet", refuse)
    assert render_report_pdf(context(font_file=own_font)).pdf == signed


def test_sheet_of_a_font_that_has_changed_is_not_used(
    own_font: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Sheet] = []

    def make(font: Font) -> Sheet:
        sheet = Sheet(font)
        if font.path == own_font:
            made.append(sheet)
        return sheet

    monkeypatch.setattr(blank, "Sheet", make)
    font = find_font(own_font)
    blank.prepare(font)
    wait_for_spare(own_font)
    os.utime(own_font, ns=(1, 1))
    monkeypatch.setattr(blank, "LULL_S", 3600)
    with blank.sheet(font) as sheet:
        assert len(made) == 2
        assert sheet is made[1]


def test_font_that_is_gone_fails_the_report_and_not_the_thread(own_font: Path) -> None:
    font = find_font(own_font)
    own_font.unlink()
    blank.prepare(font)
    wait_for_spare(own_font)
    with pytest.raises(FileNotFoundError), blank.sheet(font):
        pass


def test_reports_at_the_same_time_are_the_same_reports(signed: bytes) -> None:
    warm_up()
    with ThreadPoolExecutor(3) as pool:
        assert {r.pdf for r in pool.map(render_report_pdf, [context()] * 3)} == {signed}


def test_vector_only_and_font_embedded_as_a_subset(signed: bytes, tmp_path: Path) -> None:
    assert b"/Subtype /Image" not in signed
    assert b"/Subtype/Image" not in signed
    assert len(signed) < 200_000
    program = shutil.which("pdffonts")
    if program is None:
        pytest.skip("pdffonts (poppler-utils) is not installed")
    file = tmp_path / "report.pdf"
    file.write_bytes(signed)
    listed = subprocess.run([program, str(file)], capture_output=True, check=True, text=True).stdout
    fonts = listed.splitlines()[2:]
    assert len(fonts) == 1
    assert re.search(r"yes\s+yes\s+yes", fonts[0]), listed


def test_a_painted_page_has_the_pulse_where_the_millimetres_say(signed: bytes, tmp_path: Path) -> None:
    program = shutil.which("pdftoppm")
    if program is None:
        pytest.skip("pdftoppm (poppler-utils) is not installed")
    file = tmp_path / "report.pdf"
    file.write_bytes(signed)
    dots_per_mm = 10
    done = subprocess.run([program, "-r", "254", "-gray", str(file)], capture_output=True, check=True).stdout
    kind, size, _, pixels = done.split(b"\n", 3)
    assert kind == b"P5"
    width, height = map(int, size.split())
    assert (width, height) == pytest.approx((2970, 2100), abs=1)
    page = np.frombuffer(pixels, np.uint8).reshape(height, width)
    top = round((PAPER_TOP_MM + BASELINES_MM[0] - 10) * dots_per_mm)
    dark = np.flatnonzero(page[top - 1 : top + 1, : round(TRACE_LEFT_MM * dots_per_mm)].min(axis=0) < 80)
    assert dark[0] / dots_per_mm == pytest.approx(LEFT_MM + 5, abs=0.2)
    assert (dark[-1] - dark[0]) / dots_per_mm == pytest.approx(5, abs=0.3)


def test_every_report_field_is_printed_or_the_reason_is_written() -> None:
    assert {row.name for row in FIELDS} == set(REPORT_FIELDS) | set(NOT_SENT)
    assert not set(REPORT_FIELDS) & set(NOT_SENT)


def test_no_font_is_said_with_the_places(tmp_path: Path) -> None:
    with pytest.raises(FontMissing, match=r"nowhere\.ttf"):
        find_font(tmp_path / "nowhere.ttf")


@pytest.mark.parametrize(
    ("born", "on", "expected"),
    [
        ("2026-05-01", "2026-05-03", "2天"),
        ("2026-03-04", "2026-05-03", "1月"),
        ("2024-06-01", "2026-05-03", "23月"),
        ("2024-05-03", "2026-05-03", "2岁"),
        ("2027-01-01", "2026-05-03", "不详"),
        ("2026-02-30", "2026-05-03", "不详"),
        (None, "2026-05-03", "不详"),
    ],
)
def test_age(born: str | None, on: str, expected: str) -> None:
    date = local_time(1_777_788_000_000_000_000, 480).date().fromisoformat(on)
    assert Words("zh-CN").age(born, None, date) == expected


def test_times_no_calendar_holds_do_not_stop_a_report() -> None:
    assert local_time(2**63 - 1, 480).year == 2262
    assert local_time(-(2**70), 480).year == 1970


@pytest.fixture(scope="module")
def sheet() -> Iterator[Sheet]:
    with closing(Sheet(find_font())) as made:
        yield made


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120), st.floats(8, 120))
def test_wrapping_keeps_every_character(sheet: Sheet, text: str, width: float) -> None:
    lines = sheet.wrap(text, 9, width)
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", text)
    for line in lines:
        # A stop may hang over the edge, one character may be wider than the column.
        assert sheet.width_of(line, 9) <= width + 4 * 9 / POINTS_PER_MM or len(line) == 1


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    text=st.text(st.characters(), max_size=60),
    seconds=st.floats(0, 11),
    holes=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 5000), st.integers(1, 900)), max_size=8),
    value=st.sampled_from([0.0, np.inf, -np.inf, 1e300, -3e7]),
)
def test_whatever_is_in_it_makes_a_report(
    text: str, seconds: float, holes: list[tuple[int, int, int]], value: float
) -> None:
    drawn = samples(seconds)
    for lead, start, length in holes:
        drawn[lead, start : start + length] = np.nan
    if drawn.shape[1]:
        drawn[:, drawn.shape[1] // 2] = value
    rendered = render_report_pdf(
        context(
            samples_uv=drawn,
            patient_name=text,
            hospital_name=text,
            complaint=Complaint(note=text),
            report=Report(findings=text, impression=(Statement(text=text or "-"),), advice=text),
        )
    )
    assert rendered.pdf.startswith(b"%PDF-")
    assert b"nan" not in contents(rendered.pdf)[0].encode()
