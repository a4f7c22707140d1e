"""A capture on disk: read back whole, cut anywhere, damaged in any way."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.capture import spool
from edge_agent.capture.spool import Meta, Spool, SpoolDamaged

META = Meta("r1", "e1", 1, "cunyi", None, 5, 1, 100, ("I", "II", "V1"), 0.5, "BOX-1", 77, "00ff")


def counts(n: int, first: int = 0) -> np.ndarray:
    return np.arange(first, first + 3 * n, dtype=np.int32).reshape(3, n)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    a, b = counts(40), counts(60, 1000)
    with Spool(tmp_path / "spool" / "r1", META) as opened:
        opened.write(a)
        opened.note_electrodes(40, frozenset({"V2", "RA"}))
        opened.write(b[:, ::-1])  # not contiguous
        opened.sync()
    (folder,) = spool.leftovers(tmp_path / "spool")
    found = spool.look(folder)
    assert (found.meta, found.samples, found.interrupted) == (META, 100, False)
    assert found.electrodes_off == ("RA", "V2")
    assert np.array_equal(spool.samples(found), np.hstack([a, b[:, ::-1]]))
    spool.remove(folder)
    assert spool.leftovers(tmp_path / "spool") == []
    assert not spool.exists(folder)


@given(size=st.integers(0, 100 * 12), torn=st.binary(max_size=20))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_power_goes_at_any_byte(tmp_path_factory: pytest.TempPathFactory, size: int, torn: bytes) -> None:
    folder = tmp_path_factory.mktemp("s") / "r1"
    whole = counts(100)
    with Spool(folder, META) as opened:
        opened.write(whole)
        opened.note_electrodes(1, frozenset({"V1"}))
    path = folder / spool.SAMPLES
    path.write_bytes(path.read_bytes()[:size])
    with (folder / spool.ELECTRODES).open("ab") as file:
        file.write(torn)
    found = spool.look(folder)
    assert found.samples == size // 12
    assert found.interrupted == (size < 1200)
    assert np.array_equal(spool.samples(found), whole[:, : size // 12])


def test_before_the_meta_there_is_only_a_shell(tmp_path: Path) -> None:
    folder = tmp_path / "r1"
    folder.mkdir()
    assert spool.is_shell(folder)
    Spool(tmp_path / "r2", META).close()
    assert not spool.is_shell(tmp_path / "r2")


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'{"recording_id": "r1"}', b"\xff\xfe", b"null"],
)
def test_a_damaged_meta_says_so(tmp_path: Path, damage: bytes) -> None:
    Spool(tmp_path / "r1", META).close()
    (tmp_path / "r1" / spool.META).write_bytes(damage)
    with pytest.raises(SpoolDamaged):
        spool.look(tmp_path / "r1")


def test_a_meta_of_another_attempt_says_so(tmp_path: Path) -> None:
    Spool(tmp_path / "r2", META).close()
    with pytest.raises(SpoolDamaged):
        spool.look(tmp_path / "r2")


def test_set_aside_keeps_every_one(tmp_path: Path) -> None:
    for _ in range(2):
        Spool(tmp_path / "spool" / "r1", META).close()
        spool.set_aside(tmp_path / "spool" / "r1", tmp_path / "quarantine")
    assert len(list((tmp_path / "quarantine").iterdir())) == 2


def test_removal_leaves_the_meta_to_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Spool(tmp_path / "r1", META) as opened:
        opened.write(counts(10))
    (tmp_path / "r1" / "out-1").mkdir()

    def power_goes(path: Path) -> None:
        raise OSError("power")

    with monkeypatch.context() as patched:
        patched.setattr(spool.shutil, "rmtree", power_goes)
        with pytest.raises(OSError, match="power"):
            spool.remove(tmp_path / "r1")
    assert (tmp_path / "r1" / spool.META).exists()
    spool.remove(tmp_path / "r1")
    assert not (tmp_path / "r1").exists()
