"""T waves from a table of numbers, and the pattern of high potassium from a beat."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from ecg import beats, study
from ecg.leads import LEADS
from ecg.rules import repolarisation
from ecg.rules.complex import Complex, beat
from ecg.simulate import simulate
from ecg.study import Finding, Person, Study


@cache
def of(scenario: str) -> Study:
    heart = simulate(scenario, 10.0, 500.0, seed=3)
    return study.study(heart.samples, 500.0)


def view(**leads: Any) -> Complex:
    one = of("sinus")
    table = {name: one.per_lead[name] | leads.get(name, {}) for name in LEADS}
    return beat(replace(one, per_lead=table), Person("male", 60.0))


def said(one: Complex, kind: str = "none", **more: Any) -> dict[str, Finding]:
    options = {"high_voltage": False, "strained": ()} | more
    return {f.code: f for f in repolarisation.t_waves(one, kind, **options)}


DOWN = {"t_mv": 0.0, "t_neg_mv": -0.15}
DEEP = {"t_mv": 0.0, "t_neg_mv": -0.45}


def test_inversion_needs_two_neighbours() -> None:
    assert said(view()) == {}
    assert said(view(V5=DOWN)) == {}
    assert said(view(V5=DOWN, V6=DOWN))["t_inversion"].rule == "t.inverted"
    assert said(view(V5=DEEP, V6=DOWN))["t_inversion"].rule == "t.inverted_deep"


def test_inversion_behind_right_bundle_in_v2_and_v3_is_not_spoken_of() -> None:
    assert said(view(V2=DOWN, V3=DOWN), "right") == {}


def test_strain_is_secondary() -> None:
    found = said(view(V5=DOWN, V6=DOWN), high_voltage=True, strained=("V5", "V6"))
    assert set(found) == {"secondary_st_t_change"}


def test_flat_t_under_tall_r() -> None:
    flat = {"t_mv": 0.05, "t_neg_mv": 0.0, "r_mv": 1.2}
    assert set(said(view(V4=flat, V5=flat, V6=flat))) == {"t_abnormal"}
    assert said(view(V5=flat, V6=flat)) == {}


def test_wellens_needs_st_on_the_line_and_r_kept() -> None:
    flat = {"j_mv": 0.02, "st40_mv": 0.03}
    turned = DEEP | flat
    assert set(said(view(V2=turned, V3=turned))) == {"wellens_pattern"}
    lost = turned | {"r_mv": 0.0, "q_mv": -1.0, "q_ms": 60.0, "s_mv": 0.0}
    assert "wellens_pattern" not in said(view(V2=lost, V3=lost))
    up = DEEP | {"j_mv": 0.3, "st40_mv": 0.3}
    assert "wellens_pattern" not in said(view(V2=up, V3=up))


def test_de_winter_rises_from_below_into_a_tall_t() -> None:
    rising = {"j_mv": -0.15, "st40_mv": -0.08, "st80_mv": 0.05, "t_mv": 0.9, "t_neg_mv": 0.0}
    assert set(said(view(V3=rising, V4=rising))) == {"de_winter_pattern"}
    falling = rising | {"st80_mv": -0.15}
    assert said(view(V3=falling, V4=falling)) == {}


def test_narrow_tall_t_is_potassium_with_a_broad_qrs(monkeypatch: pytest.MonkeyPatch) -> None:
    heart = simulate("hyperkalaemia", 10.0, 500.0, seed=3)
    # Whether such a T is taken for a beat is the detector's own test.
    monkeypatch.setattr(beats, "detect", lambda *_, **__: heart.r_peaks)
    measured = beat(study.study(heart.samples, 500.0), Person("male", 60.0))
    (found,) = repolarisation.potassium(measured, without_p=True)
    assert found.code == "hyperkalaemia_pattern"
    assert len(found.leads) >= 3
    assert repolarisation.potassium(beat(of("sinus")), without_p=False) == []
