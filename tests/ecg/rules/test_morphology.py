"""Shape statements of whole strips: the simulated heart, and a few real ones."""

from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
import pytest

from ecg import study
from ecg.leads import LEADS
from ecg.rules import morphology, rhythm
from ecg.simulate import simulate
from ecg.study import Finding, Person, Study
from protocols.statements import STATEMENTS

LETTERS = {"A": "S", "E": "V", "L": "N", "R": "N"}
MAN = Person("male", 60.0)


@cache
def of(scenario: str, seed: int = 3) -> Study:
    heart = simulate(scenario, 10.0, 500.0, seed=seed)
    found = study.study(heart.samples, 500.0, heart.electrodes_off)
    kinds = tuple(LETTERS.get(s, s) for s in heart.symbols)
    if kinds and len(kinds) == found.r_peaks.size:
        found = replace(found, classes=kinds, spikes=heart.spikes)
    return found


def said(one: Study, person: Person | None = MAN) -> dict[str, Finding]:
    first = rhythm.statements(one, person)
    return {finding.code: finding for finding in morphology.statements(one, person, first)}


@pytest.mark.parametrize(
    ("scenario", "wanted"),
    [
        ("lbbb", "left_bundle_branch_block"),
        ("rbbb", "right_bundle_branch_block"),
        ("lafb", "left_anterior_fascicular_block"),
        ("wpw", "ventricular_preexcitation"),
        ("inferior_stemi", "mi_inferior_acute"),
        ("anterior_stemi", "mi_anterior_acute"),
        ("lateral_stemi", "mi_lateral_acute"),
        ("posterior_stemi", "mi_posterior_acute"),
        ("subendocardial", "diffuse_st_depression"),
        ("wellens", "wellens_pattern"),
        ("de_winter", "de_winter_pattern"),
        ("long_qt", "qtc_prolonged"),
    ],
)
def test_each_shape_is_named_and_a_plain_beat_is_not(scenario: str, wanted: str) -> None:
    assert wanted in said(of(scenario))
    assert wanted not in said(of("sinus"))


def test_a_plain_beat_says_nothing() -> None:
    assert said(of("sinus")) == {}


@pytest.mark.parametrize("seed", range(1, 7))
def test_potassium_is_seen_behind_a_rhythm_without_p(seed: int) -> None:
    heart = simulate("hyperkalaemia", 10.0, 500.0, seed=seed)
    found = said(study.study(heart.samples, 500.0))
    assert "hyperkalaemia_pattern" in found


@pytest.mark.parametrize(
    "scenario", ["idioventricular", "accelerated_idioventricular", "vt", "av_block_3_wide"]
)
def test_a_ventricular_rhythm_is_no_potassium(scenario: str) -> None:
    assert "hyperkalaemia_pattern" not in said(of(scenario))


def test_a_shape_in_swapped_leads_says_so_and_is_not_withheld() -> None:
    one = of("inferior_stemi")
    first = rhythm.statements(one, MAN)
    plain = morphology.statements(one, MAN, first)
    doubted = {f.code: f for f in morphology.statements(one, MAN, first, {"III", "aVF", "aVR"})}
    assert list(doubted) == [f.code for f in plain]
    assert doubted["mi_inferior_acute"].numbers["leads_swapped"] == 2
    assert not any("leads_swapped" in f.numbers for f in plain)
    assert morphology.statements(one, MAN, first, {"V1"}) == plain


def test_what_is_long_stays_long_whatever_is_swapped() -> None:
    one = of("long_qt")
    found = morphology.statements(one, MAN, rhythm.statements(one, MAN), LEADS)
    (long,) = [f for f in found if f.code == "qtc_prolonged"]
    assert "leads_swapped" not in long.numbers


@pytest.mark.parametrize("scenario", ["lbbb", "paced", "wpw"])
def test_secondary_changes_are_called_so_and_no_infarct(scenario: str) -> None:
    found = said(of(scenario))
    assert "secondary_st_t_change" in found
    assert not {code for code in found if code.startswith(("mi_", "t_", "st_", "q_"))}


def test_an_infarct_names_its_leads_and_the_opposite_ones() -> None:
    found = said(of("inferior_stemi"))["mi_inferior_acute"]
    assert set(found.leads) == {"II", "III", "aVF"}
    assert found.numbers["st_iii_mv"] == pytest.approx(0.35, abs=0.06)
    assert found.numbers["reciprocal_avl_mv"] < -0.1


def test_a_strip_that_is_not_diagnostic_says_nothing_of_st_and_t() -> None:
    one = of("inferior_stemi")
    rough = replace(one, quality=one.quality._replace(verdict="rhythm_only"))
    assert not {code for code in said(rough) if code.startswith(("mi_", "t_", "st_", "q_", "qtc_"))}
    spoiled = replace(one, quality=one.quality._replace(verdict="repeat"))
    assert said(spoiled) == {}


def test_an_unusable_lead_is_not_spoken_of() -> None:
    one = of("inferior_stemi")
    usable = tuple(name for name in LEADS if name != "III")
    found = said(replace(one, quality=one.quality._replace(usable=usable)))
    assert all("III" not in finding.leads for finding in found.values())
    assert all("_iii_" not in name for finding in found.values() for name in finding.numbers)


def test_a_qtc_is_long_by_sex() -> None:
    one = of("sinus")
    cases: tuple[tuple[float, Literal["male", "female"], bool], ...] = (
        (455.0, "male", True),
        (455.0, "female", False),
        (465.0, "female", True),
    )
    for qtc, sex, long in cases:
        measured = replace(one, measurements=one.measurements | {"qtcf_ms": qtc})
        assert ("qtc_prolonged" in said(measured, Person(sex, 50.0))) is long
    short = replace(one, measurements=one.measurements | {"qtcf_ms": 320.0})
    assert "qtc_short" in said(short)


@pytest.mark.parametrize("scenario", ["vf", "torsades", "asystole", "noise"])
def test_without_beats_there_is_no_shape(scenario: str) -> None:
    assert said(of(scenario)) == {}


def test_every_statement_is_in_the_table_and_says_why() -> None:
    known = {row.code for row in STATEMENTS}
    for scenario in ("lbbb", "inferior_stemi", "wpw", "wellens", "rbbb", "de_winter", "long_qt"):
        for finding in said(of(scenario)).values():
            assert finding.code in known
            assert "." in finding.rule
            assert all(np.isfinite(value) for value in finding.numbers.values())


@pytest.mark.parametrize(
    "samples",
    [np.zeros((12, 0)), np.zeros((12, 1)), np.full((12, 5000), np.nan), np.full((12, 5000), 9e5)],
    ids=["empty", "one sample", "nothing", "rail"],
)
def test_bad_input_has_an_answer(samples: np.ndarray) -> None:
    assert morphology.statements(study.study(samples, 500.0)) == []
