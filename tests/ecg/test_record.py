"""Recordings as WFDB files: bit for bit, sealed, and hostile files refused by name."""

import contextlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg import record
from ecg.leads import BOX_LEADS, LEADS
from ecg.record import (
    MISSING,
    Annotations,
    RecordBrokenError,
    RecordError,
    Recording,
    RecordMismatchError,
    RecordMissingError,
)
from ecg.simulate import simulate

START_NS = 1_763_777_777_123_456_789


def _recording(leads: tuple[str, ...] = BOX_LEADS, uv: float = 1.0, seconds: float = 2.0) -> Recording:
    samples = simulate("sinus", seconds, 500.0, seed=3).samples[[LEADS.index(name) for name in leads]]
    counts = np.rint(samples / uv).astype(np.int32)
    counts[1, 100:140] = MISSING
    return Recording("r01", 500.0, leads, counts, (uv,) * len(leads), START_NS, ("box BOX-0001",))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return record.contents(record.write(_recording(), tmp_path_factory.mktemp("good")))


@pytest.mark.parametrize("uv", [1.0, 2.5, 0.3, 4.88, 2.4 / 2**23 / 6 * 1e6])
def test_a_recording_comes_back_bit_for_bit(tmp_path: Path, uv: float) -> None:
    made = _recording(uv=uv)
    paths = record.write(made, tmp_path)
    assert [p.name for p in paths] == ["r01.hea", "r01.flac"]
    back = record.read(tmp_path, "r01")
    np.testing.assert_array_equal(back.counts, made.counts)
    assert back.counts.dtype == np.int32
    assert (back.rate_hz, back.leads, back.start_ns) == (500.0, BOX_LEADS, START_NS)
    assert back.uv_per_count == made.uv_per_count
    assert back.comments == made.comments
    assert np.isnan(back.microvolts()[1, 100:140]).all()


@pytest.mark.parametrize("uv", [1.0, 2.4 / 2**23 / 6 * 1e6])
def test_signals_are_smaller_than_at_the_default_level_and_the_same_to_wfdb(
    tmp_path: Path, uv: float
) -> None:
    made = _recording(uv=uv, seconds=10.0)
    header, signal = record.write(made, tmp_path)
    with record.wfdb_library() as wfdb:
        ours = wfdb.rdrecord(str(header.with_suffix("")), physical=False)
        (tmp_path / "default").mkdir()
        ours.wrsamp(write_dir=str(tmp_path / "default"))
        theirs = wfdb.rdrecord(str(tmp_path / "default" / "r01"), physical=False)
    np.testing.assert_array_equal(ours.d_signal, theirs.d_signal)
    assert signal.stat().st_size < (tmp_path / "default" / "r01.flac").stat().st_size


def test_twelve_leads_make_two_files(tmp_path: Path) -> None:
    made = _recording(LEADS)
    paths = record.write(made, tmp_path)
    assert [p.name for p in paths] == ["r01.hea", "r01_1.flac", "r01_2.flac"]
    np.testing.assert_array_equal(record.read(tmp_path, "r01").counts, made.counts)


def test_wide_counts_take_24_bits_and_a_railed_front_end_32(tmp_path: Path) -> None:
    counts = _recording().counts.copy()
    counts[counts != MISSING] += 1_000_000
    counts[0, :50] = -(2**23)
    counts[0, 50:99] = 2**23 - 1
    made = Recording("rail", 1000.0, BOX_LEADS, counts, (0.05,) * 8, START_NS)
    paths = record.write(made, tmp_path)
    assert paths[1].name == "rail.dat"
    np.testing.assert_array_equal(record.read(tmp_path, "rail").counts, counts)
    counts[0, :50] += 1
    wide = Recording("wide", 1000.0, BOX_LEADS, counts, (0.05,) * 8, START_NS)
    assert record.write(wide, tmp_path)[1].name == "wide.flac"
    np.testing.assert_array_equal(record.read(tmp_path, "wide").counts, counts)


def test_a_lead_that_never_came_is_all_missing(tmp_path: Path) -> None:
    counts = _recording().counts.copy()
    counts[3] = MISSING
    record.write(Recording("off", 500.0, BOX_LEADS, counts, (1.0,) * 8, START_NS), tmp_path)
    back = record.read(tmp_path, "off")
    assert back.missing[3].all()
    np.testing.assert_array_equal(back.counts, counts)


def test_ten_seconds_of_eight_leads_are_small(tmp_path: Path) -> None:
    paths = record.write(_recording(seconds=10.0), tmp_path)
    assert sum(p.stat().st_size for p in paths) <= 32 * 1024


