"""Who may in, for how long, and what wrong passwords cost."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from agent import DOCTOR, OPS, PASSWORD

if TYPE_CHECKING:
    import httpx2 as httpx
    from conftest import Page


async def log_in(
    client: "httpx.AsyncClient", username: str = DOCTOR, password: str = PASSWORD
) -> "httpx.Response":
    return await client.post("/api/login", json={"username": username, "password": password})


async def test_log_in_and_out(page: "Page") -> None:
    assert (await page.client.get("/api/me")).status_code == 401
    answer = await log_in(page.client)
    assert answer.json() == {
        "user": {"username": DOCTOR, "name": "村医 甲", "role": "village_doctor"},
        "expires_s": 900,
    }
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert (await page.client.get("/api/me")).json()["expires_s"] == 900
    assert (await page.client.post("/api/logout")).status_code == 200
    assert (await page.client.get("/api/me")).json()["code"] == "not_logged_in"


async def test_a_session_ends_when_nobody_uses_it(page: "Page", doctor: "httpx.AsyncClient") -> None:
    page.clock.advance(14 * 60)
    assert (await doctor.get("/api/words")).status_code == 200  # prolongs
    page.clock.advance(14 * 60)
    assert (await doctor.get("/api/me")).json()["expires_s"] == 60
    for path in (
        "/api/state",
        "/api/exams",
        "/api/queue",
        "/api/me",
    ):  # what the page asks by itself does not
        assert (await doctor.get(path)).status_code == 200
    page.clock.set_wall(0)  # nor does the wall clock
    page.clock.advance(61)
    assert (await doctor.get("/api/words")).json()["code"] == "not_logged_in"


async def test_five_wrong_lock_and_longer_each_time(page: "Page") -> None:
    for lock_s in (60, 120, 240):
        for left in (4, 3, 2, 1):
            answer = await log_in(page.client, password="wrong")
            assert (answer.status_code, answer.json()["detail"]) == (401, {"tries_left": left})
        answer = await log_in(page.client, password="wrong")
        assert (answer.status_code, answer.json()["detail"]) == (429, {"retry_after_s": lock_s})
        assert answer.headers["retry-after"] == str(lock_s)
        page.clock.advance(lock_s - 1)
        assert (await log_in(page.client)).json() | {"message_zh": "", "message_en": ""} == {
            "code": "locked",
            "message_zh": "",
            "message_en": "",
            "detail": {"retry_after_s": 1},
        }
        assert (await log_in(page.client, OPS)).status_code == 200  # others are not
        page.clock.advance(1)
    assert (await log_in(page.client)).status_code == 200
    answer = await log_in(page.client, password="wrong")
    assert answer.json()["detail"] == {"tries_left": 4}  # the right one cleared the count


async def test_an_unknown_name_looks_like_a_wrong_password(page: "Page") -> None:
    for left in (4, 3, 2, 1):
        answer = await log_in(page.client, "nobody")
        assert (answer.status_code, answer.json()["detail"]) == (401, {"tries_left": left})
    assert (await log_in(page.client, "nobody")).status_code == 429


async def test_guesses_in_parallel_do_not_outrun_the_count(page: "Page") -> None:
    answers = await asyncio.gather(*(log_in(page.client, password=f"x{n}") for n in range(12)))
    assert sorted(a.status_code for a in answers) == [401] * 4 + [429] * 8


async def test_a_log_in_ends_the_session_before_it(page: "Page", doctor: "httpx.AsyncClient") -> None:
    token = doctor.cookies["maitong_session"]
    await log_in(doctor, OPS)
    async with page.browser() as other:
        other.cookies.set("maitong_session", token)
        assert (await other.get("/api/me")).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_without_our_header_nothing_is_changed(doctor: "httpx.AsyncClient", method: str) -> None:
    del doctor.headers["X-Maitong"]
    path = "/api/exams" if method == "POST" else "/api/exams/e1"
    answer = await doctor.request(method, path, json={"emergency": True})
    assert (answer.status_code, answer.json()["code"]) == (403, "header_missing")
    assert (await doctor.post("/api/logout")).json()["code"] == "header_missing"
    assert (await log_in(doctor)).json()["code"] == "header_missing"


async def test_network_ops_sees_the_station_and_no_patient(page: "Page") -> None:
    await log_in(page.client, OPS)
    for path in ("/api/state", "/api/queue", "/api/words"):
        assert (await page.client.get(path)).status_code == 200, path
    assert (await page.client.post("/api/queue/retry")).json() == {"requeued": 0}
    for method, path in (
        ("POST", "/api/patients/search"),
        ("POST", "/api/patients"),
        ("GET", "/api/exams"),
        ("POST", "/api/exams"),
        ("GET", "/api/exams/e1"),
        ("PATCH", "/api/exams/e1"),
        ("POST", "/api/exams/e1/capture"),
        ("POST", "/api/exams/e1/capture/cancel"),
        ("GET", "/api/exams/e1/recordings/r1/waveform"),
        ("POST", "/api/exams/e1/report/open"),
        ("GET", "/api/exams/e1/report.pdf"),
    ):
        answer = await page.client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
