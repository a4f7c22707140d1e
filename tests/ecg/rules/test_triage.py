"""Levels of urgency: by rate alone, and by everything that was found."""

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg import study
from ecg.rules import morphology, rhythm
from ecg.rules.profiles import PROFILES
from ecg.rules.triage import judge, rates
from ecg.simulate import simulate
from ecg.study import Finding, Person, Study


@cache
def plain() -> Study:
    return study.study(simulate("sinus", 10.0, 500.0, seed=3).samples, 500.0)


def at_rate(rate: float | None, verdict: str = "diagnostic") -> Study:
    """The plain heart with another mean rate, and nothing else said of it."""
    measured = plain().measurements | {"heart_rate": rate}
    judged = plain().quality._replace(verdict=verdict)  # type: ignore[arg-type]  # one of three words
    return replace(plain(), measurements=measured, quality=judged)


@pytest.mark.parametrize(
    ("rate", "level", "codes"),
    [
        (20.0, 0, ["heart_rate_low"]),
        (35.0, 0, ["heart_rate_low"]),
        (35.1, 1, ["heart_rate_low"]),
        (40.1, 2, ["heart_rate_low"]),
        (50.0, 2, ["heart_rate_low"]),
        (50.1, None, []),
        (75.0, None, []),
        (119.9, None, []),
        (120.0, 2, ["heart_rate_high"]),
        (150.0, 1, ["heart_rate_high"]),
        (180.0, 0, ["heart_rate_high"]),
    ],
)
def test_limits_of_the_mean_rate(rate: float, level: int | None, codes: list[str]) -> None:
    verdict = judge(at_rate(rate), [])
    assert verdict.level == level
    assert [reason.finding.code for reason in verdict.reasons] == codes
    assert all(reason.finding.numbers == {"rate_per_min": rate} for reason in verdict.reasons)
    assert all(reason.source for reason in verdict.reasons)


def test_an_unusable_recording_says_nothing_by_its_rate() -> None:
    verdict = judge(at_rate(20.0, "repeat"), [])
    assert (verdict.level, verdict.reasons, verdict.repeat) == (None, (), True)


def one(code: str, **numbers: float) -> list[Finding]:
    return [Finding(code, "test.rule", (), numbers)]


SINUS = one("sinus_rhythm", rate_per_min=72.0)


@pytest.mark.parametrize(
    ("code", "numbers", "level"),
    [
        ("ventricular_fibrillation", {}, 0),
        ("asystole", {}, 0),
        ("torsades_de_pointes", {}, 0),
        ("mi_inferior_acute", {}, 0),
        ("ventricular_tachycardia", {"rate_per_min": 160.0}, 0),
        ("ventricular_tachycardia_unsustained", {"rate_per_min": 160.0}, 1),
        ("supraventricular_tachycardia", {"rate_per_min": 200.0}, 0),
        ("supraventricular_tachycardia", {"rate_per_min": 199.0}, 1),
        ("atrial_fibrillation", {"rate_per_min": 180.0}, 0),
        ("atrial_fibrillation", {"rate_per_min": 131.0}, 1),
        ("atrial_fibrillation", {"rate_per_min": 130.0}, 2),
        ("atrial_fibrillation_preexcited", {"rr_min_ms": 250.0}, 0),
        ("atrial_fibrillation_preexcited", {"rr_min_ms": 251.0}, 1),
        ("av_block_3", {"rate_per_min": 45.0}, 0),
        ("av_block_2_1", {}, 1),
        ("av_block_2_mobitz_2", {}, 1),
        ("av_block_2_mobitz_1", {}, 2),
        ("av_block_1", {}, 2),
        ("long_rr", {"rr_ms": 3000.0}, 0),
        ("long_rr", {"rr_ms": 2999.0}, 1),
        ("qtc_prolonged", {"qtcf_ms": 550.0}, 0),
        ("qtc_prolonged", {"qtcf_ms": 549.0}, 1),
        ("qtc_prolonged", {"qtcf_ms": 499.0}, 2),
        ("qtc_prolonged", {"qtcf_ms": 560.0, "qtc_wide_ms": 510.0}, 1),
        ("hyperkalaemia_pattern", {}, 0),
        ("wellens_pattern", {}, 1),
        ("de_winter_pattern", {}, 1),
        ("st_depression", {"st_v5_mv": -0.12, "st_v6_mv": -0.1}, 1),
        ("st_depression", {"st_v5_mv": -0.12, "st_v6_mv": -0.06}, 2),
        ("left_bundle_branch_block", {}, 2),
        ("sinus_rhythm", {}, 3),
        ("early_repolarisation", {}, 3),
        ("sinus_bradycardia", {}, 2),
    ],
)
def test_each_finding_has_its_level(code: str, numbers: dict[str, float], level: int) -> None:
    verdict = judge(plain(), one(code, **numbers))
    assert verdict.level == level
    if level < 3:
        assert verdict.reasons[0].finding.code == code
        assert verdict.reasons[0].source


