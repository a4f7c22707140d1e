"""Logging in: the lock after wrong guesses, the end of a log-in, and what an account may be."""

import pytest
from hub_county import NOW_NS, PASSWORD, SECOND_NS, person
from sqlalchemy import Engine

from hub import db
from hub.domain import User
from hub.errors import BadLogin, Invalid, Locked, Taken
from hub.services import users


def _try(
    engine: Engine, username: str, password: str, now_ns: int = NOW_NS
) -> tuple[User, str] | BadLogin | Locked:
    with db.transaction(engine) as session:
        attempt = users.begin_login(session, username, now_ns=now_ns)
    right = password == PASSWORD and attempt.password_hash is not None
    with db.transaction(engine) as session:
        return users.finish_login(session, attempt, right=right, session_minutes=15, now_ns=now_ns)


@pytest.mark.parametrize("username", ["jia", "nobody"])
def test_five_wrong_guesses_lock_the_name_for_ever_longer(county: Engine, username: str) -> None:
    person(county, "jia", "ecg_reader")
    left = []
    for _ in range(4):
        answer = _try(county, username, "wrong")
        assert isinstance(answer, BadLogin)
        left.append(answer.detail["tries_left"])
    assert left == [4, 3, 2, 1]
    fifth = _try(county, username, "wrong")
    assert isinstance(fifth, Locked)
    assert fifth.detail == {"retry_after_s": 60}
    with pytest.raises(Locked):
        _try(county, username, PASSWORD, NOW_NS + 59 * SECOND_NS)
    sixth = _try(county, username, "wrong", NOW_NS + 60 * SECOND_NS)
    assert isinstance(sixth, Locked)
    assert sixth.detail == {"retry_after_s": 120}


def test_guesses_in_parallel_are_counted_before_they_are_checked(county: Engine) -> None:
    person(county, "jia", "ecg_reader")
    for _ in range(5):
        with db.transaction(county) as session:
            users.begin_login(session, "jia", now_ns=NOW_NS)

    def sixth() -> None:
        with db.transaction(county) as session:
            users.begin_login(session, "jia", now_ns=NOW_NS)

    with pytest.raises(Locked):
        sixth()


def test_a_right_guess_forgets_the_wrong_ones(county: Engine) -> None:
    person(county, "jia", "ecg_reader")
    for _ in range(4):
        _try(county, "jia", "wrong")
    assert isinstance(_try(county, " JIA ", PASSWORD), tuple)
    answer = _try(county, "jia", "wrong")
    assert isinstance(answer, BadLogin)
    assert answer.detail == {"tries_left": 4}


def test_a_login_ends_by_time_log_out_disabling_and_a_new_password(county: Engine) -> None:
    admin = person(county, "admin", "sys_admin")
    person(county, "jia", "ecg_reader")

    def token() -> str:
        answer = _try(county, "jia", PASSWORD)
        assert isinstance(answer, tuple)
        return answer[1]

    def is_in(token: str, after_s: int = 0) -> bool:
        with db.reading(county) as session:
            now_ns = NOW_NS + after_s * SECOND_NS
            return users.logged_in(session, token, session_minutes=15, now_ns=now_ns) is not None

    one = token()
    assert is_in(one, 899)
    assert not is_in(one, 900)
    with db.transaction(county) as session:
        users.renew_login(session, one, session_minutes=15, now_ns=NOW_NS + 800 * SECOND_NS)
    assert is_in(one, 1000)
    two = token()
    with db.transaction(county) as session:
        users.log_out(session, two, admin, now_ns=NOW_NS)
    assert not is_in(two)
    assert is_in(one)
    with db.transaction(county) as session:
        users.set_password(session, "u-jia", "another password", by=admin, now_ns=NOW_NS)
    assert not is_in(one)
    with db.transaction(county) as session:
        users.set_password(session, "u-jia", PASSWORD, by=admin, now_ns=NOW_NS)
    three = token()
    with db.transaction(county) as session:
        users.set_enabled(session, "u-jia", False, by=admin, now_ns=NOW_NS)
    assert not is_in(three)
    assert isinstance(_try(county, "jia", PASSWORD), BadLogin)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"username": "Jia!"}, Invalid),
        ({"role": "surgeon"}, Invalid),
        ({"role": "village_doctor"}, Invalid),
        ({"role": "village_doctor", "organisation_id": "V9"}, Invalid),
        ({"password": "short"}, Invalid),
        ({"username": "admin"}, Taken),
    ],
)
def test_an_account_that_cannot_be(county: Engine, changes: dict[str, str], error: type[Exception]) -> None:
    person(county, "admin", "sys_admin")
    fields = {"username": "yi", "name": "医师乙", "role": "ecg_reader", "password": PASSWORD} | changes
    with pytest.raises(error), db.transaction(county) as session:
        users.create(session, now_ns=NOW_NS, **fields)  # type: ignore[arg-type]


def test_the_sweep_forgets_what_ran_out(county: Engine) -> None:
    person(county, "jia", "ecg_reader")
    _try(county, "jia", PASSWORD)
    with db.transaction(county) as session:
        assert users.sweep(session, now_ns=NOW_NS + 10 * SECOND_NS) == 0
        assert users.sweep(session, now_ns=NOW_NS + 900 * SECOND_NS) == 1
