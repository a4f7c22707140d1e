"""Who leads from above: rules on a strip whose numbers are set by hand."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from ecg import study
from ecg.rules import supraventricular
from ecg.rules.conduction import Conduction
from ecg.rules.strip import Strip, strip
from ecg.simulate import simulate
from ecg.study import Person

ADULT = Person("male", 60.0)


@cache
def base() -> Strip:
    return strip(study.study(simulate("sinus", 10.0, 500.0, seed=3).samples, 500.0))


def with_rr(rr_s: list[float], measured: dict[str, Any] | None = None, **atria: float) -> Strip:
    """The sinus strip with other intervals, measurements and atria."""
    plain = base()
    rr = np.array(rr_s)
    r_s = 0.3 + np.concatenate(([0.0], np.cumsum(rr)))
    one = replace(plain.study, measurements=plain.study.measurements | (measured or {}))
    return replace(
        plain,
        study=one,
        r_s=r_s,
        rr_s=rr,
        kinds=("N",) * r_s.size,
        own=np.ones(rr.size, dtype=bool),
        atrial=plain.atrial._replace(**atria),
    )


def codes(seen: Strip, person: Person = ADULT) -> list[str]:
    return [finding.code for finding in supraventricular.leader(seen, person)]


IRREGULAR = [0.62, 0.9, 0.55, 0.71, 1.02, 0.6, 0.84, 0.52, 0.95, 0.68, 0.77, 0.59]
NO_P = {"pr_ms": None, "p_ms": None, "p_axis_deg": None}


def test_irregular_without_p_is_fibrillation_and_with_p_is_not() -> None:
    assert codes(with_rr(IRREGULAR, NO_P, coherence=0.02, wave_share=0.65, before_uv=25.0)) == [
        "atrial_fibrillation"
    ]
    assert "atrial_fibrillation" not in codes(with_rr(IRREGULAR, None, coherence=0.95, wave_share=0.5))


def with_kinds(kinds: str, rr_s: list[float]) -> Strip:
    return replace(with_rr(rr_s, NO_P, coherence=0.0, wave_share=0.6, before_uv=20.0), kinds=tuple(kinds))


@pytest.mark.parametrize(
    ("kinds", "chosen"),
    [
        ("NNNNNN", "11111"),
        ("NNVNNNNN", "1000111"),
        ("NNVNNVNN", "1001001"),
        ("NVNVNV", "00000"),
        ("NNSNNNN", "100011"),
        ("//NNNN", "00111"),
        ("//NV//", "00000"),
        ("NNVNNN", "10011"),
    ],
)
def test_only_intervals_between_conducted_beats_tell_of_the_atria(kinds: str, chosen: str) -> None:
    seen = with_kinds(kinds, [0.8] * (len(kinds) - 1))
    assert "".join(str(int(one)) for one in supraventricular.conducted(seen)) == chosen


def test_an_interval_that_cannot_be_seen_tells_nothing() -> None:
    seen = with_kinds("NNNNNN", [0.8, 0.7, float("nan"), 0.9, 0.6])
    assert supraventricular.conducted(seen).tolist() == [True, True, False, True, True]


def test_bigeminy_is_no_fibrillation_and_fibrillation_with_ventricular_beats_is() -> None:
    coupled = [0.5, 1.1] * 5 + [0.5]
    assert supraventricular.fibrillation(with_kinds("NV" * 6, coupled)) == (-np.inf, {})
    rr = [0.62, 0.9, 0.5, 0.95, 0.55, 0.71, 1.02, 0.6, 0.84, 0.52, 0.95, 0.5, 1.0, 0.77, 0.59]
    odds, numbers = supraventricular.fibrillation(with_kinds("NNNVNNNNNNNNVNNN", rr))
    assert odds > 2
    assert set(numbers) == set(supraventricular.AF_FEATURES)


def test_steady_beats_are_no_fibrillation_whatever_the_atria_show() -> None:
    seen = with_kinds("N" * 12, [0.8, 0.81] * 5 + [0.8])
    assert supraventricular.fibrillation(seen)[0] == -np.inf
    # A few like changes in a row are not steady yet where the whole is spread.
    by_chance = with_kinds("N" * 12, [0.9, 0.92, 0.9, 0.93, 1.4, 1.38, 1.42, 0.88, 0.6, 0.62, 0.6])
    assert supraventricular.fibrillation(by_chance)[0] > 0


def test_a_measured_p_wave_speaks_against_fibrillation() -> None:
    without = with_rr(IRREGULAR, NO_P, coherence=0.2, wave_share=0.6)
    with_p = with_rr(IRREGULAR, {"pr_ms": 160.0}, coherence=0.2, wave_share=0.6)
    assert supraventricular.fibrillation(without)[0] - supraventricular.fibrillation(with_p)[0] > 2


def test_one_early_beat_in_a_steady_rhythm_is_no_fibrillation() -> None:
    rr = [0.8] * 5 + [0.5, 1.1] + [0.8] * 5
    assert "atrial_fibrillation" not in codes(with_rr(rr, None, coherence=0.8))


@pytest.mark.parametrize(
    ("axis", "pr_ms", "code"),
    [
        (50.0, 160.0, "sinus_rhythm"),
        (-80.0, 150.0, "atrial_rhythm"),
        (-80.0, 100.0, "accelerated_junctional_rhythm"),
    ],
)
def test_the_direction_of_p_tells_where_it_comes_from(axis: float, pr_ms: float, code: str) -> None:
    seen = with_rr([0.83] * 11, {"p_axis_deg": axis, "pr_ms": pr_ms})
    if axis < 0:
        down = {name: {"p_mv": 0.01, "p_neg_mv": -0.12} for name in ("II", "aVF")}
        table = {name: values | down.get(name, {}) for name, values in seen.study.per_lead.items()}
        seen = replace(seen, study=replace(seen.study, per_lead=table))
    assert codes(seen)[0] == code


@pytest.mark.parametrize(
    ("pr_ms", "age", "block"), [(200.0, 60.0, False), (201.0, 60.0, True), (185.0, 8.0, True)]
)
def test_a_long_pr_by_age(pr_ms: float, age: float, block: bool) -> None:
    seen = with_rr([0.8] * 11, {"pr_ms": pr_ms})
    assert ("av_block_1" in codes(seen, Person(None, age))) is block


def test_fast_steady_and_narrow_without_p_is_supraventricular() -> None:
    fast = with_rr([0.34] * 28, NO_P, coherence=0.9)
    assert codes(fast) == ["supraventricular_tachycardia"]
    assert codes(with_rr([0.34] * 28, {"pr_ms": 110.0}), Person(None, 1.5))[0] == "sinus_tachycardia"
    # A P wave before each QRS, at a rate that a sinus node of this age still reaches.
    assert codes(with_rr([0.39] * 25, {"pr_ms": 120.0}), Person(None, 30.0))[0] == "sinus_tachycardia"


def test_flutter_needs_a_cycle_shorter_than_rr() -> None:
    assert codes(with_rr([0.84] * 11, NO_P, flutter=0.7, cycle_ms=210.0)) == ["atrial_flutter"]
    assert "atrial_flutter" not in codes(with_rr([0.3] * 30, NO_P, flutter=0.9, cycle_ms=300.0))
    assert "atrial_flutter" not in codes(with_rr([0.84] * 11, NO_P, flutter=0.4, cycle_ms=210.0))


def test_block_of_third_degree_needs_what_comes_before_the_qrs_to_change() -> None:
    apart = Conduction("dissociated", 0.7)
    assert codes(replace(with_rr([1.5] * 6, NO_P, coherence=0.1), conduction=apart)) == ["av_block_3"]
    assert "av_block_3" not in codes(replace(with_rr([1.5] * 6, None, coherence=0.9), conduction=apart))


def test_a_slow_steady_rhythm_under_f_waves_is_a_block_too() -> None:
    waves = {"waves_uv": 40.0, "waves_over_wander": 1.5, "waves_even": 0.4, "coherence": 0.1, "flutter": 0.1}
    seen = replace(with_rr([1.4] * 7, NO_P, **waves), conduction=Conduction())
    assert codes(seen) == ["atrial_fibrillation", "av_block_3"]


@pytest.mark.parametrize(
    ("rr", "qrs_ms", "code"),
    [
        (1.25, 90.0, "junctional_rhythm"),
        (0.8, 90.0, "accelerated_junctional_rhythm"),
        (1.6, 160.0, "ventricular_rhythm"),
        (0.8, 160.0, "accelerated_ventricular_rhythm"),
    ],
)
def test_without_p_another_place_leads(rr: float, qrs_ms: float, code: str) -> None:
    seen = with_rr([rr] * 7, NO_P | {"qrs_ms": qrs_ms}, coherence=0.1, before_uv=5.0, waves_uv=3.0)
    assert codes(replace(seen, conduction=Conduction())) == [code]


def test_where_p_may_be_unseen_nothing_is_said() -> None:
    seen = with_rr([0.8] * 11, NO_P, coherence=0.1, before_uv=5.0, waves_uv=3.0)
    rough = replace(seen.study, quality=seen.study.quality._replace(verdict="rhythm_only"))
    assert codes(replace(seen, conduction=Conduction(), study=rough)) == []


@pytest.mark.parametrize(("gap", "code"), [(1.6, "sinoatrial_block"), (2.0, "sinus_arrest"), (1.2, None)])
def test_a_gap_without_a_p_wave_is_block_or_arrest_by_its_length(gap: float, code: str | None) -> None:
    seen = with_rr([0.8] * 5 + [gap] + [0.8] * 3)
    silent = replace(seen, atrial=seen.atrial._replace(p_peaks=np.zeros(0, dtype=np.int64)))
    found = set(codes(silent)) & {"sinoatrial_block", "sinus_arrest"}
    assert found == ({code} if code else set())


@pytest.mark.parametrize(
    ("rr", "swings"),
    [
        ([0.8, 0.84, 0.9, 0.86, 0.8, 0.78], False),
        ([0.7, 0.8, 0.95, 0.9, 0.75, 0.7], True),
        ([0.8] * 5 + [2.0], False),
    ],
)
def test_sinus_arrhythmia_is_a_swing_and_no_pause(rr: list[float], swings: bool) -> None:
    assert ("sinus_arrhythmia" in codes(with_rr(rr))) is swings
