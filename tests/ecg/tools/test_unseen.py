"""Weights that have not seen a record are used for it, and only for it."""

from pathlib import Path

import numpy as np
import pytest

from ecg import beats, delineate, qrs, record, wave_network
from ecg.simulate import simulate
from ecg.tools import unseen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two folds: one has forgotten everything, the other is as shipped."""
    weights = wave_network.weights()
    blank = {name: np.zeros_like(values) for name, values in weights.items()}
    np.savez(tmp_path / "0.npz", held=np.array(["ludb/1", "ludb/2"]), **blank)
    np.savez(tmp_path / "1.npz", held=np.array(["qtdb/sel1"]), **weights)
    return tmp_path


def test_each_record_has_the_weights_of_its_fold_and_afterwards_those_shipped(folder: Path) -> None:
    known = unseen.folds(waves=folder)
    assert set(known.waves) == {"ludb/1", "ludb/2", "qtdb/sel1"}
    heart = simulate("sinus", 4.0, 500.0, seed=1)

    def on(name: str) -> tuple[frozenset[str], np.ndarray]:
        with unseen.read_unseen(known, name) as held_out:
            return held_out, delineate.waves(heart.samples, 500.0, heart.r_peaks).together.qrs_on

    shipped = delineate.waves(heart.samples, 500.0, heart.r_peaks).together.qrs_on
    held_out, blank = on("ludb/1")
    assert held_out == {"waves"}
    assert not np.array_equal(blank, shipped, equal_nan=True)
    assert np.array_equal(on("qtdb/sel1")[1], shipped, equal_nan=True)
    held_out, unknown = on("mitdb/100")
    assert not held_out
    assert np.array_equal(unknown, shipped, equal_nan=True)
    with pytest.raises(RuntimeError), unseen.read_unseen(known, "ludb/1"):
        raise RuntimeError
    assert any(values.any() for values in wave_network.weights().values())


def test_a_folder_without_folds_is_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(record.RecordMissingError):
        unseen.folds(waves=tmp_path / "empty")
    (folder / "2.npz").write_bytes(b"nothing")
    with pytest.raises(record.RecordBrokenError, match=r"2\.npz"):
        unseen.folds(waves=folder)


def test_beats_are_found_with_the_network_of_the_fold(tmp_path: Path) -> None:
    shipped = qrs.network()
    never = shipped._replace(out=np.zeros_like(shipped.out), offset=np.full_like(shipped.offset, -50.0))
    np.savez(tmp_path / "0.npz", held=np.array(["mitdb/101"]), **never._asdict())
    known = unseen.folds(beats=tmp_path)
    heart = simulate("sinus", 10.0, 360.0, seed=1)
    with unseen.read_unseen(known, "mitdb/101") as held_out:
        assert held_out == {"beats"}
        assert beats.detect(heart.samples[1], 360.0).size < heart.r_peaks.size
    assert qrs.network() is shipped
    assert beats.detect(heart.samples[1], 360.0).size >= heart.r_peaks.size - 1
