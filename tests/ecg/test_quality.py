"""Quality of a recording, lead by lead and as a whole."""

import csv
import lzma
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import record
from ecg.leads import BOX_LEADS, LEADS
from ecg.quality import LEAD_WORDS, assess, latest
from ecg.simulate import simulate

RATE = 500.0


def _heart() -> np.ndarray:
    return simulate("sinus", 10.0, RATE, seed=7).samples.copy()


@pytest.mark.parametrize(
    "scenario",
    ["sinus", "af", "pvc", "bigeminy", "inferior_stemi", "lbbb", "vt", "vf", "pause", "sinus:180", "paced"],
)
def test_a_clean_recording_is_diagnostic_whatever_the_heart_does(scenario: str) -> None:
    judged = assess(simulate(scenario, 10.0, RATE, seed=7).samples, RATE, LEADS)
    assert judged.verdict == "diagnostic"
    assert judged.reasons == ()
    assert set(judged.per_lead.values()) == {"good"}
    assert judged.usable == LEADS


def test_each_fault_has_its_word() -> None:
    x = _heart()
    n = x.shape[1]
    t = np.arange(n) / RATE
    rng = np.random.default_rng(1)
    x[6] = 3.0 * rng.standard_normal(n)
    x[7] = np.clip(x[7] * 40, -9000, 9000)
    x[8] += 90 * rng.standard_normal(n)
    x[9] += 150 * np.sin(2 * np.pi * 50 * t)
    x[10] += 1900 * np.sin(2 * np.pi * 0.2 * t)
    x[11] = np.nan
    judged = assess(x, RATE, LEADS)
    words = ("flat", "saturated", "muscle_noise", "mains_noise", "baseline_wander", "lead_off")
    assert tuple(judged.per_lead[name] for name in LEADS[6:]) == words
    assert judged.verdict == "rhythm_only"
    assert judged.reasons == tuple(f"{name}:{word}" for name, word in zip(LEADS[6:], words, strict=True))
    assert not {"V1", "V2", "V6"} & set(judged.usable)


def test_an_electrode_offset_is_no_fault() -> None:
    assert assess(_heart() + 280_000.0, RATE, LEADS).verdict == "diagnostic"


def test_what_the_box_reports_off_is_off() -> None:
    judged = assess(_heart(), RATE, LEADS, {"V3"})
    assert judged.per_lead["V3"] == "lead_off"
    assert judged.verdict == "rhythm_only"
    assert assess(_heart(), RATE, LEADS, {"RA"}).verdict == "repeat"


def test_noise_everywhere_asks_for_another_recording() -> None:
    assert assess(simulate("noise", 10.0, RATE, seed=1).samples, RATE, LEADS).verdict == "repeat"
    assert assess(np.zeros((12, 5000)), RATE, LEADS).verdict == "repeat"


def test_some_lost_samples_are_no_fault() -> None:
    x = _heart()
    x[:, 2000:2050] = np.nan
    assert assess(x, RATE, LEADS).verdict == "diagnostic"


def test_any_leads_and_short_stretches() -> None:
    box = _heart()[[LEADS.index(name) for name in BOX_LEADS]]
    judged = assess(box, RATE, BOX_LEADS)
    assert tuple(judged.per_lead) == BOX_LEADS
    short = assess(box[:, :20], RATE, BOX_LEADS)
    assert set(short.per_lead.values()) <= set(LEAD_WORDS)
    assert short.verdict == "repeat"
    assert assess(box[:, :0], RATE, BOX_LEADS).verdict == "repeat"
    with pytest.raises(ValueError, match="lead names"):
        assess(box, RATE, LEADS)


def test_a_loose_electrode_and_a_broken_lead_have_their_words() -> None:
    x = _heart()
    x[6, 1000:1600] += np.repeat([3000.0, -2500.0, 4000.0, -3000.0], 150)
    x[7, 2000:3600] = x[7, 2000]
    x[8, 1000:1100] += 3000  # too short to matter
    judged = assess(x, RATE, LEADS)
    assert (judged.per_lead["V1"], judged.per_lead["V2"], judged.per_lead["V3"]) == ("loose", "flat", "good")
    assert judged.verdict == "rhythm_only"
    assert not judged.acceptable


