"""The simulated heart: exact, seeded, lawful."""

import numpy as np
import pytest

from ecg.leads import LEADS
from ecg.simulate import SCENARIOS, simulate
from protocols.statements import STATEMENTS


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


def test_every_code_is_in_the_table() -> None:
    known = {row.code for row in STATEMENTS}
    assert {code for scene in SCENARIOS.values() for code in scene.codes} <= known


def test_what_is_critical_says_so() -> None:
    critical = {name for name, scene in SCENARIOS.items() if scene.level == 0}
    assert {"vf", "asystole", "vt", "torsades", "av_block_3", "pause", "hyperkalaemia", "long_qt"} <= critical
    assert {"anterior_stemi", "inferior_stemi", "lateral_stemi", "af_preexcited"} <= critical
    assert SCENARIOS["sinus"].level == 3


def test_waves_that_belong_to_no_beat_are_counted() -> None:
    heart = simulate("av_block_3", 20.0)
    assert len(heart.p_peaks) > 1.5 * len(heart.r_peaks)
    np.testing.assert_allclose(np.diff(heart.p_peaks), np.diff(heart.p_peaks).mean(), atol=1)
    dropped = simulate("av_block_2_1", 20.0)
    assert len(dropped.p_peaks) == pytest.approx(2 * len(dropped.r_peaks), abs=1)
    assert simulate("af").p_peaks.size == 0
    conducted = simulate("sinus")
    assert len(conducted.p_peaks) == len(conducted.r_peaks)


def test_a_failing_pacemaker_fires_more_often_than_the_heart_beats() -> None:
    heart = simulate("paced_failing", 20.0)
    assert len(heart.spikes) == pytest.approx(3 * len(heart.r_peaks), abs=2)
    steep = np.abs(np.diff(heart.samples[1])).max(initial=0)
    assert steep > 5 * np.abs(np.diff(simulate("sinus", 20.0).samples[1])).max()
    assert len(simulate("paced").spikes) == pytest.approx(len(simulate("paced").r_peaks), abs=1)


def test_an_arrested_heart_has_no_beats_and_a_fibrillating_one_no_line() -> None:
    for name in ("vf", "ventricular_flutter", "asystole", "standstill"):
        assert simulate(name).r_peaks.size == 0
    spread = {name: np.ptp(simulate(name).samples[1]) for name in ("vf", "asystole", "standstill")}
    assert spread["asystole"] < spread["standstill"] < spread["vf"]


@pytest.mark.parametrize(
    ("scenario", "up", "down"),
    [
        ("anterior_stemi", ("V2", "V3", "V4"), ("III",)),
        ("lateral_stemi", ("I", "aVL", "V5", "V6"), ("III",)),
        ("posterior_stemi", (), ("V1", "V2", "V3")),
        ("subendocardial", ("aVR",), ("II", "V4", "V5", "V6")),
    ],
)
def test_each_territory_moves_its_own_leads(
    scenario: str, up: tuple[str, ...], down: tuple[str, ...]
) -> None:
    heart = simulate(scenario, 10.0)
    j60 = np.rint(heart.boundaries["qrs_off"][1:-1] + 0.06 * 500).astype(int)
    start = np.rint(heart.boundaries["qrs_on"][1:-1]).astype(int) - 3
    st = dict(zip(LEADS, np.median(heart.samples[:, j60] - heart.samples[:, start], axis=1), strict=True))
    assert all(st[name] > 90 for name in up)
    assert all(st[name] < -60 for name in down)


@pytest.mark.parametrize("wrong", ["nonsense", "sinus:5", "sinus:900", "sinus:x"])
def test_unknown_scenarios_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        simulate(wrong)
