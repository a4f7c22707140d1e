"""The validate command, as it is typed."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from ecg import record
from ecg.__main__ import main
from ecg.leads import BOX_LEADS, LEADS
from ecg.simulate import simulate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    heart = simulate("pvc", 20.0, 500.0, seed=1)
    counts = np.rint(heart.samples[[LEADS.index(name) for name in BOX_LEADS]]).astype(np.int32)
    record.write(record.Recording("sim1", 500.0, BOX_LEADS, counts, (1.0,) * 8, 0), tmp_path)
    marks = record.Annotations(heart.r_peaks, heart.symbols)
    record.write_annotations(tmp_path, "sim1", "atr", marks, 500.0)
    return tmp_path


def _lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_record_beside_its_annotations(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(folder / "sim1.hea")]) == 0
    line, total = _lines(capsys.readouterr().out)
    assert line["quality"] == "diagnostic"
    assert line["se_percent"] == line["ppv_percent"] == 100.0
    assert total["records"] == 1
    assert total["se_percent"] == 100.0


def test_archives_folders_and_what_cannot_be_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archives = folder / "archives"
    archives.mkdir()
    with tarfile.open(archives / "sim1.tar.xz", "w:xz") as tar:
        for path in folder.glob("sim1.*"):
            tar.add(path, arcname=path.name)
    written = folder / "out"
    written.mkdir()
    assert main(["validate", str(archives), "--write", str(written)]) == 0
    assert _lines(capsys.readouterr().out)[-1]["se_percent"] == 100.0
    assert record.read_annotations(written, "sim1", "mtb").samples.size
    (folder / "sim1.flac").unlink()
    assert main(["validate", str(folder)]) == 1
    line, total = _lines(capsys.readouterr().out)
    assert "sim1.flac" in str(line["error"])
    assert total["unreadable"] == 1


@pytest.mark.parametrize(
    "module", ["leads", "filters", "beats", "quality", "simulate", "record", "triage", "delineate"]
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
