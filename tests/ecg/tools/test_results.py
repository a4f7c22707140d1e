"""The files that others judge."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import foreign, record
from ecg.delineate import Waves
from ecg.leads import LEADS
from ecg.simulate import simulate
from ecg.tools import annotate, results, scoring


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> annotate.Annotated:
    folder = tmp_path_factory.mktemp("record")
    heart = simulate("pvc", 10.0, 500.0, seed=2)
    rows = heart.samples[[LEADS.index("II"), LEADS.index("V1")]]
    counts = np.rint(rows).astype(np.int32)
    record.write(record.Recording("two", 500.0, ("ECG 1", "ecg-1"), counts, (1.0, 1.0), 0), folder)
    return annotate.annotate(foreign.look(folder / "two.hea"))


def _waves(**points: list[float]) -> Waves:
    n = max(len(values) for values in points.values())
    empty = dict.fromkeys(Waves._fields, np.full(n, np.nan))
    return Waves(**empty | {name: np.array(values, dtype=float) for name, values in points.items()})


def test_files_come_whole_and_read_back(found: annotate.Annotated, tmp_path: Path) -> None:
    paths = results.write(found, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in paths)
    assert {p.name for p in paths} == {"two.mtb", "two.mtg", "two.mt_ecg_1", "two.mt_ecg_1_2", "two.json"}
    beats = record.read_annotations(tmp_path, "two", "mtb")
    own = [(s, k) for s, k in zip(beats.samples.tolist(), beats.symbols, strict=True) if k != "+"]
    assert own == list(zip(found.r_peaks.tolist(), found.classes, strict=True))
    told = json.loads((tmp_path / "two.json").read_text("utf-8"))
    assert told["files"]["mt_ecg_1_2"] == found.of.leads[1]
    assert told["beats"]["decided_by"] == ["ECG 1"]
    lead = record.read_annotations(tmp_path, "two", "mt_ecg_1")
    assert scoring.points_of(lead)["qrs_peak"].size == told["waves"]["ECG 1"]["qrs"]


def test_nothing_is_left_when_writing_fails(
    found: annotate.Annotated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing a record holds makes writing fail half way, so a number that JSON refuses is put in.
    monkeypatch.setattr(results, "summary", lambda _: {"bad": float("nan")})
    with pytest.raises(ValueError):
        results.write(found, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_annotation_file_is_read_as_empty(tmp_path: Path) -> None:
    flat = np.zeros((1, 3000), dtype=np.int32)
    record.write(record.Recording("flat", 500.0, ("II",), flat, (1.0,), 0), tmp_path)
    nothing = annotate.annotate(foreign.look(tmp_path / "flat.hea"))
    results.write(nothing, tmp_path)
    for extension in ("mtb", "mtg", "mt_ii"):
        assert record.read_annotations(tmp_path, "flat", extension).samples.size == 0


def test_a_wave_is_written_as_far_as_it_is_known_and_brackets_never_cross() -> None:
    waves = _waves(
        p_on=[90, np.nan], p_peak=[110, 470], p_off=[130, 490], qrs_peak=[200, 560], qrs_off=[230, np.nan],
        t_on=[300, np.nan], t_peak=[380, np.nan], t_off=[500, 900],
    )  # fmt: skip
    marks = results.wave_marks(waves)
    text = list(zip(marks.samples.tolist(), marks.symbols, strict=True))
    assert text == [
        (90, "("), (110, "p"), (130, ")"), (200, "N"), (230, ")"), (300, "("), (380, "t"), (470, ")"),
        (470, "p"), (490, ")"), (560, "N"),
    ]  # fmt: skip
    crossing = results.wave_marks(
        _waves(p_on=[460], p_peak=[480], t_peak=[400], t_off=[470], qrs_peak=[np.nan])
    )
    assert crossing.samples.tolist() == [400, 465, 465, 480]


@given(
    st.lists(st.lists(st.floats(0, 5000) | st.just(float("nan")), min_size=9, max_size=9), max_size=6).map(
        lambda rows: np.array(rows, dtype=float).reshape(-1, 9).T
    )
)
@settings(max_examples=100, deadline=None)
def test_any_boundaries_make_marks_in_time_order_with_each_peak_in_its_brackets(points: np.ndarray) -> None:
    marks = results.wave_marks(Waves(*points))
    assert (np.diff(marks.samples) >= 0).all()
    named = scoring.points_of(marks)
    peaks = sum(int(np.isfinite(points[k]).sum()) for k in (1, 4, 7))
    assert sum(1 for s in marks.symbols if s in "pNt") == peaks
    assert set(marks.symbols) <= set("(pNt)")
    assert all(at.size <= peaks for at in named.values())


def test_every_lead_has_an_extension_of_its_own() -> None:
    leads = ("aVR", "MLII", "V5", "ECG lead no. 1 of 2", "ECG lead no. 1 of 3", "é", "II", "ii")
    got = results.extensions(leads)
    assert got["aVR"] == "mt_avr"
    assert got["MLII"] == "mt_mlii"
    assert len(set(got.values())) == len(leads)


def test_of_several_strips_the_medians_and_the_most_pressing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heart = simulate("sinus", 16.0, 500.0, seed=2)
    counts = np.rint(heart.samples).astype(np.int32)
    record.write(record.Recording("two", 500.0, LEADS, counts, (1.0,) * 12, 0), tmp_path)
    # Two strips out of sixteen seconds instead of out of a minute.
    monkeypatch.setattr(annotate, "STRIP_S", 8.0)
    told = results.summary(annotate.annotate(foreign.look(tmp_path / "two.hea")))
    assert [(s["start"], s["end"]) for s in told["strips"]] == [(0, 4000), (4000, 8000)]
    rates = [s["measurements"]["heart_rate"] for s in told["strips"]]
    assert told["measurements"]["heart_rate"] == np.median(rates)
    assert told["quality"]["verdict"] == "diagnostic"
    json.dumps(told, allow_nan=False)
