"""The simulated heart: exact, seeded, lawful."""

import numpy as np
import pytest

from ecg.leads import LEADS
from ecg.simulate import SCENARIOS, simulate


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_obeys_einthoven_and_its_seed(scenario: str) -> None:
    heart = simulate(scenario, 6.0, 500.0, seed=9)
    i, ii, iii, avr, avl, avf = heart.samples[:6]
    np.testing.assert_allclose(i + iii, ii, atol=1e-9)
    np.testing.assert_allclose(avr + avl + avf, 0, atol=1e-9)
    assert heart.samples.shape == (12, 3000)
    assert heart.leads == LEADS
    np.testing.assert_array_equal(heart.samples, simulate(scenario, 6.0, 500.0, seed=9).samples)
    assert not np.array_equal(heart.samples, simulate(scenario, 6.0, 500.0, seed=10).samples)
    assert len(heart.symbols) == len(heart.r_peaks)


@pytest.mark.parametrize("per_minute", [30, 72, 180])
def test_rate_is_what_was_asked(per_minute: int) -> None:
    heart = simulate(f"sinus:{per_minute}", 30.0)
    assert heart.truth["heart_rate"] == pytest.approx(per_minute)
    np.testing.assert_allclose(np.diff(heart.r_peaks), 500 * 60 / per_minute, atol=1)
    np.testing.assert_array_equal(heart.samples, simulate("sinus", 30.0, heart_rate=per_minute).samples)


def test_boundaries_are_in_order_around_each_beat() -> None:
    heart = simulate("sinus", 10.0)
    marks = np.array([heart.boundaries[key] for key in ("p_on", "p_off", "qrs_on", "qrs_off", "t_off")])
    assert (np.diff(marks, axis=0) > 0).all()
    assert (
        (heart.boundaries["qrs_on"] < heart.r_peaks) & (heart.r_peaks < heart.boundaries["qrs_off"])
    ).all()


def test_what_is_not_there_has_no_truth() -> None:
    assert simulate("af").truth["pr_ms"] is None
    assert np.isnan(simulate("af").boundaries["p_on"]).all()
    assert set(simulate("asystole").truth.values()) == {None}
    assert simulate("pvc").symbols.count("V") >= 1
    assert simulate("lead_off").electrodes_off == {"V2"}


def test_inferior_infarct_lifts_the_inferior_leads_and_lowers_their_opposite() -> None:
    heart = simulate("inferior_stemi", 10.0)
    j60 = np.rint(heart.boundaries["qrs_off"][1:-1] + 0.06 * 500).astype(int)
    start = np.rint(heart.boundaries["qrs_on"][1:-1]).astype(int) - 3
    st = np.median(heart.samples[:, j60] - heart.samples[:, start], axis=1)
    assert (st[[LEADS.index(name) for name in ("II", "III", "aVF")]] > 100).all()
    assert st[LEADS.index("aVL")] < -100


@pytest.mark.parametrize("wrong", ["nonsense", "sinus:5", "sinus:900", "sinus:x"])
def test_unknown_scenarios_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        simulate(wrong)
