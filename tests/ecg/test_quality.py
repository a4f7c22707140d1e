"""Quality of a recording, lead by lead and as a whole."""

import lzma
from pathlib import Path

import numpy as np
import pytest

from ecg.leads import BOX_LEADS, LEADS
from ecg.quality import LEAD_WORDS, assess
from ecg.simulate import simulate

RATE = 500.0


def _heart() -> np.ndarray:
    return simulate("sinus", 10.0, RATE, seed=7).samples.copy()


@pytest.mark.parametrize(
    "scenario", ["sinus", "af", "pvc", "inferior_stemi", "lbbb", "vt", "pause", "sinus:180"]
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
    x[10] += 1400 * np.sin(2 * np.pi * 0.2 * t)
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


def test_field_recordings_called_acceptable_are_not_sent_back(ecg_data: Path) -> None:
    for name in ("1002867", "1282270", "1580630", "2115548"):
        with lzma.open(ecg_data / "cinc2011" / f"{name}.txt.xz", "rt") as file:
            rows = np.loadtxt((line.replace(",", " ") for line in file if line[:1].isdigit()), ndmin=2)
        assert assess(rows[:, 1:].T * 5.0, RATE, LEADS).verdict == "diagnostic"
