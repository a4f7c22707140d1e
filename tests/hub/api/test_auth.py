"""Log-in, time-out and log-out over HTTP; the headers every answer carries."""

import pytest
from hub_county import PASSWORD

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_the_cookie_is_for_this_page_only_and_the_answer_says_who(world) -> None:
    answer = world.browser().post("/api/login", json={"username": "yishi", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert answer.json()["user"]["role"] == "ecg_reader"
    assert answer.json()["expires_s"] == 900


def test_wrong_guesses_say_how_many_are_left_and_then_lock(world) -> None:
    browser = world.browser()
    answers = [browser.post("/api/login", json={"username": "yishi", "password": "wrong"}) for _ in range(5)]
    assert [a.status_code for a in answers] == [401, 401, 401, 401, 429]
    assert answers[0].json()["detail"] == {"tries_left": 4}
    assert answers[4].json()["detail"] == {"retry_after_s": 60}
    right = browser.post("/api/login", json={"username": "yishi", "password": PASSWORD})
    assert (right.status_code, right.json()["code"]) == (429, "locked")
    assert right.headers["retry-after"] == "60"
    world.clock.advance(60)
    assert browser.post("/api/login", json={"username": "yishi", "password": PASSWORD}).status_code == 200


def test_a_session_ends_by_silence_and_is_kept_by_work(world, reader) -> None:
    for _ in range(3):
        world.clock.advance(600)
        assert reader.get("/api/me").status_code == 200
    world.clock.advance(901)
    answer = reader.get("/api/worklist")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_logged_in")


def test_log_out_kills_the_session_not_only_the_cookie(world, reader) -> None:
    token = reader.cookies["maitong_hub"]
    assert reader.post("/api/logout").status_code == 204
    thief = world.browser()
    thief.cookies.set("maitong_hub", token)
    assert thief.get("/api/me").status_code == 401


def test_the_language_is_kept_per_user(world, reader) -> None:
    assert reader.put("/api/me/language", json={"language": "en"}).json()["user"]["language"] == "en"
    assert world.log_in("yishi").get("/api/me").json()["user"]["language"] == "en"


def test_every_answer_carries_the_strict_headers(world) -> None:
    for path in ("/health", "/api/me", "/nothing", "/"):
        headers = world.browser().get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'; style-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"


def test_an_unknown_address_is_refused_in_words(world) -> None:
    answer = world.browser().get("/api/nothing")
    assert answer.status_code == 404
    assert set(answer.json()) == {"code", "message_zh", "message_en", "detail"}
