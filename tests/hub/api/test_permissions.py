"""The permission matrix: every route × every role, deny by default. A route not listed here fails."""

from typing import NamedTuple

import pytest
from fastapi.routing import APIRoute
from hub_county import PASSWORD
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from hub.security import ROLES

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PEOPLE = {"ecg_reader": "yishi", "village_doctor": "cunyi", "network_ops": "yunwei", "sys_admin": "admin"}
PUBLIC, ANYBODY = "public", "anybody logged in"


class Row(NamedTuple):
    method: str
    path: str
    allowed: str | set[str]
    example: str = ""
    body: dict[str, object] | None = None


DRAFT: dict[str, object] = {"body": {"findings": "x"}}
MATRIX = [
    Row("GET", "/health", PUBLIC),
    Row("GET", "/", PUBLIC),
    Row("GET", "/console", PUBLIC),
    Row("POST", "/api/login", PUBLIC, body={"username": "yishi", "password": PASSWORD}),
    Row("POST", "/api/logout", ANYBODY),
    Row("GET", "/api/me", ANYBODY),
    Row("PUT", "/api/me/language", ANYBODY, body={"language": "en"}),
    Row("GET", "/api/words", ANYBODY),
    Row("GET", "/api/worklist", {"ecg_reader"}),
    Row("WEBSOCKET", "/api/worklist/live", {"ecg_reader"}),
    Row("GET", "/api/exams/{exam_id}", {"ecg_reader", "village_doctor"}, "/api/exams/exam-1"),
    Row("POST", "/api/exams/{exam_id}/claim", {"ecg_reader"}, "/api/exams/exam-1/claim"),
    Row("POST", "/api/exams/{exam_id}/release", {"ecg_reader"}, "/api/exams/exam-1/release"),
    Row("PUT", "/api/exams/{exam_id}/draft", {"ecg_reader"}, "/api/exams/exam-1/draft", DRAFT),
    Row("POST", "/api/exams/{exam_id}/sign", {"ecg_reader"}, "/api/exams/exam-1/sign",
        DRAFT | {"confirm": True}),
    Row("GET", "/api/recordings/{recording_id}/waveform", {"ecg_reader", "village_doctor"},
        "/api/recordings/rec-1/waveform"),
    Row("GET", "/api/recordings/{recording_id}/files.zip", {"ecg_reader", "village_doctor"},
        "/api/recordings/rec-1/files.zip"),
    Row("GET", "/api/reports/{report_id}/pdf", {"ecg_reader", "village_doctor"}, "/api/reports/none/pdf"),
    Row("GET", "/api/patients/{patient_id}/exams", {"ecg_reader"}, "/api/patients/none/exams"),
    Row("GET", "/api/stations", {"network_ops"}),
    Row("GET", "/api/quarantine", {"network_ops"}),
    Row("GET", "/api/users", {"sys_admin"}),
    Row("POST", "/api/users", {"sys_admin"},
        body={"username": "neu", "name": "新", "role": "ecg_reader", "password": PASSWORD}),
    Row("POST", "/api/users/{user_id}/enable", {"sys_admin"}, "/api/users/u-yishi/enable"),
    Row("POST", "/api/users/{user_id}/disable", {"sys_admin"}, "/api/users/none/disable"),
    Row("POST", "/api/users/{user_id}/password", {"sys_admin"}, "/api/users/none/password",
        {"password": PASSWORD}),
]  # fmt: skip


def _routes(routes: list[BaseRoute]) -> set[tuple[str, str]]:
    found = set()
    for route in routes:
        if isinstance(route, APIRoute):
            found |= {(method, route.path) for method in route.methods}
        elif isinstance(route, WebSocketRoute):
            found.add(("WEBSOCKET", route.path))
        elif hasattr(route, "original_router"):
            found |= _routes(route.original_router.routes)
    return found


def test_every_route_is_listed(world) -> None:
    assert _routes(world.app.routes) == {(row.method, row.path) for row in MATRIX}


def _status(client, row: Row) -> int:
    if row.method != "WEBSOCKET":
        return client.request(row.method, row.example or row.path, json=row.body).status_code
    with client.websocket_connect(row.path) as socket:
        try:
            return 200 if socket.receive_json()["type"] == "snapshot" else 500
        except WebSocketDisconnect as closed:
            return {4401: 401, 4403: 403}[closed.code]


def test_the_matrix(world) -> None:
    wrong = []
    for row in MATRIX:
        stranger = _status(world.browser(), row)
        if (stranger == 401) != (row.allowed != PUBLIC):
            wrong.append((row.method, row.path, "nobody", stranger))
        for role in ROLES:
            status = _status(world.log_in(PEOPLE[role]), row)
            refused = isinstance(row.allowed, set) and role not in row.allowed
            if status != 403 if refused else status in (401, 403, 500):
                wrong.append((row.method, row.path, role, status))
    assert wrong == []


def test_another_page_cannot_change_anything(world) -> None:
    client = world.as_role("ecg_reader")
    for row in MATRIX:
        if row.method in ("POST", "PUT") and row.example:
            answer = client.request(row.method, row.example, json=row.body, headers={"X-Maitong": "0"})
            assert answer.json()["code"] == "missing_header", row.path


def test_a_socket_from_another_origin_is_refused(world) -> None:
    client = world.as_role("ecg_reader")
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/api/worklist/live", headers={"Origin": "https://elsewhere.example"}),
    ):
        pass


def test_a_village_doctor_sees_only_the_own_site(world) -> None:
    village = world.as_role("village_doctor")
    assert village.get("/api/exams/exam-1").status_code == 200
    for path in ("/api/exams/exam-2", "/api/recordings/rec-2/waveform", "/api/recordings/rec-2/files.zip"):
        assert village.get(path).status_code == 404, path
