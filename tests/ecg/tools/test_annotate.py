"""Whole records of every kind, read in chunks or at once."""

from pathlib import Path

import numpy as np
import pytest

from ecg import foreign, record
from ecg.leads import LEADS
from ecg.simulate import simulate
from ecg.study import Person
from ecg.tools import annotate


def _record(folder: Path, name: str, rows: dict[str, np.ndarray], rate_hz: float = 500.0) -> foreign.Foreign:
    """A record of these µV, one count each, NaN as missing."""
    samples = np.array(list(rows.values()))
    counts = np.where(np.isnan(samples), record.MISSING, np.rint(np.nan_to_num(samples))).astype(np.int32)
    record.write(record.Recording(name, rate_hz, tuple(rows), counts, (1.0,) * len(rows), 0), folder)
    return foreign.look(folder / f"{name}.hea")


def _one_lead(seconds: float, rate_hz: float = 360.0) -> tuple[np.ndarray, np.ndarray]:
    heart = simulate("pvc", seconds, rate_hz, seed=3)
    return heart.samples[LEADS.index("II")], heart.r_peaks


@pytest.fixture(scope="module")
def long_record(tmp_path_factory: pytest.TempPathFactory) -> tuple[foreign.Foreign, np.ndarray]:
    first, r_peaks = _one_lead(64.0)
    second = simulate("pvc", 64.0, 360.0, seed=3).samples[LEADS.index("V1")]
    of = _record(tmp_path_factory.mktemp("long"), "long", {"MLII": first, "V1": second}, 360.0)
    return of, r_peaks


