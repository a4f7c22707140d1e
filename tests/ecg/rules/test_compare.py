"""Two ECGs of one person: each change with both numbers, and none where nothing changed."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from ecg import study
from ecg.leads import LEADS
from ecg.rules.compare import compare
from ecg.simulate import simulate
from ecg.study import Finding, Study


@cache
def of(scenario: str, seed: int = 3) -> Study:
    return study.study(simulate(scenario, 10.0, 500.0, seed=seed).samples, 500.0)


def changed(measured: dict[str, float] | None = None, **leads: Any) -> Study:
    base = of("sinus")
    table = {name: base.per_lead[name] | leads.get(name, {}) for name in LEADS}
    return replace(base, measurements=base.measurements | (measured or {}), per_lead=table)


def said(now: Study, before: Study | None = None) -> dict[str, Finding]:
    return {f.code: f for f in compare(now, before or of("sinus"), [], [])}


def test_the_same_heart_has_not_changed() -> None:
    assert compare(of("sinus"), of("sinus", 4)) == []


@pytest.mark.parametrize(
    ("key", "old", "small", "large", "code"),
    [
        ("heart_rate", 70.0, 90.0, 91.0, "change_heart_rate"),
        ("heart_rate", 100.0, 71.0, 70.0, "change_heart_rate"),
        ("pr_ms", 160.0, 199.0, 200.0, "change_pr"),
        ("qrs_ms", 90.0, 109.0, 110.0, "change_qrs"),
        ("qtcf_ms", 400.0, 459.0, 460.0, "change_qtc"),
        ("qtcf_ms", 480.0, 499.0, 500.0, "change_qtc"),
        ("qrs_axis_deg", 30.0, 74.0, 75.0, "change_axis"),
        ("qrs_axis_deg", -170.0, 160.0, 140.0, "change_axis"),
    ],
)
def test_numbers_change_from_their_limit_on(
    key: str, old: float, small: float, large: float, code: str
) -> None:
    assert code not in said(changed({key: small}), changed({key: old}))
    finding = said(changed({key: large}), changed({key: old}))[code]
    assert finding.rule.startswith("change.")
    assert {old, large} == set(finding.numbers.values())


def test_st_moves_in_two_neighbours() -> None:
    up = {"j_mv": (of("sinus").per_lead["V4"]["j_mv"] or 0.0) + 0.15}
    both = said(changed(V4=up, V5={"j_mv": (of("sinus").per_lead["V5"]["j_mv"] or 0.0) + 0.12}))
    assert set(both["change_st"].leads) == {"V4", "V5"}
    assert both["change_st"].numbers["j_v4_mv_now"] == up["j_mv"]
    assert "change_st" not in said(changed(V4=up))


def test_t_turns_over_and_back() -> None:
    down = {"t_mv": 0.0, "t_neg_mv": -0.2}
    turned = changed(V4=down, V5=down)
    assert "new_t_inversion" in said(turned)
    assert "resolved_t_inversion" in said(of("sinus"), turned)


def test_a_q_is_new() -> None:
    q = {"q_mv": -0.4, "q_ms": 45.0}
    assert said(changed(aVF=q))["new_q"].numbers["q_avf_ms_now"] == 45.0
    assert "new_q" not in said(changed(aVF=q), changed(aVF=q))


@pytest.mark.parametrize("scenario", ["af", "lbbb", "wpw", "av_block_1"])
def test_what_is_new_is_named_by_its_own_code(scenario: str) -> None:
    codes = {f.code for f in compare(of(scenario), of("sinus"))}
    back = {f.code for f in compare(of("sinus"), of(scenario)) if f.rule == "change.new"}
    wanted = {
        "af": "atrial_fibrillation",
        "lbbb": "left_bundle_branch_block",
        "wpw": "ventricular_preexcitation",
        "av_block_1": "av_block_1",
    }[scenario]
    assert wanted in codes
    assert wanted not in back


def test_st_is_not_compared_across_another_activation() -> None:
    assert not {f.code for f in compare(of("lbbb"), of("sinus"))} & {"change_st", "new_t_inversion", "new_q"}


def test_a_new_infarct_shows() -> None:
    codes = {f.code for f in compare(of("inferior_stemi"), of("sinus"))}
    assert "change_st" in codes


def test_nothing_is_said_of_a_strip_to_be_repeated() -> None:
    bad = replace(of("af"), quality=of("af").quality._replace(verdict="repeat"))
    assert compare(bad, of("sinus")) == []
    assert compare(of("sinus"), bad) == []
