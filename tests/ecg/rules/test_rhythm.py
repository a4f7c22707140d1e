"""Rhythm statements: each rule with a strip that fires it and one that does not."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import study
from ecg.leads import LEADS
from ecg.rules import rhythm
from ecg.simulate import simulate
from ecg.study import Finding, Person, Study
from protocols.statements import STATEMENTS

LETTERS = {"A": "S", "E": "V", "L": "N", "R": "N"}


@cache
def of(scenario: str, seed: int = 3) -> Study:
    """A study whose beats, classes and spikes are those of the simulation."""
    heart = simulate(scenario, 10.0, 500.0, seed=seed)
    found = study.study(heart.samples, 500.0, heart.electrodes_off)
    kinds = tuple(LETTERS.get(s, s) for s in heart.symbols)
    return replace(found, r_peaks=heart.r_peaks, classes=kinds, spikes=heart.spikes)


def codes(one: Study, person: Person | None = None) -> set[str]:
    return {finding.code for finding in rhythm.statements(one, person)}


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ("sinus", {"sinus_rhythm"}),
        ("sinus:45", {"sinus_bradycardia"}),
        ("sinus:118", {"sinus_tachycardia"}),
        ("sinus_arrhythmia", {"sinus_rhythm", "sinus_arrhythmia"}),
        ("af", {"atrial_fibrillation"}),
        ("flutter_4to1", {"atrial_flutter"}),
        ("flutter_varying", {"atrial_flutter"}),
        ("junctional", {"junctional_rhythm"}),
        ("idioventricular", {"ventricular_rhythm"}),
        ("accelerated_idioventricular", {"accelerated_ventricular_rhythm"}),
        ("vt", {"ventricular_tachycardia"}),
        ("svt", {"supraventricular_tachycardia"}),
        ("av_block_1", {"sinus_rhythm", "av_block_1"}),
        ("av_block_2_mobitz_1", {"sinus_rhythm", "av_block_2_mobitz_1"}),
        ("av_block_2_mobitz_2", {"sinus_rhythm", "av_block_2_mobitz_2"}),
        ("av_block_2_1", {"sinus_rhythm", "av_block_2_1"}),
        ("av_block_high_grade", {"sinus_rhythm", "av_block_high_grade"}),
        ("av_block_3", {"av_block_3"}),
        ("av_block_3_wide", {"av_block_3", "ventricular_rhythm"}),
        ("paced", {"paced_rhythm"}),
        ("paced_block", {"paced_rhythm", "av_block_3"}),
        ("af_paced", {"paced_rhythm", "atrial_fibrillation"}),
        ("paced_failing", {"paced_rhythm", "failure_to_capture", "long_rr"}),
        ("af_preexcited", {"atrial_fibrillation", "atrial_fibrillation_preexcited"}),
        ("pause", {"sinus_rhythm", "sinus_arrest", "long_rr"}),
        ("vf", {"ventricular_fibrillation"}),
        ("ventricular_flutter", {"ventricular_flutter"}),
        ("torsades", {"torsades_de_pointes"}),
        ("asystole", {"asystole"}),
        ("standstill", {"ventricular_standstill"}),
        ("lbbb", {"sinus_rhythm"}),
        ("pac", {"sinus_rhythm", "atrial_premature"}),
        ("noise", set()),
    ],
)
def test_each_rhythm_is_named_and_no_other(scenario: str, said: set[str]) -> None:
    found = codes(of(scenario))
    assert said <= found
    others = {"long_rr", "heart_rate_low"}
    assert found - said <= others, found - said


def test_a_child_is_not_fast_where_an_adult_is() -> None:
    fast = of("sinus:130")
    assert codes(fast) == {"sinus_tachycardia"}
    assert codes(fast, Person(None, 0.5)) == {"sinus_rhythm"}
    assert codes(of("sinus:70"), Person(None, 0.5)) == {"sinus_bradycardia"}


def test_every_statement_is_in_the_table_and_says_why() -> None:
    known = {row.code for row in STATEMENTS}
    for scenario in ("sinus", "af", "vt", "av_block_3", "pause", "paced_failing", "vf", "bigeminy"):
        for finding in rhythm.statements(of(scenario)):
            assert isinstance(finding, Finding)
            assert finding.code in known
            assert "." in finding.rule
            assert finding.numbers
            assert set(finding.leads) <= set(LEADS)
            assert all(np.isfinite(value) for value in finding.numbers.values())


def test_a_strip_to_be_repeated_says_nothing_but_an_arrest() -> None:
    sinus, fibrillating = of("sinus"), of("vf")
    bad = sinus.quality._replace(verdict="repeat")
    assert rhythm.statements(replace(sinus, quality=bad)) == []
    assert codes(replace(fibrillating, quality=bad)) == {"ventricular_fibrillation"}


def test_a_run_inside_the_strip_tells_where() -> None:
    run = next(
        f for f in rhythm.statements(of("ventricular_run")) if f.code == "ventricular_tachycardia_unsustained"
    )
    assert run.start is not None
    assert run.end is not None
    assert 1 <= (run.end - run.start) / 500 <= 3


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((12, 0)),
        np.zeros((12, 1)),
        np.zeros((12, 5000)),
        np.full((12, 5000), np.nan),
        np.full((12, 5000), 32000.0),
        np.tile(2000 * np.sin(2 * np.pi * 50 * np.arange(5000) / 500), (12, 1)),
    ],
    ids=["empty", "one sample", "constant", "nothing", "rail", "mains"],
)
def test_bad_input_has_an_answer(samples: np.ndarray) -> None:
    assert rhythm.statements(study.study(samples, 500.0)) == []


def test_a_long_strip_is_read_minute_by_minute() -> None:
    calm, wild = simulate("sinus", 120.0, 250.0, seed=2), simulate("af", 60.0, 250.0, seed=2)
    samples = np.concatenate((calm.samples, wild.samples), axis=1)
    found = {f.code: f for f in rhythm.statements(study.study(samples, 250.0))}
    af = found["atrial_fibrillation"]
    assert af.start == pytest.approx(120 * 250, abs=60 * 250)
    assert found["sinus_rhythm"].start == 0
    whole = rhythm.statements(study.study(calm.samples[:, : 60 * 250], 250.0))
    assert [f.start for f in whole if f.code == "sinus_rhythm"] == [None]
    steady = simulate("sinus", 150.0, 250.0, seed=2)
    (only,) = rhythm.statements(study.study(steady.samples, 250.0))
    assert (only.code, only.start) == ("sinus_rhythm", None)


def test_wrong_gain_by_a_thousand_invents_no_arrest() -> None:
    heart = simulate("sinus", 10.0, 500.0, seed=3)
    for gain in (1e-3, 1e3):
        found = codes(study.study(heart.samples * gain, 500.0))
        assert not found & {"ventricular_fibrillation", "ventricular_tachycardia", "atrial_fibrillation"}


@settings(max_examples=12, deadline=None)
@given(
    scenario=st.sampled_from(["sinus", "af", "pause", "av_block_3", "vt", "paced", "vf"]),
    rate_hz=st.sampled_from([100.0, 250.0, 360.0, 500.0]),
    seconds=st.sampled_from([0.5, 2.0, 5.0, 10.0]),
    seed=st.integers(1, 10_000),
)
def test_holes_leave_known_numbers_and_places_inside(
    scenario: str, rate_hz: float, seconds: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    samples = simulate(scenario, 10.0, rate_hz, seed=seed).samples[:, : int(seconds * rate_hz)].copy()
    a, b = np.sort(rng.integers(0, samples.shape[1], 2))
    samples[:, a:b] = np.nan
    samples[rng.random(12) < 0.3] = np.nan
    for finding in rhythm.statements(study.study(samples, rate_hz)):
        assert all(np.isfinite(value) for value in finding.numbers.values())
        assert finding.start is None or 0 <= finding.start <= samples.shape[1]
        assert finding.end is None or finding.end <= samples.shape[1] + 0.2 * rate_hz


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(1, 10_000), gain=st.floats(0.5, 2.0), offset=st.floats(-3000, 3000))
def test_gain_and_offset_do_not_change_the_rhythm(seed: int, gain: float, offset: float) -> None:
    heart = simulate("af", 10.0, 250.0, seed=seed)
    plain = codes(study.study(heart.samples, 250.0))
    assert codes(study.study(heart.samples * gain + offset, 250.0)) == plain
