"""What stands on the paper, and where."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from ecg import foreign, record
from ecg.leads import LEADS
from ecg.simulate import simulate
from ecg.tools import annotate, plot

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> annotate.Annotated:
    folder = tmp_path_factory.mktemp("record")
    heart = simulate("pvc", 10.0, 500.0, seed=2)
    counts = np.rint(heart.samples).astype(np.int32)
    counts[7, 2000:2500] = record.MISSING
    record.write(record.Recording("a", 500.0, LEADS, counts, (1.0,) * 12, 0), folder)
    return annotate.annotate(foreign.look(folder / "a.hea"))


def _lines(root: ET.Element) -> list[np.ndarray]:
    """Each trace as (n, 2) mm."""
    return [
        np.array([pair.split(",") for pair in line.attrib["points"].split()], dtype=float)
        for line in root.iter(f"{SVG}polyline")
    ]


def test_the_paper_is_true(found: annotate.Annotated) -> None:
    root = ET.fromstring(plot.draw(found))
    lines = _lines(root)
    assert len(lines) == 13  # V2 in two pieces
    assert np.ptp(lines[0][:, 0]) == pytest.approx(250.0, abs=0.1)
    samples = foreign.samples(found.of)[1] / 1000
    assert np.ptp(lines[1][:, 1]) == pytest.approx(10 * np.ptp(samples), rel=0.05)
    width = float(root.attrib["width"].removesuffix("mm"))
    assert root.attrib["viewBox"].split()[2] == f"{width:.1f}"
    labels = [t.text for t in root.iter(f"{SVG}text")]
    assert [lead for lead in LEADS if lead in labels] == list(LEADS)


def test_marks_stand_where_the_boundaries_are(found: annotate.Annotated) -> None:
    root = ET.fromstring(plot.draw(found))
    line = _lines(root)[1]
    start = line[0, 0]
    beats = [t for text in root.iter(f"{SVG}text") for t in text.iter(f"{SVG}tspan")]
    xs = sorted(float(t.attrib["x"]) for t in beats if t.text == "N" and t.attrib["y"] == "18.6")
    normal = [r for r, k in zip(found.r_peaks.tolist(), found.classes, strict=True) if k == "N"]
    assert xs == pytest.approx([start + r / 500 * 25 - 0.9 for r in normal], abs=0.02)
    paths = "".join(p.attrib["d"] for p in root.iter(f"{SVG}path"))
    on = found.per_lead["II"].qrs_on
    for at in on[np.isfinite(on)].tolist():
        assert re.search(rf"M{start + at / 500 * 25 + 1:.2f} ", paths)


def test_three_by_four_has_a_rhythm_strip_below(found: annotate.Annotated) -> None:
    root = ET.fromstring(plot.draw(found, layout="3x4"))
    lines = _lines(root)
    assert len(lines) == 13
    assert [round(float(np.ptp(line[:, 0])), 0) for line in lines] == [62.0] * 12 + [250.0]
    assert lines[-1][:, 1].mean() > max(line[:, 1].mean() for line in lines[:-1])


def test_a_stretch_of_a_long_record_and_an_odd_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heart = simulate("sinus", 60.0, 250.0, seed=2)
    counts = np.rint(heart.samples[1:2]).astype(np.int32)
    record.write(record.Recording("long", 250.0, ("<ECG>&1",), counts, (1.0,), 0), tmp_path)
    of = foreign.look(tmp_path / "long.hea")
    # A minute is then a long record.
    monkeypatch.setattr(plot, "CHUNK_S", 30.0)
    root = ET.fromstring(plot.drawing(of, 40.0, 5.0, "3x4"))
    (line,) = _lines(root)
    assert np.ptp(line[:, 0]) == pytest.approx(125.0, abs=0.2)
    marks = [t for text in root.iter(f"{SVG}text") for t in text.iter(f"{SVG}tspan") if t.text == "N"]
    inside = ((heart.r_peaks >= 10000) & (heart.r_peaks < 11250)).sum()
    assert len({t.attrib["x"] for t in marks}) >= inside
    for start, seconds in ((60.0, 5.0), (-1.0, 5.0), (0.0, 0.0), (float("nan"), 5.0)):
        with pytest.raises(record.RecordMismatchError, match="nothing to draw"):
            plot.drawing(of, start, seconds, "12x1")
