"""The critical-value lists as data."""

import pytest

from ecg.rules.profiles import NEARLY_NORMAL, PROFILES, URGENT, Limit
from protocols.statements import STATEMENTS

KNOWN = {row.code for row in STATEMENTS}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.id)
def test_every_row_names_its_source_and_a_known_code(profile) -> None:
    assert profile.version
    assert profile.checked
    for row in (*profile.critical, *URGENT):
        assert row.source, row
        assert row.code in KNOWN or (
            row.code.endswith(("*", "*_acute", "*_subacute")) and row.code.startswith("mi_")
        ), row.code
        assert row.with_code in KNOWN | {""}
    assert all(row.level == 0 for row in profile.critical)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.id)
def test_what_kills_is_critical_in_every_list(profile) -> None:
    always = {row.code for row in profile.critical if not row.limits and not row.with_code and not row.when}
    assert {
        "ventricular_fibrillation",
        "ventricular_flutter",
        "asystole",
        "torsades_de_pointes",
        "mi_*_acute",
    } <= always


def test_what_is_nearly_normal_is_nowhere_pressing() -> None:
    assert NEARLY_NORMAL <= KNOWN
    pressing = {row.code for profile in PROFILES.values() for row in profile.critical} | {
        r.code for r in URGENT
    }
    assert not NEARLY_NORMAL & pressing


def test_limits_hold_as_written() -> None:
    assert Limit("x", ">=", 5).holds(5)
    assert not Limit("x", ">", 5).holds(5)
    assert Limit("x", "<=", 5).holds(5)
    assert not Limit("x", "<", 5).holds(5)
