"""ST and Q from a table of numbers: thresholds by sex and age, walls, opposite leads, echoes of the QRS."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg import study
from ecg.leads import LEADS
from ecg.rules import ischaemia
from ecg.rules.complex import Complex, beat
from ecg.simulate import simulate
from ecg.study import Finding, Person, Study


@cache
def base() -> Study:
    return study.study(simulate("sinus", 10.0, 500.0, seed=3).samples, 500.0)


FLAT = {f"st{ms}_mv": 0.0 for ms in (20, 40, 60, 80)} | {"j_mv": 0.0}


def st_at(level: float) -> dict[str, float]:
    return dict.fromkeys(FLAT, level)


def view(
    person: Person = Person("male", 60.0), measured: dict[str, float] | None = None, **leads: Any
) -> Complex:
    """A plain beat with its ST on the line and some leads changed."""
    one = base()
    table = {name: one.per_lead[name] | FLAT | leads.get(name, {}) for name in LEADS}
    quiet = {"qtcb_ms": 360.0}
    return beat(
        replace(one, per_lead=table, measurements=one.measurements | quiet | (measured or {})), person
    )


def found(one: Complex, kind: str = "none", **more: Any) -> dict[str, Finding]:
    options = {"high_voltage": False, "strained": ()} | more
    return {f.code: f for f in ischaemia.segments(one, kind, **options)}


LOW_T = {"t_mv": 0.15, "t_neg_mv": 0.0}
"""A T wave too low for early repolarisation."""


@pytest.mark.parametrize(
    ("sex", "age", "level", "fires"),
    [
        ("male", 60.0, 0.21, True),
        ("male", 60.0, 0.19, False),
        ("male", 30.0, 0.24, False),
        ("male", 30.0, 0.26, True),
        ("female", 30.0, 0.16, True),
        ("female", 30.0, 0.14, False),
        (None, None, 0.16, True),
    ],
)
def test_v2_and_v3_by_sex_and_age(sex: Any, age: float | None, level: float, fires: bool) -> None:
    up = st_at(level) | LOW_T
    assert bool(found(view(Person(sex, age), V2=up, V3=up))) is fires


def test_one_lead_alone_is_nothing() -> None:
    assert found(view(II=st_at(0.2) | LOW_T)) == {}
    assert "mi_inferior_acute" in found(view(II=st_at(0.11) | LOW_T, aVF=st_at(0.11) | LOW_T))


@pytest.mark.parametrize(
    ("leads", "code"),
    [
        (("II", "III", "aVF"), "mi_inferior_acute"),
        (("II", "III", "aVF", "V5", "V6"), "mi_inferolateral_acute"),
        (("V1", "V2"), "mi_septal_acute"),
        (("V1", "V2", "V3"), "mi_anteroseptal_acute"),
        (("V2", "V3", "V4"), "mi_anterior_acute"),
        (("V1", "V2", "V3", "V4", "V5"), "mi_extensive_anterior_acute"),
        (("V3", "V4", "V5", "V6"), "mi_anterolateral_acute"),
        (("I", "aVL"), "mi_high_lateral_acute"),
        (("I", "aVL", "V5", "V6"), "mi_lateral_acute"),
    ],
)
def test_each_wall_has_its_name(leads: tuple[str, ...], code: str) -> None:
    up = st_at(0.3) | LOW_T
    assert set(found(view(**dict.fromkeys(leads, up)))) == {code}


def test_what_is_opposite_is_told() -> None:
    up, down = st_at(0.2) | LOW_T, st_at(-0.12)
    finding = found(view(II=up, III=up, aVF=up, aVL=down, I=down))["mi_inferior_acute"]
    assert finding.numbers["reciprocal_avl_mv"] == -0.12
    assert set(finding.leads) == {"II", "III", "aVF"}


def test_a_sloping_end_of_the_qrs_is_no_elevation() -> None:
    slope = {"j_mv": 0.25, "st20_mv": 0.1, "st40_mv": 0.02, "st60_mv": 0.0, "st80_mv": 0.0}
    assert found(view(II=slope, aVF=slope, III=slope)) == {}


def test_early_repolarisation_is_concave_under_a_tall_t_without_opposite() -> None:
    person = Person("male", 25.0)
    up = {"j_mv": 0.26, "st20_mv": 0.28, "st40_mv": 0.3, "st60_mv": 0.3, "st80_mv": 0.34} | {
        "t_mv": 1.0,
        "t_neg_mv": 0.0,
        "r_mv": 2.5,
        "qrs_pp_mv": 3.5,
    }
    quiet = {"qtcb_ms": 380.0}
    assert set(found(view(person, quiet, V2=up, V3=up, V4=up))) == {"early_repolarisation"}
    long = {"qtcb_ms": 460.0}
    low = up | {"r_mv": 0.4, "qrs_pp_mv": 1.2}
    assert "mi_anterior_acute" in found(view(person, long, V2=low, V3=low, V4=low))
    down = st_at(-0.1)
    assert "mi_anterior_acute" in found(view(person, quiet, V2=up, V3=up, V4=up, III=down, aVF=down))


@pytest.mark.parametrize("level", [0.25, 0.6])
def test_high_voltage_and_a_deep_s_explain_a_level_in_proportion(level: float) -> None:
    deep = st_at(level) | LOW_T | {"s_mv": -2.0, "r_mv": 0.3}
    fired = found(view(V1=deep, V2=deep, V3=deep), high_voltage=True)
    assert bool(fired) is (level > 0.5)


def test_behind_left_bundle_only_what_the_qrs_does_not_explain() -> None:
    up_qrs = {"r_mv": 1.5, "s_mv": 0.0, "q_mv": 0.0}
    down_qrs = {"r_mv": 0.1, "s_mv": -2.0}
    echo = {"V1": st_at(0.3) | down_qrs, "V2": st_at(0.4) | down_qrs, "V5": st_at(-0.2) | up_qrs}
    assert set(found(view(**echo), "left")) == {"secondary_st_t_change"}
    with_it = {"V5": st_at(0.15) | up_qrs, "V6": st_at(0.15) | up_qrs, "I": st_at(0.0) | up_qrs}
    assert found(view(**with_it), "left")["mi_lateral_acute"].rule == "st.concordant_left"
    too_much = {"V1": st_at(0.6) | down_qrs, "V2": st_at(0.7) | down_qrs}
    assert found(view(**too_much), "left")["mi_septal_acute"].rule == "st.excessive_left"
    paced = found(view(**too_much), "paced")
    assert paced["st_elevation"].rule == "st.excessive_paced"
    assert not {code for code in paced if code.startswith("mi_")}


def test_the_back_wall_shows_in_the_mirror() -> None:
    mirror = st_at(-0.15) | {"t_mv": 0.4, "t_neg_mv": -0.05, "r_mv": 1.2, "s_mv": -0.4}
    assert set(found(view(V1=mirror, V2=mirror, V3=mirror))) == {"mi_posterior_acute"}
    under_s = mirror | {"r_mv": 0.2, "s_mv": -1.5}
    assert "mi_posterior_acute" not in found(view(V1=under_s, V2=under_s, V3=under_s))


def test_an_infarct_that_evolves_has_q_and_t_against_each_other() -> None:
    q = {"q_mv": -0.9, "q_ms": 60.0, "r_mv": 0.0, "s_mv": 0.0}
    evolving = q | st_at(0.08) | {"t_mv": 0.05, "t_neg_mv": -0.3}
    assert found(view(V2=evolving, V3=evolving, V4=evolving))["mi_anterior_acute"].rule == "q.evolving"
    old = q | st_at(0.0) | {"t_mv": 0.1, "t_neg_mv": 0.0}
    assert set(found(view(V2=old, V3=old))) == {"q_abnormal", "mi_anteroseptal_old"}


def test_depression_is_deep_or_not_and_widespread_with_avr() -> None:
    shallow, deep = st_at(-0.06), st_at(-0.14)
    assert found(view(V5=shallow, V6=shallow))["st_depression"].rule == "st.depression"
    assert found(view(V5=deep, V6=deep))["st_depression"].rule == "st.depression_deep"
    six = dict.fromkeys(("I", "II", "aVF", "V4", "V5", "V6"), deep)
    assert set(found(view(**six, aVR=st_at(0.12)))) == {"diffuse_st_depression"}
    assert set(found(view(V5=deep, V6=deep), strained=("V5", "V6"), high_voltage=True)) == {
        "secondary_st_t_change"
    }


def test_rising_depression_is_none() -> None:
    rising = {"j_mv": -0.1, "st20_mv": -0.1, "st40_mv": -0.08, "st60_mv": 0.0, "st80_mv": 0.05}
    assert found(view(V4=rising, V5=rising)) == {}


@given(level=st.floats(-0.5, 0.5), other=st.floats(-0.5, 0.5))
def test_the_level_is_never_farther_from_the_line_than_j(level: float, other: float) -> None:
    got = ischaemia.level(view(V5={"j_mv": level, "st40_mv": other}), "V5")
    assert abs(got) <= abs(level) + 1e-12
    assert got * level >= 0
