"""The commands, as they are typed."""

import json
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from ecg import record
from ecg.__main__ import main
from ecg.leads import BOX_LEADS, LEADS
from ecg.simulate import simulate


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of one record, annotated."""
    folder = tmp_path_factory.mktemp("set")
    heart = simulate("pvc", 20.0, 500.0, seed=1)
    counts = np.rint(heart.samples[[LEADS.index(name) for name in BOX_LEADS]]).astype(np.int32)
    comments = ("Age: 61", "Sex: Female", "Dx: 427172004")
    record.write(record.Recording("sim1", 500.0, BOX_LEADS, counts, (1.0,) * 8, 0, comments), folder)
    record.write_annotations(folder, "sim1", "atr", record.Annotations(heart.r_peaks, heart.symbols), 500.0)
    return folder


def test_annotate_writes_what_an_outside_scorer_reads(made: Path, tmp_path: Path) -> None:
    assert main(["annotate", str(made / "sim1"), "--out", str(tmp_path / "deep" / "out")]) == 0
    out = tmp_path / "deep" / "out"
    with record.wfdb_library() as wfdb:
        beats = wfdb.rdann(str(out / "sim1"), "mtb")
        lead = wfdb.rdann(str(out / "sim1"), "mt_ii")
    reference = record.read_annotations(made, "sim1", "atr").samples
    own = beats.sample[[s != "+" for s in beats.symbol]]
    assert len(own) == len(reference)
    assert np.abs(own - reference).max() <= 10
    assert {"(", "N", ")", "t"} <= set(lead.symbol)
    assert sorted(p.suffix for p in out.iterdir()) == sorted(
        [".json", ".mtb", ".mtg", *(f".mt_{name.lower()}" for name in LEADS)]
    )
    told = json.loads((out / "sim1.json").read_text("utf-8"))
    assert told["person"] == {"sex": "female", "age_years": 61.0}
    assert told["quality"]["verdict"] == "diagnostic"
    assert told["beats"]["count"] == len(reference)
    assert told["measurements"]["heart_rate"] == pytest.approx(60 * 500 / np.diff(reference).mean(), abs=1)


def test_annotate_goes_on_after_a_broken_record_and_says_so(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.hea").write_text("bad 1 500 10\nbad.dat 16 1000/mV 16 0 0 0 0 II\n")
    out = tmp_path / "out"
    arguments = [str(tmp_path / "bad.hea"), str(made / "sim1"), "--out", str(out), "--sex", "male"]
    assert main(["annotate", *arguments]) == 1
    said = capsys.readouterr().err
    assert "bad: signal file bad.dat is missing" in said
    assert "1 records annotated" in said
    assert json.loads((out / "sim1.json").read_text("utf-8"))["person"]["sex"] == "male"
    assert not [p for p in out.iterdir() if p.stem != "sim1"]
    assert main(["annotate", str(made), str(made), "--out", str(tmp_path / "twice")]) == 1
    assert "already written" in capsys.readouterr().err
    assert main(["annotate", str(tmp_path / "nothing"), "--out", str(out)]) == 1


def test_plot_draws_a_record_or_says_why_not(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "paper" / "sim1.svg"
    assert main(["plot", str(made / "sim1.hea"), "--out", str(target), "--lead-layout", "3x4"]) == 0
    assert ET.parse(target).getroot().tag.endswith("svg")
    assert main(["plot", str(made / "sim1.hea"), "--out", str(tmp_path / "sim1.png")]) == 1
    assert "only .svg" in capsys.readouterr().err
    assert main(["plot", str(made / "sim1"), "--out", str(target), "--start", "900"]) == 1
    assert "nothing to draw" in capsys.readouterr().err


def test_validate_prints_tables_and_writes_the_same_bytes_twice(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(made), "--seeds", "0"]) == 0
    assert "gross" in capsys.readouterr().out
    names = {"json": "v.json", "text": "v.txt", "picture": "v.svg", "report": "v.md"}
    for folder in ("one", "two"):
        files = [x for key, name in names.items() for x in (f"--{key}", str(tmp_path / folder / name))]
        assert main(["validate", str(made), "--seeds", "0", *files]) == 0
    for name in names.values():
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    told = json.loads((tmp_path / "one" / "v.json").read_text("utf-8"))
    (only,) = told["sets"].values()
    assert only["beats"]["gross"]["se_percent"] == only["beats"]["gross"]["ppv_percent"] == 100.0
    assert capsys.readouterr().out == ""


def test_validate_reads_archives_and_names_what_it_cannot_read(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archives = tmp_path / "archives"
    archives.mkdir()
    with tarfile.open(archives / "sim1.tar.xz", "w:xz") as tar:
        for path in made.glob("sim1.*"):
            tar.add(path, arcname=path.name)
    (archives / "broken.tar.xz").write_bytes(b"no archive")
    (tmp_path / "notes").mkdir()
    assert main(["validate", str(tmp_path), "--seeds", "0"]) == 1
    printed = capsys.readouterr()
    assert "broken.tar.xz cannot be unpacked" in printed.err
    assert "could not be read" in printed.out
    assert "archives: beats" in printed.out


@pytest.mark.parametrize(
    "module", ["leads", "filters", "beats", "quality", "simulate", "record", "rules.triage", "delineate"]
)
def test_importing_the_arithmetic_loads_numpy_only(module: str) -> None:
    code = (
        f"import ecg.{module}, sys;"
        "sys.exit(', '.join(m for m in ('scipy', 'wfdb', 'pandas', 'soundfile') if m in sys.modules) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_live_work_loads_numpy_only() -> None:
    code = """
import sys, numpy as np
from ecg import beats, filters, quality, simulate
heart = simulate.simulate("sinus", 4.0)
filters.LiveFilter(500.0, 12).feed(heart.samples)
beats.detect(heart.samples, 500.0)
quality.assess(heart.samples, 500.0, heart.leads)
sys.exit(', '.join(m for m in ('scipy', 'wfdb', 'pandas') if m in sys.modules) or 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