def test_chunks_find_what_the_whole_finds(
    long_record: tuple[foreign.Foreign, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    of, r_peaks = long_record
    whole = annotate.annotate(of)
    # The same record in many chunks instead of one.
    monkeypatch.setattr(annotate, "CHUNK_S", 16.0)
    monkeypatch.setattr(annotate, "_MARGIN_S", 10.0)
    shares: list[float] = []
    parts = annotate.annotate(of, progress=shares.append)
    assert parts.r_peaks.size == whole.r_peaks.size == r_peaks.size
    assert np.abs(parts.r_peaks - r_peaks).max() <= 0.02 * of.rate_hz
    assert len(parts.classes) == parts.together.qrs_on.size == parts.r_peaks.size
    assert len(shares) == 4
    assert shares[-1] == 1.0
    assert (np.diff(parts.r_peaks) > 0).all()


def test_without_twelve_leads_the_first_channel_alone_decides(
    long_record: tuple[foreign.Foreign, np.ndarray], tmp_path: Path
) -> None:
    of, _ = long_record
    found = annotate.annotate(of, end=round(20 * of.rate_hz))
    alone = _record(tmp_path, "alone", {"ECG1": foreign.samples(of)[0]}, of.rate_hz)
    only = annotate.annotate(alone, end=round(20 * of.rate_hz))
    assert np.array_equal(found.r_peaks, only.r_peaks)
    assert found.deciding == ("MLII",)
    assert only.deciding == ("ECG1",)
    assert set(found.per_lead) == {"MLII", "V1"}
    assert set(found.stretches[0].measurements) == set(annotate.RATES)


def test_a_stretch_is_studied_where_it_lies(long_record: tuple[foreign.Foreign, np.ndarray]) -> None:
    of, r_peaks = long_record
    start, end = round(40 * of.rate_hz), round(60 * of.rate_hz)
    found = annotate.annotate(of, start=start, end=end)
    inside = r_peaks[(r_peaks > start + 100) & (r_peaks < end - 100)]
    assert all(np.abs(found.r_peaks - at).min() <= 0.02 * of.rate_hz for at in inside)
    assert (found.stretches[0].start, found.stretches[-1].end) == (start, end)


def test_twelve_leads_are_studied_together_in_any_order_with_others_beside(tmp_path: Path) -> None:
    heart = simulate("sinus", 10.0, 500.0, seed=5)
    rows = dict(zip(LEADS, heart.samples, strict=True))
    one = annotate.annotate(_record(tmp_path, "one", rows))
    turned = {name.lower(): rows[name] for name in reversed(LEADS)} | {"vx": rows["V5"]}
    two = annotate.annotate(_record(tmp_path, "two", turned))
    assert one.twelve
    assert two.twelve
    assert np.array_equal(one.r_peaks, two.r_peaks)
    assert one.stretches[0].measurements == two.stretches[0].measurements
    assert list(two.per_lead) == [*LEADS, "vx"]
    assert np.isfinite(two.per_lead["vx"].qrs_on).any()


def test_eight_sampled_leads_make_twelve(tmp_path: Path) -> None:
    heart = simulate("sinus", 10.0, 500.0, seed=5)
    rows = {
        name: heart.samples[LEADS.index(name)] for name in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    }
    found = annotate.annotate(_record(tmp_path, "eight", rows))
    assert set(found.per_lead) == set(LEADS)


@pytest.mark.parametrize("alone", [False, True])
def test_each_lead_may_be_delineated_alone(tmp_path: Path, alone: bool) -> None:
    heart = simulate("sinus", 10.0, 500.0, seed=5)
    rows = dict(zip(LEADS, heart.samples, strict=True))
    found = annotate.annotate(_record(tmp_path, "one", rows), leads_alone=alone)
    on = found.per_lead["II"].qrs_on
    truth = heart.boundaries["qrs_on"]
    near = [np.nanmin(np.abs(truth - at)) for at in on[np.isfinite(on)]]
    assert len(near) >= 5
    assert max(near) <= 0.02 * 500


ODD = {
    "one sample": np.array([5.0]),
    "constant": np.full(5000, 300.0),
    "nothing": np.full(5000, np.nan),
    "saturated": np.where(np.arange(5000) % 700 < 350, 8e6, -8e6).astype(float),
    "hum": 500 * np.sin(2 * np.pi * 50 * np.arange(5000) / 500),
    "holes": np.where(np.arange(5000) % 9 == 0, np.nan, 100.0 * np.sin(np.arange(5000) / 80)),
}


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("twelve", [False, True])
def test_bad_input_has_an_answer(tmp_path: Path, what: str, twelve: bool) -> None:
    of = _record(tmp_path, "odd", dict.fromkeys(LEADS if twelve else ("II",), ODD[what]))
    found = annotate.annotate(of)
    assert len(found.classes) == found.r_peaks.size
    if what in ("one sample", "constant", "nothing"):
        assert found.r_peaks.size == 0
        assert not any(value is not None for value in found.stretches[0].measurements.values())


@pytest.mark.parametrize("rate_hz", [100.0, 128.0, 250.0, 1000.0, 2000.0])
def test_any_rate_finds_the_beats(tmp_path: Path, rate_hz: float) -> None:
    samples, r_peaks = _one_lead(12.0, 1000.0 if rate_hz < 500 else rate_hz)
    step = round(1000 / rate_hz) if rate_hz < 500 else 1
    if rate_hz == 128.0:
        at = np.arange(0, 12.0, 1 / 128)
        samples = np.interp(at, np.arange(samples.size) / 1000, samples)
    else:
        samples = samples[::step]
    found = annotate.annotate(_record(tmp_path, "rate", {"II": samples}, rate_hz))
    assert found.r_peaks.size == r_peaks.size


def test_a_gap_gives_no_beats_and_costs_none_beside_it(tmp_path: Path) -> None:
    samples, r_peaks = _one_lead(30.0)
    holed = samples.copy()
    holed[3600:7200] = np.nan
    found = annotate.annotate(_record(tmp_path, "gap", {"II": holed}, 360.0))
    assert not ((found.r_peaks > 3620) & (found.r_peaks < 7180)).any()
    outside = r_peaks[(r_peaks < 3400) | (r_peaks > 7400)]
    assert all(np.abs(found.r_peaks - at).min() <= 8 for at in outside)


@pytest.mark.parametrize(
    ("comments", "person"),
    [
        (("<age>: 69", "<sex>: M"), Person("male", 69.0)),
        (("Age: 74", "Sex: Female"), Person("female", 74.0)),
        ((" age: 81", " sex: female", " Diagnose:"), Person("female", 81.0)),
        (("75 F 1011 654 x1", "Diapres"), Person("female", 75.0)),
        (("Age: NaN", "Sex: Unknown"), Person(None, None)),
        ((), Person(None, None)),
    ],
)
def test_the_header_says_who_it_is(comments: tuple[str, ...], person: Person) -> None:
    assert annotate.person_of(comments) == person


def test_real_records_of_every_kind(ecg_data: Path) -> None:
    records = {"ludb/103": (12, 500.0), "cinc12/A0003": (12, 500.0)}
    for name, (leads, rate_hz) in records.items():
        with foreign.headers([ecg_data / f"{name}.tar.xz"]) as found:
            header = next(found)
            assert isinstance(header, Path)
            got = annotate.annotate(foreign.look(header))
        assert (len(got.per_lead), got.of.rate_hz) == (leads, rate_hz)
        assert 8 <= got.r_peaks.size <= 30