def test_wfdb_reads_what_we_write(tmp_path: Path) -> None:
    made = _recording()
    record.write(made, tmp_path)
    with record.wfdb_library() as wfdb:
        theirs = wfdb.rdrecord(str(tmp_path / "r01"))
    np.testing.assert_allclose(theirs.p_signal.T * 1000, made.microvolts(), atol=1e-6, equal_nan=True)
    assert theirs.sig_name == list(BOX_LEADS)


def test_digest_covers_header_then_signals_in_header_order(tmp_path: Path) -> None:
    import hashlib

    paths = record.write(_recording(LEADS), tmp_path)
    files = record.contents(paths)
    plain = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).digest()
    assert record.digest(files) == plain
    assert record.digest(dict(reversed(files.items()))) == plain
    for name in files:
        changed = dict(files)
        changed[name] = changed[name][:-1] + bytes([changed[name][-1] ^ 1])
        assert record.digest(changed) != plain


def test_digest_names_what_is_missing(files: dict[str, bytes]) -> None:
    with pytest.raises(RecordMissingError, match=r"r01\.flac"):
        record.digest({"r01.hea": files["r01.hea"]})
    with pytest.raises(RecordMissingError, match="one header"):
        record.digest({"r01.flac": files["r01.flac"]})


def test_read_files_is_read(files: dict[str, bytes]) -> None:
    np.testing.assert_array_equal(record.read_files(files).counts, _recording().counts)
    with pytest.raises(RecordMissingError):
        record.read_files({"../r01.hea": files["r01.hea"], "r01.flac": files["r01.flac"]})


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "s3://bucket/x.dat", ".hidden", "~"])
def test_a_header_does_not_lead_out_of_its_folder(files: dict[str, bytes], name: str) -> None:
    evil = dict(files)
    evil["r01.hea"] = evil["r01.hea"].replace(b"r01.flac", name.encode())
    with pytest.raises(RecordBrokenError, match="outside its folder"):
        record.digest(evil)
    with pytest.raises(RecordBrokenError, match="outside its folder"):
        record.read_files(evil)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"r01 8 500 1000", b"r01 8 500 999999999999"),
        (b"r01 8 500 1000", b"r01 8 500 1001"),
        (b"r01 8 500 1000", b"r01 8 500 900"),
        (b"r01 8 500 1000", b"r01 9 500 1000"),
        (b"r01 8 500 1000", b"r01 7 500 1000"),
        (b"r01 8 500 1000", b"r01 8 0 1000"),
        (b"r01 8 500 1000", b"r01 -1 500 1000"),
        (b" 516 ", b" 16 "),
        (b" 516 1000.0(0)/mV", b" 516 -5(0)/mV"),
        (b"(0)/mV", b"(0)/mmHg"),
        (b"maitong start_ns 1", b"maitong start_ns x"),
    ],
)
def test_a_header_that_disagrees_is_refused(files: dict[str, bytes], old: bytes, new: bytes) -> None:
    assert old in files["r01.hea"]
    with pytest.raises(RecordError):
        record.read_files(files | {"r01.hea": files["r01.hea"].replace(old, new)})


def test_a_changed_sample_fails_the_header_checksum(files: dict[str, bytes], tmp_path: Path) -> None:
    other = _recording().counts.copy()
    other[2, 300] += 1
    again = Recording("r01", 500.0, BOX_LEADS, other, (1.0,) * 8, START_NS, ("box BOX-0001",))
    swapped = record.contents(record.write(again, tmp_path))
    with pytest.raises(RecordMismatchError, match="checksum"):
        record.read_files(files | {"r01.flac": swapped["r01.flac"]})


_FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(cut=st.integers(0, 9000))
@_FUZZ
def test_truncated_signals_are_an_error(files: dict[str, bytes], cut: int) -> None:
    data = files["r01.flac"]
    if cut < len(data):
        with pytest.raises(RecordError):
            record.read_files(files | {"r01.flac": data[:cut]})


@given(at=st.integers(0, 10_000), value=st.binary(min_size=1, max_size=8))
@_FUZZ
def test_damaged_signals_are_an_error_or_equal(files: dict[str, bytes], at: int, value: bytes) -> None:
    data = bytearray(files["r01.flac"])
    data[at % len(data) : at % len(data) + len(value)] = value
    try:
        back = record.read_files(files | {"r01.flac": bytes(data)})
    except RecordError:
        return
    np.testing.assert_array_equal(back.counts, _recording().counts)