def test_a_lead_without_qrs_among_leads_that_beat_is_flat() -> None:
    x = _heart()
    x[1] = 20 * np.random.default_rng(4).standard_normal(x.shape[1])
    judged = assess(x, RATE, LEADS)
    assert judged.per_lead["II"] == "flat"
    x = _heart()
    x[4] = 20 * np.random.default_rng(4).standard_normal(x.shape[1])
    assert assess(x, RATE, LEADS).per_lead["aVL"] == "good"  # across the axis of the heart


def test_all_leads_may_pause_together() -> None:
    x = simulate("standstill", 10.0, RATE, seed=2).samples
    assert assess(x, RATE, LEADS).verdict == "diagnostic"


@pytest.mark.parametrize("rate_hz", [100.0, 250.0, 360.0, 1000.0])
def test_any_rate_and_a_rate_that_is_none(rate_hz: float) -> None:
    x = simulate("sinus", 10.0, rate_hz, seed=7).samples
    assert assess(x, rate_hz, LEADS).verdict == "diagnostic"
    for wrong in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="sampling rate"):
            assess(x, wrong, LEADS)


BAD = {
    "one sample": np.ones((12, 1)),
    "constant": np.full((12, 5000), 7.0),
    "gaps": np.full((12, 5000), np.nan),
    "infinite": np.full((12, 5000), np.inf),
    "saturated": np.clip(_heart() * 100, -5000, 5000),
    "gain by 1000": _heart() * 1000,
    "gain by 0.001": _heart() / 1000,
    "hum": np.tile(400 * np.sin(2 * np.pi * 50 * np.arange(5000) / RATE), (12, 1)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_to_be_repeated(name: str) -> None:
    judged = assess(BAD[name], RATE, LEADS)
    assert judged.verdict == "repeat"
    assert set(judged.per_lead.values()) <= set(LEAD_WORDS) - {"good"}
    assert set(latest(BAD[name], RATE, LEADS).values()) <= set(LEAD_WORDS) - {"good"}


def test_no_lead_at_all() -> None:
    assert assess(np.zeros((0, 5000)), RATE, ()).verdict == "repeat"
    assert latest(np.zeros((0, 5000)), RATE, ()) == {}


def test_a_long_recording_is_as_good_as_its_worse_quarter() -> None:
    heart = simulate("sinus", 80.0, RATE, seed=7).samples[:2]
    noise = 150 * np.random.default_rng(3).standard_normal(heart.shape)
    noise[:, : round(0.9 * heart.shape[1])] = 0
    assert assess(heart + noise, RATE, ("I", "II")).verdict == "diagnostic"
    assert (
        assess(heart + np.roll(noise, 20_000) + noise + np.roll(noise, 10_000), RATE, ("I", "II")).usable
        == ()
    )


@given(
    order=st.permutations(range(8)),
    offsets=st.lists(st.floats(-3e5, 3e5), min_size=8, max_size=8),
    faulty=st.sampled_from(["none", "flat", "noise"]),
)
@settings(max_examples=15, deadline=None)
def test_lead_order_and_constants_do_not_matter(order: list[int], offsets: list[float], faulty: str) -> None:
    x = _heart()[[LEADS.index(name) for name in BOX_LEADS]]
    if faulty == "flat":
        x[3] = 0
    if faulty == "noise":
        x[4:] += 90 * np.random.default_rng(2).standard_normal((4, x.shape[1]))
    plain = assess(x, RATE, BOX_LEADS)
    moved = assess((x + np.array(offsets)[:, None])[order], RATE, [BOX_LEADS[k] for k in order])
    assert moved.per_lead == plain.per_lead
    assert moved.verdict == plain.verdict


@given(
    n=st.integers(0, 1600),
    leads=st.integers(1, 12),
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([0, 1, 1e6]),
)
@settings(max_examples=40, deadline=None)
def test_anything_gives_words_of_the_list(n: int, leads: int, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.normal(0, 1, (leads, n)), axis=1) * scale
    x[rng.random(x.shape) < 0.05] = np.nan
    judged = assess(x, 160.0, LEADS[:leads])
    assert set(judged.per_lead) == set(LEADS[:leads])
    assert set(judged.per_lead.values()) <= set(LEAD_WORDS)
    assert set(latest(x, 160.0, LEADS[:leads]).values()) <= set(LEAD_WORDS)


def test_live_faults_show_and_go_within_a_second() -> None:
    rng = np.random.default_rng(6)
    faults = {
        "V1": ("lead_off", np.full(500, np.nan)),
        "V2": ("saturated", 300_000.0),
        "V3": ("muscle_noise", 150 * rng.standard_normal(500)),
        "V4": ("mains_noise", 400 * np.sin(2 * np.pi * 50 * np.arange(500) / RATE)),
        "V5": ("loose", np.repeat([4000.0, -4000.0, 4500.0, -3000.0, 5000.0], 100)),
        "V6": ("flat", 100.0),
    }
    x = simulate("sinus", 8.0, RATE, seed=7).samples.copy()
    assert set(latest(x[:, :2000], RATE, LEADS).values()) == {"good"}
    for name, (_, fault) in faults.items():
        row = x[LEADS.index(name), 2000:2500]
        row[:] = fault if isinstance(fault, float) else row + fault
    during = latest(x[:, 500:2500], RATE, LEADS)
    assert {name: during[name] for name in faults} == {name: word for name, (word, _) in faults.items()}
    assert {during[name] for name in LEADS[:6]} == {"good"}
    after = latest(x[:, 1000:3000], RATE, LEADS)
    assert {after[name] for name in ("V1", "V3", "V4", "V5", "V6")} <= {"good", "baseline_wander"}
    assert set(latest(x[:, 2500:], RATE, LEADS).values()) == {"good"}
    assert latest(x[:, 2500:], RATE, LEADS, {"V3"})["V3"] == "lead_off"


def _field(folder: Path, name: str) -> np.ndarray:
    with lzma.open(folder / "cinc2011" / f"{name}.txt.xz", "rt") as file:
        return np.loadtxt(file, delimiter=",")[:, 1:].T * 5.0


def test_field_recordings_are_told_apart_as_their_organisers_did(ecg_data: Path) -> None:
    with (ecg_data / "cinc2011" / "index.csv").open() as file:
        labels = {row["record"]: row["label"] == "acceptable" for row in csv.DictReader(file)}
    found = {name: assess(_field(ecg_data, name), RATE, LEADS).acceptable for name in labels}
    assert sum(found[name] == label for name, label in labels.items()) >= 15


@pytest.mark.parametrize("name", ["ludb/7", "ludb/35", "ludb/45", "cinc12/JS45546", "cinc12/HR12083"])
def test_sick_hearts_are_not_sent_back(ecg_data: Path, tmp_path: Path, name: str) -> None:
    """Infarction, flutter, two paced, ventricular tachycardia."""
    record.unpack(ecg_data / f"{name}.tar.xz", tmp_path)
    signals = wfdb.rdrecord(str(tmp_path / name.split("/")[1]))
    assert assess(signals.p_signal.T * 1000, signals.fs, signals.sig_name).verdict == "diagnostic"


@pytest.mark.parametrize(("noise", "most"), [("em_a", 0.1), ("ma_a", 0.1)])
def test_the_verdict_falls_before_beats_are_invented(
    ecg_data: Path, tmp_path: Path, noise: str, most: float
) -> None:
    """119, its first lead, with noise at 24 and at 0 dB (signal: mean squared QRS range over 8)."""
    record.unpack(ecg_data / "mitdb/119.tar.xz", tmp_path)
    record.unpack(ecg_data / f"nstdb/{noise}.tar.xz", tmp_path)
    start, n = 300 * 360, 600 * 360
    heart = wfdb.rdrecord(str(tmp_path / "119"), sampfrom=start, sampto=start + n).p_signal.T * 1000
    added = wfdb.rdrecord(str(tmp_path / noise), sampto=n).p_signal.T * 1000
    seconds = added[0].reshape(-1, 360).var(axis=1)
    power = np.sort(seconds)[30:-30].mean()
    verdicts = {}
    for decibel in (24, 0):
        gain = np.sqrt(2400.0**2 / 8 / power / 10 ** (decibel / 10))
        noisy = heart[:1] + gain * added[:1]
        verdicts[decibel] = [assess(piece, 360.0, ("MLII",)).verdict for piece in np.split(noisy, 60, axis=1)]
    assert verdicts[24].count("diagnostic") >= 50
    assert verdicts[0].count("diagnostic") == 0
    assert verdicts[0].count("rhythm_only") <= most * 60
