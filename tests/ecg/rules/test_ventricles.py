"""Conduction, axis, voltage and hypertrophy from a table of numbers."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from ecg import study
from ecg.leads import LEADS
from ecg.rules import ventricles
from ecg.rules.complex import Complex, beat
from ecg.simulate import simulate
from ecg.study import Person, Study


@cache
def base() -> Study:
    return study.study(simulate("sinus", 10.0, 500.0, seed=3).samples, 500.0)


def view(
    measured: dict[str, float] | None = None, age: float = 60.0, sex: Any = "male", **leads: Any
) -> Complex:
    """A plain beat with some numbers changed: V1={"r_mv": 1.2} …"""
    one = base()
    table = {name: one.per_lead[name] | leads.get(name, {}) for name in LEADS}
    changed = replace(one, measurements=one.measurements | (measured or {}), per_lead=table)
    return beat(changed, Person(sex, age))


RSR = {"r_mv": 0.2, "s_mv": -0.4, "r2_mv": 0.7, "s2_mv": 0.0, "vat_ms": 80.0}
WIDE_S = {"s_mv": -0.3, "s_ms": 60.0}


def codes(found: list[Any]) -> set[str]:
    return {finding.code for finding in found}


@pytest.mark.parametrize(
    ("qrs_ms", "code"),
    [
        (140.0, "right_bundle_branch_block"),
        (130.0, "right_bundle_branch_block"),
        (129.0, "incomplete_right_bundle_branch_block"),
        (115.0, "incomplete_right_bundle_branch_block"),
        (95.0, "incomplete_right_bundle_branch_block"),
    ],
)
def test_right_bundle_by_width(qrs_ms: float, code: str) -> None:
    found = ventricles.conducting(view({"qrs_ms": qrs_ms, "pr_ms": 160.0}, V1=RSR, V6=WIDE_S, I=WIDE_S))
    assert codes(found.findings) == {code}


def test_a_broad_qrs_of_neither_form_is_a_delay_and_a_narrow_one_nothing() -> None:
    assert codes(ventricles.conducting(view({"qrs_ms": 130.0})).findings) == {
        "intraventricular_conduction_delay"
    }
    for narrow_ms in (95.0, 129.0):
        found = ventricles.conducting(view({"qrs_ms": narrow_ms}))
        assert found.findings == []
        assert found.kind == "none"


def test_left_bundle_needs_a_late_r_without_q() -> None:
    late = {"q_mv": 0.0, "r_mv": 1.4, "s_mv": 0.0, "vat_ms": 80.0}
    deep = {"r_mv": 0.1, "s_mv": -1.8, "r2_mv": 0.0}
    wide = {"qrs_ms": 150.0, "pr_ms": 170.0}
    found = ventricles.conducting(view(wide, V1=deep, V5=late, V6=late, I=late, aVL=late))
    assert found.kind == "left"
    early = late | {"vat_ms": 40.0}
    assert ventricles.conducting(view(wide, V1=deep, V5=early, V6=early, I=early, aVL=early)).kind == "slow"


@pytest.mark.parametrize(
    ("axis", "code"),
    [
        (-31.0, "left_axis_deviation"),
        (-30.0, None),
        (0.0, None),
        (90.0, None),
        (91.0, "right_axis_deviation"),
        (-120.0, "right_superior_axis"),
    ],
)
def test_axis(axis: float, code: str | None) -> None:
    assert codes(ventricles.axis(view({"qrs_axis_deg": axis}))) == ({code} if code else set())


def test_a_childs_axis_may_lie_further_right() -> None:
    assert ventricles.axis(view({"qrs_axis_deg": 100.0}, age=5.0)) == []


def test_low_voltage_needs_all_limb_leads() -> None:
    low = {name: {"qrs_pp_mv": 0.4} for name in LEADS[:6]}
    assert codes(ventricles.voltage(view(**low))) == {"low_voltage"}
    assert ventricles.voltage(view(**(low | {"II": {"qrs_pp_mv": 0.6}}))) == []


@pytest.mark.parametrize(
    ("measured", "strained", "code"),
    [
        ({"sokolow_mv": 4.5, "cornell_mv": 1.0}, (), "left_ventricular_high_voltage"),
        ({"sokolow_mv": 4.5, "cornell_mv": 3.0}, (), "left_ventricular_hypertrophy"),
        ({"sokolow_mv": 4.5, "cornell_mv": 1.0}, ("V5", "V6"), "left_ventricular_hypertrophy"),
        ({"sokolow_mv": 3.0, "cornell_mv": 2.0}, (), None),
    ],
)
def test_left_ventricle(measured: dict[str, float], strained: tuple[str, ...], code: str | None) -> None:
    found = codes(ventricles.hypertrophy(view(measured | {"ptf_v1_mms": 0.0}), "none", strained))
    assert found == ({code} if code else set())


def test_cornell_is_lower_in_women() -> None:
    measured = {"sokolow_mv": 2.0, "cornell_mv": 2.4, "ptf_v1_mms": 0.0}
    assert ventricles.hypertrophy(view(measured), "none", ()) == []
    assert codes(ventricles.hypertrophy(view(measured, sex="female"), "none", ())) == {
        "left_ventricular_high_voltage"
    }


def test_right_ventricle_and_atria() -> None:
    tall = {"r_mv": 1.1, "s_mv": -0.2}
    deep = {"s_mv": -0.9}
    found = ventricles.hypertrophy(view({"qrs_axis_deg": 115.0}, V1=tall, V5=deep), "none", ())
    assert "right_ventricular_hypertrophy" in codes(found)
    assert "right_ventricular_hypertrophy" not in codes(
        ventricles.hypertrophy(view({"qrs_axis_deg": 60.0}, V1=tall, V5=deep), "none", ())
    )
    left = ventricles.hypertrophy(view({"p_ms": 130.0, "ptf_v1_mms": -0.06}), "none", ())
    assert "left_atrial_enlargement" in codes(left)
    right = ventricles.hypertrophy(view(II={"p_mv": 0.3}), "none", ())
    assert "right_atrial_enlargement" in codes(right)


def test_poor_r_only_without_block() -> None:
    small = {"r_mv": 0.2, "s_mv": -1.0}
    weak = view(V3=small, V4={"r_mv": 0.4})
    assert codes(ventricles.poor_r(weak, "none")) == {"poor_r_progression"}
    assert ventricles.poor_r(weak, "left") == []