@pytest.mark.parametrize(
    ("profile", "code", "numbers", "critical"),
    [
        ("zhejiang_1", "supraventricular_tachycardia", {"rate_per_min": 229.0}, False),
        ("zhejiang_1", "supraventricular_tachycardia", {"rate_per_min": 230.0}, True),
        ("zhejiang_2", "supraventricular_tachycardia", {"rate_per_min": 200.0}, True),
        ("shanxi_2017", "supraventricular_tachycardia", {"rate_per_min": 180.0}, True),
        ("national_2017", "atrial_fibrillation", {"rate_per_min": 199.0}, False),
        ("zhejiang_1", "atrial_fibrillation", {"rate_per_min": 180.0}, True),
        ("zhejiang_1", "atrial_fibrillation_preexcited", {"rr_min_ms": 250.0}, False),
        ("zhejiang_2", "atrial_fibrillation_preexcited", {"rr_min_ms": 250.0}, True),
        ("national_2017", "long_rr", {"rr_ms": 3500.0}, False),
        ("national_2017", "long_rr", {"rr_ms": 5000.0}, True),
        ("zhejiang_2", "long_rr", {"rr_ms": 3000.0}, True),
        ("national_2017", "av_block_3", {"rate_per_min": 45.0}, False),
        ("national_2017", "av_block_3", {"rate_per_min": 34.0}, True),
        ("zhejiang_2", "av_block_3", {"rate_per_min": 45.0}, True),
    ],
)
def test_profiles_differ_where_the_lists_do(
    profile: str, code: str, numbers: dict[str, float], critical: bool
) -> None:
    verdict = judge(plain(), one(code, **numbers), profile=profile)
    assert (verdict.level == 0) is critical
    assert verdict.profile.startswith(profile)


def test_the_national_list_asks_for_symptoms() -> None:
    pause = one("long_rr", rr_ms=3500.0)
    assert judge(plain(), pause, symptoms=["syncope"], profile="national_2017").level == 0
    assert judge(plain(), pause, vitals={"sbp_mmhg": 80.0}, profile="national_2017").level == 0


def test_two_findings_together() -> None:
    long = one("qtc_prolonged", qtcf_ms=505.0)
    assert judge(plain(), long).level == 1
    assert judge(plain(), [*long, *one("r_on_t")]).level == 0
    block = one("bifascicular_block")
    assert judge(plain(), block).level == 2
    assert judge(plain(), block, symptoms=["syncope"]).level == 0


def test_a_known_pacemaker_takes_paced_block_off_the_list() -> None:
    paced = [*one("paced_rhythm"), *one("av_block_3", rate_per_min=60.0)]
    assert judge(plain(), paced).level == 0
    assert judge(plain(), paced, history=["pacemaker"]).level == 2
    assert judge(plain(), one("av_block_3", rate_per_min=60.0), history=["pacemaker"]).level == 0


