"""One study of a strip: all of it there, all of it consistent, whatever the samples."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ecg import record
from ecg.amplitudes import PER_LEAD
from ecg.leads import LEADS, derive
from ecg.measure import MEASUREMENTS
from ecg.simulate import simulate
from ecg.study import Person, Study, study


def checked(samples: np.ndarray, rate_hz: float = 500.0) -> Study:
    """A study, after what must hold of every one."""
    found = study(samples, rate_hz)
    beats = found.r_peaks.size
    assert found.clean.shape == found.samples.shape
    assert len(found.classes) == beats
    assert len(found.waves.per_lead) == len(LEADS)
    for waves in (*found.waves.per_lead, found.waves.together):
        assert all(values.shape == (beats,) for values in waves)
    assert set(found.measurements) == set(MEASUREMENTS)
    assert set(found.per_lead) == set(LEADS)
    assert all(set(table) == set(PER_LEAD) for table in found.per_lead.values())
    values = [v for v in found.measurements.values() if v is not None]
    values += [v for table in found.per_lead.values() for v in table.values() if v is not None]
    assert np.isfinite(values).all()
    if found.usual is not None:
        assert found.usual.beat.shape[0] == len(LEADS)
        assert (found.usual.members < beats).all()
    return found


def noise(scale: float) -> np.ndarray:
    return np.random.default_rng(5).normal(0, scale, (12, 5000))


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((12, 0)),
        np.zeros((12, 1)),
        np.zeros((12, 5000)),
        np.full((12, 5000), 32767.0),
        np.full((12, 5000), np.nan),
        np.full((12, 5000), np.inf),
        noise(2.0),
        noise(300.0),
        500 * np.sin(2 * np.pi * 50 * np.arange(5000) / 500) * np.ones((12, 1)),
    ],
    ids=["empty", "one", "flat", "saturated", "no data", "infinite", "still", "noise", "mains"],
)
def test_no_number_is_made_of_nothing(samples: np.ndarray) -> None:
    found = checked(samples)
    for name in ("p_ms", "pr_ms", "qt_ms", "qtcf_ms", "p_axis_deg", "t_axis_deg"):
        assert found.measurements[name] is None, name


@pytest.mark.parametrize("scenario", ["sinus", "af", "pvc", "lbbb", "asystole", "noise"])
def test_every_scenario_is_studied(scenario: str) -> None:
    checked(simulate(scenario, 10.0, 500.0, seed=3).samples)


@pytest.mark.parametrize("gain", [1e-3, 1e3])
def test_a_wrong_gain_is_no_exception(gain: float) -> None:
    checked(simulate("sinus", 10.0, 500.0, seed=3).samples * gain)


def test_one_lead_alone() -> None:
    samples = np.full((12, 5000), np.nan)
    samples[1] = simulate("sinus", 10.0, 500.0, seed=3).samples[1]
    found = checked(samples)
    assert found.measurements["heart_rate"] is None or found.measurements["heart_rate"] > 0
    assert found.measurements["rv5_mv"] is None


def test_another_number_of_leads_is_refused() -> None:
    with pytest.raises(ValueError, match="twelve"):
        study(np.zeros((8, 5000)), 500.0)


def test_leads_of_electrodes_that_are_off_are_not_measured() -> None:
    samples = simulate("sinus", 10.0, 500.0, seed=3).samples
    found = study(samples, 500.0, electrodes_off=("V5",), person=Person("female", 70))
    assert found.per_lead["V5"]["r_mv"] is None
    assert found.measurements["rv5_mv"] is None
    assert found.measurements["qrs_ms"] is not None
    assert found.person == Person("female", 70)
    assert np.isnan(found.clean[LEADS.index("V5")]).all()


def test_boundaries_agree_with_the_beats_they_come_from() -> None:
    found = checked(simulate("sinus", 10.0, 500.0, seed=3).samples)
    usual, bounds = found.usual, found.boundaries
    assert usual is not None
    assert bounds.qrs_on is not None
    assert bounds.t_off is not None
    qt = np.nanmedian((found.waves.together.t_off - found.waves.together.qrs_on)[usual.members])
    assert bounds.t_off - bounds.qrs_on == pytest.approx(qt, abs=1e-6)
    assert usual.r_index - 60 < bounds.qrs_on < usual.r_index


def test_a_study_of_real_records(ecg_data: Path) -> None:
    """Sinus rhythm has a PR, fibrillation has none; both have a QT."""
    for name, has_p in (("A0002", True), ("JS03291", True), ("A0003", False), ("JS00007", False)):
        signals = record.read_any(ecg_data / "cinc12" / f"{name}.tar.xz")
        found = checked(
            derive(signals.samples, signals.leads)[:, : round(10 * signals.rate_hz)], signals.rate_hz
        )
        assert (found.measurements["pr_ms"] is not None) == has_p, name
        assert found.measurements["qt_ms"] is not None, name


def test_it_is_a_table_that_cannot_be_changed() -> None:
    found = study(np.zeros((12, 500)), 500.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.rate_hz = 1.0  # type: ignore[misc]  # that it cannot is what is tested