@given(data=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
@_FUZZ
def test_garbage_is_an_error(files: dict[str, bytes], data: bytes) -> None:
    for name in files:
        with pytest.raises(RecordError):
            record.read_files(files | {name: data})


@given(at=st.integers(0, 400), value=st.binary(min_size=1, max_size=4))
@_FUZZ
def test_a_damaged_header_is_an_error_or_a_recording(files: dict[str, bytes], at: int, value: bytes) -> None:
    data = bytearray(files["r01.hea"])
    data[at % len(data) : at % len(data) + len(value)] = value
    changed = files | {"r01.hea": bytes(data)}
    with contextlib.suppress(RecordError):
        record.read_files(changed)
    try:
        seal = record.digest(changed)
    except RecordError:
        return
    assert (seal == record.digest(files)) == (bytes(data) == files["r01.hea"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../x"},
        {"name": ""},
        {"uv_per_count": (1.0,) * 7},
        {"uv_per_count": (0.0,) * 8},
        {"rate_hz": 0.0},
        {"counts": np.zeros((8, 0), dtype=np.int32)},
        {"counts": np.zeros((7, 5), dtype=np.int32)},
        {"comments": ("two\nlines",)},
    ],
)
def test_a_recording_that_contradicts_itself_is_not_written(tmp_path: Path, wrong: dict[str, object]) -> None:
    from dataclasses import replace

    with pytest.raises(RecordMismatchError):
        record.write(replace(_recording(), **wrong), tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_somebody_elses_record_as_microvolts(tmp_path: Path) -> None:
    signal = np.array([[0.5, 1.0, 70.0], [-0.25, np.nan, 71.0], [0.125, 0.5, 72.0]])
    with record.wfdb_library() as wfdb:
        wfdb.wrsamp(
            "foreign",
            fs=360,
            units=["mV", "mV", "mmHg"],
            sig_name=["MLII", "avr", "ABP"],
            p_signal=signal,
            fmt=["16", "16", "16"],
            adc_gain=[200.0, 1000.0, 10.0],
            baseline=[1024, -5, 0],
            write_dir=str(tmp_path),
        )
    expected = [[500, -250, 125], [1000, np.nan, 500]]
    plain = record.read_any(tmp_path / "foreign.hea")
    archive = tmp_path / "foreign.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        for name in ("foreign.hea", "foreign.dat"):
            tar.add(tmp_path / name, arcname=name)
    for signals in (plain, record.read_any(archive)):
        assert signals.leads == ("MLII", "aVR")
        assert signals.rate_hz == 360
        np.testing.assert_allclose(signals.samples, expected, atol=1e-9)


def test_archives_that_are_none_or_reach_out(tmp_path: Path) -> None:
    with pytest.raises(RecordMissingError):
        record.read_any(tmp_path / "absent.tar.xz")
    with pytest.raises(RecordMissingError):
        record.read_any(tmp_path / "absent.hea")
    garbage = tmp_path / "garbage.tar.xz"
    garbage.write_bytes(b"no archive at all")
    with pytest.raises(RecordBrokenError):
        record.read_any(garbage)
    reaching = tmp_path / "reaching.tar.xz"
    with tarfile.open(reaching, "w:xz") as tar:
        info = tarfile.TarInfo("../../out.hea")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    with pytest.raises(RecordBrokenError):
        record.read_any(reaching)
    empty = tmp_path / "empty.tar.xz"
    with tarfile.open(empty, "w:xz"):
        pass
    with pytest.raises(RecordMissingError):
        record.read_any(empty)


def test_annotations_come_back(tmp_path: Path) -> None:
    marks = Annotations(np.array([10, 20, 400, 5000]), ("(", "N", ")", "V"))
    path = record.write_annotations(tmp_path, "r01", "mtb", marks, 500.0)
    assert path.name == "r01.mtb"
    back = record.read_annotations(tmp_path, "r01", "mtb")
    np.testing.assert_array_equal(back.samples, marks.samples)
    assert back.symbols == marks.symbols
    with pytest.raises(RecordMissingError):
        record.read_annotations(tmp_path, "r01", "atr")
    with pytest.raises(RecordMismatchError):
        record.write_annotations(tmp_path, "r01", "mtb", Annotations(np.array([1]), ("nonsense",)), 500.0)
    with pytest.raises(RecordMismatchError):
        record.write_annotations(tmp_path, "../r01", "mtb", marks, 500.0)
