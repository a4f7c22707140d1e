"""Every answer's shape, and every request that does not fit: a code, never a 500."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.station.answers import REFUSALS
from edge_agent.station.api import TABLE
from protocols.messages import Complaint, RecordFile, Recording, RecordingClosed, ReportShow
from protocols.report import Report

if TYPE_CHECKING:
    import httpx2 as httpx
    from conftest import Page

NUMBER = "11010519491231002X"
ZHANG = {"name": "张三", "id_type": "resident_id", "id_number": NUMBER, "phone": "13800000000"}
STATE = {
    "station",
    "now_ns",
    "link",
    "box",
    "heart_rate",
    "lead_quality",
    "recording",
    "disk",
    "queue",
    "revision",
}
PATIENT = {
    *("patient_id", "name", "sex", "birth_date", "age_years", "id_type", "id_last4", "no_id_reason"),
    *("phone_last4", "temporary"),
}
EXAM = {"exam_id", "patient", "complaint", "created_ns", "status", "attempts", "report"}
ATTEMPT = {
    *("recording_id", "attempt", "started_ns", "duration_s", "interrupted", "missing_samples"),
    *("lead_off_reason", "analysis", "analysis_error", "saved_ns", "sent_ns", "state", "reason"),
}
QUEUE_ROW = {"ref", "type", "lane", "size", "created_ns", "attempts", "state", "last_error"}


def refused(answer: "httpx.Response", status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert set(body) == {"code", "message_zh", "message_en", "detail"}
    assert body["message_zh"]
    assert body["message_en"]
    return dict(body["detail"])


async def new_exam(doctor: "httpx.AsyncClient", **fields: Any) -> dict[str, Any]:
    answer = await doctor.post("/api/exams", json={"emergency": True, **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def keep_attempt(page: "Page", exam_id: str, *, saved: bool = True) -> RecordingClosed:
    """An attempt as the sealer leaves it."""
    exam = await page.desk.room.exam(exam_id)
    assert exam is not None
    now = page.clock.wall_ns()
    attempt = await page.desk.room.begin_attempt(exam_id, f"r{len(exam.attempts)}", now)
    closed = RecordingClosed(
        exam_id=exam_id,
        attempt=attempt,
        patient=exam.patient,
        complaint=exam.complaint,
        operator="cunyi",
        recording=Recording(
            recording_id=f"r{len(exam.attempts)}",
            started_ns=now,
            rate_hz=500,
            samples=5000,
            leads=("I",),
            uv_per_count=(1.0,),
            sha256=bytes(32),
            files=(RecordFile(name="r.hea", data=b"x"),),
        ),
    )
    await page.desk.room.keep_attempt(closed, {"diagnostic": b"MTB1"}, now)
    if saved:
        await page.desk.outbox.append(closed, "clinical", closed.recording.recording_id)
    return closed


async def test_state_and_health(page: "Page", doctor: "httpx.AsyncClient") -> None:
    state = (await doctor.get("/api/state")).json()
    assert set(state) == STATE
    assert state["station"] == {"id": "MT-0001", "name": "河西村卫生室", "duty_phone": "0000-0000"}
    assert state["box"] is None
    assert state["link"] == {
        "online": False,
        "since_ns": state["link"]["since_ns"],
        "trouble": state["link"]["trouble"],
    }
    assert state["queue"] == {"waiting": 0, "oldest_ns": None, "rejected": 0}
    assert set(state["disk"]) == {"free_bytes", "low"}
    async with page.browser() as stranger:
        health = (await stranger.get("/health")).json()
    assert health == {
        "status": "degraded",
        "version": "0.1.0",
        "checks": {"link": "offline", "box": "none", "disk": "ok", "queue": "ok"},
    }


async def test_revision_grows_with_every_change(doctor: "httpx.AsyncClient") -> None:
    before = (await doctor.get("/api/state")).json()["revision"]
    await new_exam(doctor)
    after = (await doctor.get("/api/state")).json()["revision"]
    assert after > before
    assert (await doctor.get("/api/state")).json()["revision"] == after


async def test_words(doctor: "httpx.AsyncClient") -> None:
    words = (await doctor.get("/api/words")).json()
    assert set(words) == {"symptoms", "history", "statements", "measurements"}
    assert words["symptoms"][0] == {"id": "chest_pain", "zh": "胸痛", "en": "Chest pain"}
    assert all(row["code"] and row["zh"] and row["en"] for row in words["statements"])


async def test_register_and_find_a_patient(doctor: "httpx.AsyncClient") -> None:
    answer = await doctor.post("/api/patients", json=ZHANG)
    assert answer.status_code == 201
    patient = answer.json()
    assert set(patient) == PATIENT | {"last_exam_ns"}
    assert (patient["sex"], patient["birth_date"]) == ("female", "1949-12-31")
    assert (patient["id_last4"], patient["phone_last4"]) == ("002X", "0000")
    assert NUMBER not in answer.text
    again = await doctor.post("/api/patients", json={**ZHANG, "name": "别名"})
    assert (again.status_code, again.json()) == (200, patient)
    found = (await doctor.post("/api/patients/search", json={"q": "张"})).json()
    assert found == {"items": [patient]}
    assert (await doctor.post("/api/patients/search", json={"q": "王"})).json() == {"items": []}


@pytest.mark.parametrize(
    ("fields", "code", "field", "why"),
    [
        ({"id_number": "110105194912310021"}, "id_number", "id_number", "check_digit"),
        ({"id_number": "1101051949123100"}, "id_number", "id_number", "length"),
        ({"id_number": None}, "id_number", "id_number", "length"),
        ({"id_number": "11010519491331002X"}, "id_number", "id_number", "birth_date"),
        ({"id_number": "11010520990101001X"}, "id_number", "id_number", None),
        ({"sex": "male"}, "bad_field", "sex", "contradicts_id_number"),
        ({"birth_date": "1950-01-01"}, "bad_field", "birth_date", "contradicts_id_number"),
        ({"name": "  "}, "bad_field", "name", "string_too_short"),
        ({"name": "名" * 101}, "bad_field", "name", "string_too_long"),
        ({"id_type": "passport"}, "bad_field", "id_type", "literal_error"),
        ({"id_type": "none"}, "bad_field", "id_type", "missing"),
        ({"id_type": "none", "id_number": None}, "bad_field", "no_id_reason", "missing"),
        ({"id_type": "none", "id_number": "", "no_id_reason": "忘带", "birth_date": "2999-01-01"},
         "bad_field", "birth_date", None),
        ({"birth_date": "1949-02-30"}, "bad_field", "birth_date", "value_error"),
        ({"phone": "drop table"}, "bad_field", "phone", "string_pattern_mismatch"),
        ({"age_years": 131}, "bad_field", "age_years", "less_than_equal"),
        ({"age_years": True}, "bad_field", "age_years", None),
        ({"name": ["张三"]}, "bad_field", "name", "string_type"),
    ],
)  # fmt: skip
async def test_a_patient_that_does_not_fit(
    doctor: "httpx.AsyncClient", fields: dict[str, Any], code: str, field: str, why: str | None
) -> None:
    answer = await doctor.post("/api/patients", json={**ZHANG, **fields})
    if field == "age_years" and answer.status_code == 201:
        return  # JSON true is read as 1: harmless
    detail = refused(answer, 422, code)
    assert detail["field"] == field
    assert why is None or detail["code"] == why


async def test_an_exam_and_its_changes(doctor: "httpx.AsyncClient") -> None:
    patient = (await doctor.post("/api/patients", json=ZHANG)).json()
    answer = await doctor.post(
        "/api/exams",
        json={
            "patient_id": patient["patient_id"],
            "complaint": {"symptoms": ["chest_pain"], "onset_ns": 5, "present": True, "history": ["digoxin"]},
        },
    )
    assert answer.status_code == 201
    exam = answer.json()
    assert set(exam) == EXAM
    assert set(exam["patient"]) == PATIENT
    assert (exam["status"], exam["attempts"], exam["report"]) == ("ordered", [], None)
    assert exam["patient"]["age_years"] == 75
    assert (await doctor.get(f"/api/exams/{exam['exam_id']}")).json() == exam
    emergency = await new_exam(doctor, sex="male", age_years=60)
    assert emergency["patient"]["temporary"] is True
    listed = (await doctor.get("/api/exams?day=today")).json()
    assert {row["exam_id"] for row in listed["items"]} == {exam["exam_id"], emergency["exam_id"]}
    changed = await doctor.patch(
        f"/api/exams/{emergency['exam_id']}",
        json={"patient_id": patient["patient_id"], "complaint": {"symptoms": ["syncope"]}},
    )
    assert changed.json()["patient"]["name"] == "张三"
    assert changed.json()["complaint"]["symptoms"] == ["syncope"]
    mine = (await doctor.get("/api/exams", params={"patient_id": patient["patient_id"]})).json()
    assert len(mine["items"]) == 2


@pytest.mark.parametrize(
    ("fields", "status", "code", "field"),
    [
        ({"emergency": False}, 422, "bad_field", "patient_id"),
        ({"patient_id": "nobody"}, 404, "no_such_patient", None),
        ({"complaint": {"symptoms": ["x"]}}, 422, "bad_field", "complaint.symptoms"),
        ({"complaint": {"history": ["chest_pain"]}}, 422, "bad_field", "complaint.history"),
        ({"complaint": {"onset_ns": -1}}, 422, "bad_field", "complaint.onset_ns"),
        ({"complaint": {"onset_ns": 2**63}}, 422, "bad_field", "complaint.onset_ns"),
        ({"complaint": {"note": "字" * 501}}, 422, "bad_field", "complaint.note"),
        ({"complaint": []}, 422, "bad_field", "complaint"),
        ({"age_years": -1}, 422, "bad_field", "age_years"),
    ],
)
async def test_an_exam_that_does_not_fit(
    doctor: "httpx.AsyncClient", fields: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    detail = refused(await doctor.post("/api/exams", json={"emergency": True, **fields}), status, code)
    assert detail.get("field") == field


async def test_the_way_of_an_exam(page: "Page", doctor: "httpx.AsyncClient") -> None:
    exam_id = (await new_exam(doctor))["exam_id"]
    path = f"/api/exams/{exam_id}"
    refused(await doctor.post(f"{path}/report/open"), 404, "no_report")
    refused(await doctor.get(f"{path}/report.pdf"), 404, "no_report")

    closed = await keep_attempt(page, exam_id, saved=False)
    exam = (await doctor.get(path)).json()
    assert exam["status"] == "captured"
    assert set(exam["attempts"][0]) == ATTEMPT
    assert (exam["attempts"][0]["state"], exam["attempts"][0]["saved_ns"]) == ("sealing", None)

    row = await page.desk.outbox.append(closed, "clinical", closed.recording.recording_id)
    exam = (await doctor.get(path)).json()
    assert (exam["status"], exam["attempts"][0]["state"]) == ("queued", "saved")
    assert exam["attempts"][0]["saved_ns"] == page.clock.wall_ns()
    refused(await doctor.patch(path, json={"complaint": {}}), 409, "already_sent")
    (queued,) = (await doctor.get("/api/queue")).json()["items"]
    assert set(queued) == QUEUE_ROW
    assert (queued["ref"], queued["type"]) == ("r0", "recording.closed")
    block = await doctor.get(f"{path}/recordings/r0/waveform")
    assert (block.content, block.headers["content-type"]) == (b"MTB1", "application/octet-stream")
    refused(await doctor.get(f"{path}/recordings/r0/waveform?band=muscle"), 404, "no_waveform")
    refused(await doctor.get(f"{path}/recordings/r0/waveform?band=x"), 422, "bad_field")

    from protocols.messages import ReceiptItem

    page.clock.advance(5)
    await page.desk.outbox.apply_receipt(ReceiptItem(mid=row.mid, st="committed", h8=row.sha256[:8]))
    exam = (await doctor.get(path)).json()
    assert (exam["status"], exam["attempts"][0]["state"]) == ("received", "received")
    assert exam["attempts"][0]["sent_ns"] == page.clock.wall_ns()

    shown = ReportShow(
        report_id="rep1",
        exam_id=exam_id,
        version=1,
        report=Report(advice="休息"),
        signed_by="甲医师",
        signed_ns=page.clock.wall_ns(),
        pdf=b"%PDF-1.7",
    )
    await page.desk.room.keep_report(shown)
    exam = (await doctor.get(path)).json()
    assert exam["status"] == "reported"
    assert set(exam["report"]) == {"report_id", "version", "signed_by", "signed_ns", "opened_ns", "report"}
    assert exam["report"]["report"]["advice"] == "休息"
    for _ in range(2):
        exam = (await doctor.post(f"{path}/report/open")).json()
        assert exam["status"] == "delivered"
    (queued,) = (await doctor.get("/api/queue")).json()["items"]
    assert queued["type"] == "report.opened"
    pdf = await doctor.get(f"{path}/report.pdf")
    assert (pdf.content, pdf.headers["content-type"]) == (b"%PDF-1.7", "application/pdf")


async def test_a_capture_without_a_box_is_refused(doctor: "httpx.AsyncClient") -> None:
    exam_id = (await new_exam(doctor))["exam_id"]
    refused(await doctor.post(f"/api/exams/{exam_id}/capture"), 409, "box_gone")
    refused(await doctor.post(f"/api/exams/{exam_id}/capture/cancel"), 409, "nothing_to_cancel")
    assert (await doctor.get(f"/api/exams/{exam_id}")).json()["attempts"] == []


BAD_BODIES: tuple[tuple[bytes, int, str], ...] = (
    (b"{", 400, "bad_json"),
    (b"\xff\xfe", 400, "bad_json"),
    (b"[]", 400, "bad_json"),
    (b"null", 400, "bad_json"),
    (b'"x"', 400, "bad_json"),
    (b"1e999", 400, "bad_json"),
    (b"[" * 20_000, 400, "bad_json"),
    (b'{"name": "\\ud800"}', 400, "bad_json"),
    (b" " * 70_000, 413, "too_large"),
)


@pytest.mark.parametrize("row", [r for r in TABLE if r.method != "GET"], ids=lambda r: f"{r.method} {r.path}")
@pytest.mark.parametrize(("body", "status", "code"), BAD_BODIES, ids=lambda v: repr(v)[:20])
async def test_a_body_that_is_no_object(
    doctor: "httpx.AsyncClient", row: Any, body: bytes, status: int, code: str
) -> None:
    answer = await doctor.request(row.method, row.path.format(exam_id="e1", recording_id="r"), content=body)
    if row.path.endswith(("/retry", "/cancel", "/open")):  # take no body
        assert answer.status_code in (200, 404)
    else:
        refused(answer, status, code)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    *(
        "name",
        "sex",
        "birth_date",
        "id_type",
        "id_number",
        "no_id_reason",
        "phone",
        "age_years",
        "patient_id",
    ),
    *("emergency", "complaint", "symptoms", "onset_ns", "note", "lead_off_reason", "username", "password"),
)


@given(
    body=st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6),
    row=st.sampled_from(TABLE),
    query=st.text(max_size=10),
    exam_id=st.text(alphabet=st.characters(exclude_characters="/?#%"), min_size=1, max_size=12),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_request_makes_it_fail(
    doctor: "httpx.AsyncClient", body: dict[str, Any], row: Any, query: str, exam_id: str
) -> None:
    from urllib.parse import quote

    path = row.path.format(exam_id=quote(exam_id, safe=""), recording_id="r1")
    content = json.dumps(body).encode()
    answer = await doctor.request(
        row.method, path, params={"q": query, "day": query, "band": query}, content=content
    )
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()["code"] in REFUSALS


async def test_addresses_that_are_not_there(page: "Page", doctor: "httpx.AsyncClient") -> None:
    refused(await doctor.get("/api/nothing"), 404, "not_found")
    refused(await doctor.get("/api/exams/none"), 404, "no_such_exam")
    refused(await doctor.delete("/api/exams"), 405, "method")
    refused(await doctor.get("/..%2f..%2fetc/passwd"), 404, "not_found")
    async with page.browser() as stranger:
        for row in TABLE:
            path = row.path.format(exam_id="e", recording_id="r")
            answer = await stranger.request(row.method, path, headers={"X-Maitong": "1"})
            refused(answer, 401, "not_logged_in")


async def test_headers(page: "Page", doctor: "httpx.AsyncClient") -> None:
    for path in ("/", "/station.html", "/api/state", "/api/nothing", "/health"):
        headers = (await doctor.get(path)).headers
        expected = "default-src 'self'; style-src 'self'; img-src 'self' data:"
        assert headers["content-security-policy"] == expected
        assert headers["x-content-type-options"] == "nosniff"
        assert headers.get("cache-control") == (
            "no-store" if "api" in path or "health" in path else headers.get("cache-control")
        )
    assert "脉通" in (await doctor.get("/")).text
    (page.static / "station.html").unlink()
    refused(await doctor.get("/"), 503, "page_missing")


def test_every_complaint_field_of_the_wire_is_offered() -> None:
    from edge_agent.station.bodies import ComplaintBody

    assert set(ComplaintBody.model_fields) == set(Complaint.model_fields)
