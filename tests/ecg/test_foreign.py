"""Records of others: every rate, frame and layout, in parts, from folders and archives."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from ecg import foreign, record

WAVE = np.sin(np.arange(2000) / 20)


def _write(folder: Path, name: str, rows: dict[str, np.ndarray], rate_hz: float = 250.0) -> Path:
    with record.wfdb_library() as wfdb:
        wfdb.wrsamp(
            name,
            rate_hz,
            ["mV"] * len(rows),
            list(rows),
            np.array(list(rows.values())).T,
            fmt=["16"] * len(rows),
            adc_gain=[1000.0] * len(rows),
            baseline=[0] * len(rows),
            write_dir=str(folder),
        )
    return folder / f"{name}.hea"


def test_a_stretch_is_that_part_of_the_whole_and_missing_stays_missing(tmp_path: Path) -> None:
    holed = WAVE.copy()
    holed[700:800] = np.nan
    of = foreign.look(_write(tmp_path, "a", {"MLII": WAVE, "odd one": holed, "AVR": -WAVE, "avr": WAVE}))
    assert of.leads == ("MLII", "odd one", "aVR", "aVR_2")
    assert (of.rate_hz, of.length, of.left_out) == (250.0, 2000, ())
    whole = foreign.samples(of)
    assert np.allclose(whole[0], WAVE * 1000, atol=0.6)
    assert np.flatnonzero(np.isnan(whole[1])).tolist() == list(range(700, 800))
    assert np.array_equal(foreign.samples(of, 650, 1111), whole[:, 650:1111], equal_nan=True)
    with pytest.raises(record.RecordMismatchError):
        foreign.samples(of, 2000)


def test_gains_that_are_each_leads_own_range_are_no_calibration(tmp_path: Path) -> None:
    i, iii = np.rint(700 * WAVE).astype("<i2"), np.rint(300 * np.cos(np.arange(2000) / 9)).astype("<i2")
    counts = np.array([i, i + iii, iii])
    counts.T.tofile(tmp_path / "x.dat")
    for spans, rescaled in ((np.ptp(counts, axis=1), True), (np.array([1400, 900, 600]), False)):
        rows = "".join(
            f"x.dat 16 {g}/mV 16 0 0 0 0 {n}\n"
            for g, n in zip(spans.tolist(), ("i", "ii", "iii"), strict=True)
        )
        (tmp_path / "x.hea").write_text(f"x 3 500 2000\n{rows}")
        of = foreign.look(tmp_path / "x.hea")
        assert of.rescaled is rescaled
        whole = foreign.samples(of)
        assert np.allclose(whole[0] + whole[2], whole[1]) is rescaled
        assert not rescaled or np.array_equal(whole, counts)


def test_several_samples_in_a_frame_keep_their_rate(tmp_path: Path) -> None:
    with record.wfdb_library() as wfdb:
        wfdb.wrsamp(
            "frames",
            125,
            ["mV", "mmHg", "mV"],
            ["II", "ABP", "slow"],
            e_p_signal=[WAVE, np.ones(500), np.ones(500)],
            samps_per_frame=[4, 1, 1],
            fmt=["16"] * 3,
            adc_gain=[1000.0] * 3,
            baseline=[0] * 3,
            write_dir=str(tmp_path),
        )
    of = foreign.look(tmp_path / "frames.hea")
    assert (of.rate_hz, of.length, of.leads, of.left_out) == (500.0, 2000, ("II",), ("ABP", "slow"))
    assert np.allclose(foreign.samples(of, 3, 1001)[0], WAVE[3:1001] * 1000, atol=0.6)


def test_parts_one_after_another_with_a_gap_and_other_leads(tmp_path: Path) -> None:
    _write(tmp_path, "p0", {"I": WAVE[:1000], "II": WAVE[:1000]})
    _write(tmp_path, "p1", {"V": WAVE[1000:], "I": WAVE[1000:]})
    (tmp_path / "whole.hea").write_text("whole/3 2 250 2500\np0 1000\n~ 500\np1 1000\n")
    with foreign.headers([tmp_path]) as found:
        assert [h.name for h in found if isinstance(h, Path)] == ["whole.hea"]
    of = foreign.look(tmp_path / "whole.hea")
    assert (of.leads, of.length) == (("I", "II", "V"), 2500)
    samples = foreign.samples(of, 900, 1700)
    assert np.isnan(samples).sum(axis=1).tolist() == [500, 700, 600]
    assert np.allclose(samples[0, 600:], WAVE[1000:1200] * 1000, atol=0.6)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("x/2 1 250 20\n../../secret 10\n~ 10\n", "cannot be read"),
        ("x/2 1 250 20\nx 10\nx 10\n", "made of parts"),
        ("x/1 1 250 20\ngone 20\n", "gone.hea is missing"),
        ("x 1 250 20\ngone.dat 16\n", "gone.dat is missing"),
        ("", "cannot be read"),
        ("x 1 250\nx.dat 16 1000/mmHg 16 0 0 0 0 ABP\n", "no voltage"),
    ],
)
def test_broken_headers_say_what_is_wrong(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "x.hea").write_text(text)
    (tmp_path / "x.dat").write_bytes(bytes(40))
    with pytest.raises(record.RecordError, match=word):
        foreign.look(tmp_path / "x.hea")


def test_a_header_without_length_leaves_it_to_the_signal_file(tmp_path: Path) -> None:
    (tmp_path / "x.hea").write_text("x 1 250\nx.dat 16 1000/mV 16 0 0 0 0 II\n")
    (tmp_path / "x.dat").write_bytes(np.arange(300, dtype="<i2").tobytes())
    of = foreign.look(tmp_path / "x.hea")
    assert of.length == 300
    assert foreign.samples(of, 10, 13).tolist() == [[10.0, 11.0, 12.0]]
    (tmp_path / "y.hea").write_text("y 1 250 400\nx.dat 16 1000/mV 16 0 0 0 0 II\n")
    with pytest.raises(record.RecordError):
        foreign.samples(foreign.look(tmp_path / "y.hea"))


def test_records_are_found_in_headers_folders_and_archives(tmp_path: Path) -> None:
    deep = tmp_path / "set" / "deep"
    deep.mkdir(parents=True)
    _write(deep, "one", {"II": WAVE})
    header = _write(tmp_path, "two", {"II": WAVE})
    with tarfile.open(tmp_path / "set" / "three.tar.xz", "w:xz") as tar:
        tar.add(header, arcname="three/two.hea")
        tar.add(header.with_suffix(".dat"), arcname="three/two.dat")
    (tmp_path / "set" / "bad.tar.xz").write_bytes(b"no archive")
    seen: list[str] = []
    with foreign.headers([tmp_path / "two", header, tmp_path / "set", tmp_path / "nothing"]) as found:
        for item in found:
            if isinstance(item, Path):
                assert foreign.samples(foreign.look(item)).shape == (1, 2000)
            seen.append(item.stem if isinstance(item, Path) else str(item))
    assert seen[:2] == ["two", "two"]
    assert "bad.tar.xz cannot be unpacked" in seen[2]
    assert seen[3:5] == ["one", "two"]
    assert seen[5].endswith("nothing.hea is missing")
