"""Records beside references whose truth is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecg import foreign, record
from ecg.leads import LEADS
from ecg.record import Annotations
from ecg.simulate import Simulated, simulate
from ecg.tools import annotate, charts, document, figures, tables, typeset, validate
from ecg.tools.scoring import BeatScore, Counter, PointScore

RATE_HZ = 500.0
LABELS = ("Age: 50", "Sex: Male", "Dx: 426783006")


def _write(folder: Path, name: str, heart: Simulated, comments: tuple[str, ...] = LABELS) -> foreign.Foreign:
    counts = np.rint(heart.samples).astype(np.int32)
    record.write(record.Recording(name, RATE_HZ, LEADS, counts, (1.0,) * 12, 0, comments), folder)
    return foreign.look(folder / f"{name}.hea")


def _marks(rows: list[tuple[float, str]]) -> Annotations:
    rows = sorted((round(at), symbol) for at, symbol in rows if np.isfinite(at))
    return Annotations(np.array([at for at, _ in rows], dtype=np.int64), tuple(s for _, s in rows))


def _truth(heart: Simulated, widen: int = 0) -> Annotations:
    """The true boundaries, as LUDB writes them, `widen` samples wider on either side."""
    rows: list[tuple[float, str]] = []
    for k, r in enumerate(heart.r_peaks.tolist()):
        at = {name: float(values[k]) for name, values in heart.boundaries.items()}
        rows += [(at["qrs_on"] - widen, "("), (r, "N"), (at["qrs_off"] + widen, ")")]
        if np.isfinite(at["p_on"]):
            rows += [
                (at["p_on"] - widen, "("),
                ((at["p_on"] + at["p_off"]) / 2, "p"),
                (at["p_off"] + widen, ")"),
            ]
        rows += [(at["t_off"] - 40, "t"), (at["t_off"] + widen, ")")]
    return _marks(rows)


def _rename(folder: Path, name: str, extension: str, marks: Annotations) -> None:
    record.write_annotations(folder, name, "part", marks, RATE_HZ).replace(folder / f"{name}.{extension}")


@pytest.fixture(scope="module")
def delineated(tmp_path_factory: pytest.TempPathFactory) -> tuple[foreign.Foreign, Simulated]:
    """Ten seconds whose every lead is marked, one of them 20 ms too wide."""
    folder = tmp_path_factory.mktemp("set")
    heart = simulate("sinus", 10.0, RATE_HZ, seed=4)
    of = _write(folder, "one", heart)
    for lead in LEADS:
        _rename(folder, "one", lead.lower(), _truth(heart, 10 if lead == "I" else 0))
    _rename(folder, "one", "q1c", _truth(heart))
    return of, heart


def test_true_boundaries_are_nearly_met_by_lead_together_and_in_intervals(
    delineated: tuple[foreign.Foreign, Simulated],
) -> None:
    of, heart = delineated
    one = validate.examine(of)
    assert one.beats is not None
    assert (one.beats.missed, one.beats.false) == (0, 0)
    # One lead marked 20 ms too wide does not move the reference of the twelve.
    for name in ("qrs_on", "qrs_off"):
        assert abs(one.together[name].errors_ms.mean()) < 15
        assert abs(one.points["II", name].errors_ms.mean()) < 20
        spread = one.points["I", name].errors_ms.mean() - one.points["II", name].errors_ms.mean()
        assert abs(spread) > 12
    assert set(one.intervals) >= {"pr_ms", "qrs_ms", "qt_ms"}
    assert all(abs(value) < 40 for value in one.intervals.values())
    marked = one.either["qrs_on"]
    assert marked.true + marked.missed == heart.r_peaks.size
    assert marked.missed <= 1  # the last beat ends with the strip
    assert one.either["qrs_on"].false == 0
    assert one.labels is not None
    assert one.labels.vocabulary == "snomed"


def test_p_waves_are_invented_only_where_readers_marked_none(tmp_path: Path) -> None:
    heart = simulate("sinus", 10.0, RATE_HZ, seed=4)
    of = _write(tmp_path, "af", heart, ("Dx: 164889003",))
    without = _truth(heart)
    keep = [k for k, s in enumerate(without.symbols) if s in "Nt"]
    bare = Annotations(without.samples[keep], tuple(without.symbols[k] for k in keep))
    for lead in LEADS:
        _rename(tmp_path, "af", lead.lower(), bare)
    invented = validate.examine(of).invented_p
    assert invented is not None
    assert invented[1] == heart.r_peaks.size
    assert invented[0] >= heart.r_peaks.size - 2  # this heart does have P waves, whatever its label says
    _rename(tmp_path, "af", "ii", _truth(heart))
    assert validate.examine(of).invented_p is None


def test_seconds_of_fibrillation_count_once(tmp_path: Path) -> None:
    heart = simulate("sinus", 10.0, RATE_HZ, seed=4)
    of = _write(tmp_path, "af", heart, ())
    notes = Annotations(np.array([500, 600, 2500]), ("+", "N", "+"), ("(N", "", "(AFIB"))
    record.write_annotations(tmp_path, "af", "atr", notes, RATE_HZ)
    found = replace(annotate.annotate(of), rhythm=((0, "(N"), (2000, "(AFL"), (4000, "(N")))
    seconds = validate.fibrillating(notes, found)
    assert seconds == pytest.approx(
        {(False, False): 3.0, (True, False): 1.0, (True, True): 3.0, (False, True): 2.0}
    )
    assert sum(validate.examine(of).fibrillating.values()) == pytest.approx(9.0)


def test_a_record_without_reference_is_not_examined(tmp_path: Path) -> None:
    of = _write(tmp_path, "none", simulate("sinus", 4.0, RATE_HZ), ())
    assert not validate.has_reference(of)
    _rename(tmp_path, "none", "v4", _marks([(5, "N")]))
    assert validate.has_reference(of)


def _examined() -> dict[str, list[validate.Examined]]:
    beats = BeatScore(Counter({("N", "N"): 98, ("V", "V"): 1, ("N", "-"): 1, ("-", "N"): 2}), np.zeros(99))
    paced = BeatScore(Counter({("Q", "Q"): 50, ("N", "-"): 50}), np.full(50, 20.0))
    point = PointScore(9, 1, 2, np.array([-4.0, 4.0, 10.0]))
    sinus = validate.labels.Labels("snomed", frozenset({"sinus_bradycardia"}))
    deadly = validate.labels.Labels("snomed", frozenset({"ventricular_tachycardia", "atrial_fibrillation"}))
    undecided = validate.labels.Labels("snomed", frozenset({"av_block_3", "paced_rhythm"}))
    return {
        "first": [
            validate.Examined("a", 1800.0, beats=beats, later=beats, labels=sinus, level=0, said=frozenset()),
            validate.Examined("b", 1800.0, beats=paced, paced=True, labels=deadly, level=0,
                              said=frozenset({"atrial_fibrillation", "sinus_bradycardia"})),
            validate.Examined("c", 10.0, labels=deadly, level=1),
            validate.Examined("e", 10.0, labels=undecided, level=0),
        ],
        "second": [
            validate.Examined(
                "d", 10.0, points={("II", "p_on"): point, ("V1", "p_on"): point}, together={"qrs_on": point},
                either={"t_off": point}, invented_p=(3, 40), intervals={"qt_ms": 31.0},
            )
        ],
    }  # fmt: skip


def test_figures_add_up() -> None:
    summed = figures.figures(_examined(), {"first/x": "gone"}, [])
    first, second = summed["sets"]["first"], summed["sets"]["second"]
    assert first["beats"]["gross"]["se_percent"] == pytest.approx(100 * 149 / 200)
    assert first["beats"]["average"]["se_percent"] == pytest.approx((99 + 50) / 2)
    assert first["beats"]["average"]["worst_se_percent"] == 50.0
    assert first["beats"]["classes"]["V"]["se_percent"] == 100.0
    assert first["beats"]["classes"]["records"] == 1
    assert first["statements"]["sinus_bradycardia"]["sensitivity"]["part"] == 0
    assert first["statements"]["sinus_bradycardia"]["specificity"]["percent"] == pytest.approx(66.67)
    assert summed["af"]["missed"] == ["c"]
    assert summed["triage"]["missed"] == ["c"]
    assert summed["triage"]["false"] == ["a"]
    assert summed["triage"]["undecided"] == ["e"]
    assert summed["triage"]["levels"]["critical"] == {"0": 1, "1": 1, "2": 0, "3": 0, "none": 0}
    assert second["boundaries"]["all"]["p_on"]["reference"] == 20
    assert second["boundaries"]["II"]["p_on"]["mean"] == pytest.approx(3.33)
    assert second["together"]["qrs_on"]["worst"] == 10.0
    assert second["invented_p"]["share"]["percent"] == 7.5
    assert second["intervals"]["qt_ms"]["mean"] == 31.0


def test_every_figure_reaches_tables_document_and_picture() -> None:
    summed = figures.figures(_examined(), {"first/x": "gone | away"}, [])
    titles = [table.title for table in tables.tables(summed)]
    assert titles[:2] == ["Records", "Records that could not be read"]
    assert all(len(row) == len(t.columns) for t in tables.tables(summed) for row in t.rows)
    text = typeset.text(tables.tables(summed))
    told = document.document(summed)
    for words in (
        "first: beats",
        "second: intervals",
        "Atrial fibrillation against everything else",
        "74.500",
    ):
        assert words in text
        assert words in told
    assert "gone \\| away" in told
    assert summed["version"] in told
    assert "development" in told
    assert told.replace("\n", " ").count("training figures") == 2
    held = _examined()
    held["second"] = [replace(one, held_out=frozenset({"waves"})) for one in held["second"]]
    summed = figures.figures(held, {}, [])
    again = document.document(summed, "pictures/v.svg", "--wave-folds folds").replace("\n", " ")
    assert "reads 1 of 5 records" in again
    assert again.count("training figures") == 1
    assert "validate --wave-folds folds --report" in again
    assert "](pictures/v.svg)" in again
    drawing = charts.picture(summed)
    assert drawing.count("<circle") >= 5
    assert "nan" not in drawing


def test_the_simulated_heart_stays_apart() -> None:
    strips = list(validate.rehearse([1], names=["sinus", "asystole"]))
    assert [(one.scenario, one.must) for one in strips] == [("sinus", 3), ("asystole", 0)]
    summed = figures.figures({}, {}, strips)
    assert summed["simulated"]["strips"] == 2
    assert summed["triage"]["false_alarms"]["whole"] == 0
    assert [t.title for t in tables.tables(summed)][-2:] == [
        "Simulated heart: alarms",
        "Simulated heart: scenarios",
    ]