@pytest.mark.parametrize(
    ("symptoms", "vitals", "level", "why"),
    [
        ([], {}, 2, ()),
        (["chest_pain"], {}, 1, ("chest_pain",)),
        (["dyspnoea", "syncope"], {}, 1, ("syncope", "dyspnoea")),
        (["palpitation", "check_up"], {}, 2, ()),
        ([], {"sbp_mmhg": 89.0}, 1, ("sbp_low",)),
        ([], {"sbp_mmhg": 90.0, "spo2_percent": 90.0}, 2, ()),
        ([], {"spo2_percent": 89.0}, 1, ("spo2_low",)),
    ],
)
def test_complaints_and_vital_signs_raise_by_one(
    symptoms: list[str], vitals: dict[str, float], level: int, why: tuple[str, ...]
) -> None:
    verdict = judge(plain(), one("sinus_bradycardia"), symptoms=symptoms, vitals=vitals)
    assert verdict.level == level
    assert verdict.escalated_by == why


def test_normal_is_said_of_a_diagnostic_strip_alone() -> None:
    assert judge(plain(), SINUS).level == 3
    rough = replace(plain(), quality=plain().quality._replace(verdict="rhythm_only"))
    assert judge(rough, SINUS).level is None
    assert judge(plain(), []).level is None
    assert judge(rough, [], symptoms=["chest_pain"]).level == 2


def test_a_strip_to_be_repeated_still_raises_what_was_found() -> None:
    bad = replace(plain(), quality=plain().quality._replace(verdict="repeat"))
    verdict = judge(bad, one("ventricular_fibrillation"))
    assert verdict.level == 0
    assert verdict.repeat
    assert judge(bad, []).level is None


def test_ten_seconds_that_cannot_show_it_ask_for_sixty_and_hold_nothing_back() -> None:
    slow = judge(plain(), one("ventricular_tachycardia", rate_per_min=136.0))
    assert slow.level == 0
    assert slow.wants_longer
    assert not judge(plain(), one("mi_inferior_acute")).wants_longer
    assert judge(plain(), SINUS, symptoms=["palpitation"]).wants_longer


@pytest.mark.parametrize(
    ("rate", "code"),
    [(35.0, "heart_rate_low"), (50.0, "heart_rate_low"), (51.0, None), (120.0, "heart_rate_high")],
)
def test_the_mean_rate_is_a_finding_of_its_own(rate: float, code: str | None) -> None:
    at = replace(plain(), measurements=plain().measurements | {"heart_rate": rate})
    assert [f.code for f in rates(at)] == ([code] if code else [])


def test_a_childs_rate_is_a_childs() -> None:
    at = replace(plain(), measurements=plain().measurements | {"heart_rate": 150.0})
    assert judge(at, SINUS, Person(None, 0.5)).level == 3
    assert judge(at, SINUS, Person(None, 40.0)).level == 1


@given(
    codes=st.lists(
        st.sampled_from(["sinus_rhythm", "av_block_1", "st_depression", "long_rr", "mi_anterior_acute"]),
        max_size=5,
    ),
    more=st.sampled_from(["av_block_3", "t_inversion", "ventricular_fibrillation", "early_repolarisation"]),
    profile=st.sampled_from(sorted(PROFILES)),
)
def test_another_finding_never_lowers_a_level(codes: list[str], more: str, profile: str) -> None:
    findings = [Finding(code, "test.rule", (), {"rr_ms": 3100.0}) for code in codes]
    before = judge(plain(), findings, profile=profile).level
    after = judge(plain(), [*findings, Finding(more, "test.rule")], profile=profile).level
    assert after is not None
    assert before is None or after <= before


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(KeyError):
        judge(plain(), [], profile="nonsense")


@pytest.mark.parametrize(
    ("scenario", "level"),
    [
        ("sinus", 3),
        ("inferior_stemi", 0),
        ("vf", 0),
        ("asystole", 0),
        ("pause", 0),
        ("lbbb", 2),
        ("af", 2),
        ("long_qt", 0),
    ],
)
def test_whole_strips(scenario: str, level: int) -> None:
    heart = simulate(scenario, 10.0, 500.0, seed=3)
    one_study = study.study(heart.samples, 500.0)
    first = rhythm.statements(one_study)
    verdict = judge(one_study, [*first, *morphology.statements(one_study, rhythm=first)])
    assert verdict.level == level
