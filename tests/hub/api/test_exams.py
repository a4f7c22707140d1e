"""From the list to the signed report, as the reading room asks for it."""

import io
import zipfile

import pytest
from hub_county import ID_NUMBER, arrive, closed
from sqlalchemy import text
from sqlmodel import select

from fakes import START_NS
from hub import db
from hub.domain import AuditLine, Delivery, Exam, Report
from hub.services import audit, reports, times
from protocols import live
from protocols.envelope import decode_body, message_id
from protocols.messages import MachineStatement, ReportOpened, ReportShow, TimeFixed


def _sign(client, body, exam_id="exam-1"):
    return client.post(f"/api/exams/{exam_id}/sign", json={"body": body, "confirm": True})


def test_the_list_shows_who_waits_and_hides_the_number(world, reader) -> None:
    world.clock.advance(90)
    answer = reader.get("/api/worklist")
    items = {item["exam_id"]: item for item in answer.json()["items"]}
    item = items["exam-1"]
    assert item["patient"] == {
        "name": "张三", "sex": "male", "age_years": 75, "birth_date": "1949-12-31", "id_last4": "002X",
        "temporary": False,
    }  # fmt: skip
    assert (item["waiting_s"], item["claimed_by"], item["mine"]) == (90, None, False)
    assert item["organisation"]["name"] == "河西村卫生室"
    assert item["machine_summary"] == ["heart_rate_low"]
    assert ID_NUMBER not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_an_exam_shows_everything_masked_and_every_look_is_audited(world, reader) -> None:
    answer = reader.get("/api/exams/exam-1")
    exam = answer.json()
    assert ID_NUMBER not in answer.text
    assert "13812345678" not in answer.text
    assert exam["patient"]["phone"] == "138****5678"
    assert exam["can"] == {"claim": True, "edit": False, "sign": False, "reason": "not_claimed"}
    assert exam["recordings"][0]["leads"] == ["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"]
    assert exam["recordings"][0]["damaged"] is False
    reader.get("/api/recordings/rec-1/waveform")
    with db.reading(world.engine) as session:
        lines = session.exec(select(AuditLine).where(AuditLine.username == "yishi")).all()
        assert audit.verify(session).first_bad is None
    seen = {(line.action, line.object) for line in lines if line.patient_id == exam["patient"]["patient_id"]}
    assert {("exam.viewed", "exam:exam-1"), ("recording.viewed", "recording:rec-1")} <= seen


def test_a_corrected_time_stands_beside_the_stamped_one(world, reader) -> None:
    message = closed(exam_id="exam-70", recording_id="rec-70", started_ns=90 * 10**9)
    clock = {"started_quality": "none", "started_boot": "b1", "started_mono_ns": 80 * 10**9}
    stamped = message.recording.model_copy(update=clock)
    arrive(world.engine, message.model_copy(update={"recording": stamped}))
    fix = TimeFixed(boot="b1", mono_ns=100 * 10**9, wall_ns=START_NS, err_ns=10**9)
    with db.transaction(world.engine) as session:
        assert times.fixed(session, "MT-0001", fix, now_ns=START_NS) == ["exam-70"]
    (shown,) = reader.get("/api/exams/exam-70").json()["recordings"]
    assert (shown["started_ns"], shown["clock_quality"]) == (90 * 10**9, "none")
    assert (shown["corrected_ns"], shown["received_ns"]) == (START_NS - 20 * 10**9, START_NS)


def test_the_trace_comes_as_a_block_of_twelve_leads(reader) -> None:
    for band in ("diagnostic", "muscle", "raw"):
        answer = reader.get(f"/api/recordings/rec-1/waveform?band={band}")
        assert live.unpack(answer.content).counts.shape == (12, 5000)
    assert reader.get("/api/recordings/rec-1/waveform?band=none").status_code == 422


def test_the_files_are_what_was_sealed(reader) -> None:
    with zipfile.ZipFile(io.BytesIO(reader.get("/api/recordings/rec-1/files.zip").content)) as archive:
        assert {i.filename: archive.read(i) for i in archive.infolist()} == {
            f.name: f.data for f in closed().recording.files
        }


def test_claim_draft_release_and_the_other_reader(world, reader, body) -> None:
    from hub_county import person

    person(world.engine, "yi", "ecg_reader", "医师乙")
    other = world.log_in("yi")
    refused = reader.put("/api/exams/exam-1/draft", json={"body": body()})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_claimed")
    assert reader.post("/api/exams/exam-1/claim").json()["status"] == "reading"
    second = other.post("/api/exams/exam-1/claim")
    assert (second.status_code, second.json()["code"]) == (409, "claimed_by_other")
    assert second.json()["message_zh"] == "医师甲 诊断中 · 只读"
    assert other.get("/api/exams/exam-1").json()["can"]["reason"] == "claimed_by_other"
    assert reader.put("/api/exams/exam-1/draft", json={"body": body()}).status_code == 200
    assert reader.get("/api/exams/exam-1").json()["draft"]["body"]["findings"] == "窦性心律"
    assert other.get("/api/exams/exam-1").json()["draft"] is None
    reader.post("/api/exams/exam-1/release")
    assert reader.put("/api/exams/exam-1/draft", json={"body": body(findings="迟到")}).status_code == 200
    assert other.post("/api/exams/exam-1/claim").status_code == 200
    item = next(i for i in reader.get("/api/worklist").json()["items"] if i["exam_id"] == "exam-1")
    assert (item["has_draft"], item["mine"], item["claimed_by"]["name"]) == (True, False, "医师乙")


def test_signing_prints_and_owes_the_report_in_one_transaction(world, reader, body, printable) -> None:
    reader.post("/api/exams/exam-1/claim")
    reader.put("/api/exams/exam-1/draft", json={"body": body()})
    answer = _sign(reader, body())
    assert answer.status_code == 200, answer.text
    signed = answer.json()
    assert (signed["version"], signed["status"]) == (1, "signed")
    pdf = reader.get(f"/api/reports/{signed['report_id']}/pdf")
    assert pdf.content.startswith(b"%PDF")
    with db.reading(world.engine) as session:
        delivery = session.exec(select(Delivery)).one()
        epoch = bytes(session.exec(text("SELECT epoch FROM hub_identity")).one()[0])  # type: ignore[call-overload]
        assert delivery.mid == message_id("hub", epoch, delivery.id or 0)
    shown = decode_body(delivery.type, delivery.body)
    assert isinstance(shown, ReportShow)
    assert (shown.report_id, shown.signed_by, shown.pdf) == (signed["report_id"], "医师甲", pdf.content)
    assert shown.report.recording_id == "rec-1"
    assert (delivery.receiver_id, delivery.status, delivery.lane) == ("MT-0001", "queued", "prompt")
    exam = reader.get("/api/exams/exam-1").json()
    assert (exam["status"], exam["draft"], exam["report"]["version"]) == ("reported", None, 1)
    assert exam["can"]["reason"] == "wrong_state"
    assert [i["exam_id"] for i in reader.get("/api/worklist").json()["items"]] == ["exam-2"]

    opened = ReportOpened(
        report_id=signed["report_id"], exam_id="exam-1", opened_by="cunyi1", opened_ns=START_NS
    )
    for _ in range(2):
        with db.transaction(world.engine) as session:
            reports.opened(session, "MT-0001", opened, now_ns=START_NS)
    assert reader.get("/api/exams/exam-1").json()["status"] == "delivered"


def test_a_later_attempt_is_read_again_and_makes_the_next_version(world, reader, body, printable) -> None:
    reader.post("/api/exams/exam-1/claim")
    assert _sign(reader, body()).status_code == 200
    arrive(world.engine, closed(recording_id="rec-1b", attempt=2))
    assert reader.post("/api/exams/exam-1/claim").status_code == 200
    assert _sign(reader, body(findings="复查")).json()["version"] == 2
    exam = reader.get("/api/exams/exam-1").json()
    assert [(v["version"], v["status"]) for v in exam["versions"]] == [(2, "signed"), (1, "superseded")]
    assert exam["report"]["recording_id"] == "rec-1b"


def test_an_attempt_that_arrives_while_reading_is_not_signed_over_unseen(
    world, reader, body, printable
) -> None:
    reader.post("/api/exams/exam-1/claim")
    arrive(world.engine, closed(recording_id="rec-1b", attempt=2))
    assert reader.get("/api/exams/exam-1").json()["mine"] is True
    refused = _sign(reader, body(recording_id="rec-1"))
    assert (refused.status_code, refused.json()["code"]) == (409, "newer_attempt")
    reader.get("/api/recordings/rec-1b/waveform")
    assert _sign(reader, body(recording_id="rec-1")).status_code == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"impression": []}, "empty_impression"),
        ({"impression": [{"code": None, "text": "  "}]}, "empty_impression"),
        ({"impression": [{"code": "no_such_code", "text": "x"}]}, "invalid"),
        ({"measurements": [{"id": "shoe_size", "value": 43}]}, "invalid"),
        ({"recording_id": "rec-2"}, "invalid"),
        ({"findings": "\0"}, "invalid"),
    ],
)
def test_what_cannot_be_signed(world, reader, body, changes, code) -> None:
    reader.post("/api/exams/exam-1/claim")
    assert _sign(reader, body(**changes)).json()["code"] == code
    with db.reading(world.engine) as session:
        assert session.exec(select(Delivery)).all() == []
        assert session.exec(select(Report)).all() == []


def _said_by_a_newer_station():
    """An analysis with an id and a code that this hub has no row for."""
    analysis = closed().analysis.model_copy(
        update={
            "measurements": {"heart_rate": 72.0, "later_ms": 12.5, "qtc_unsteady": 1.0},
            "statements": (
                MachineStatement(code="sinus_rhythm"),
                MachineStatement(code="later_code", level=1),
                MachineStatement(code="sinus_rhythm"),
            ),
            "level": None,
        }
    )
    return closed("exam-3", "rec-3", analysis=analysis)


def test_what_a_newer_station_measured_stays_in_the_report(world, reader, body, printable) -> None:
    arrive(world.engine, _said_by_a_newer_station())
    newer = body(
        measurements=[{"id": "heart_rate", "value": 72}, {"id": "later_ms", "value": 12.5}],
        impression=[{"code": "later_code", "text": "later_code"}],
    )
    reader.post("/api/exams/exam-3/claim")
    assert reader.put("/api/exams/exam-3/draft", json={"body": newer}).status_code == 200
    assert [m["id"] for m in reader.get("/api/exams/exam-3").json()["draft"]["body"]["measurements"]] == [
        "heart_rate", "later_ms",
    ]  # fmt: skip
    assert _sign(reader, newer, "exam-3").status_code == 200
    kept = reader.get("/api/exams/exam-3").json()["report"]["body"]
    assert kept["measurements"][1] == {"id": "later_ms", "value": 12.5, "edited_from": None}
    assert kept["impression"][0]["code"] == "later_code"


def test_an_id_that_another_exam_has_is_foreign_here(world, reader, body) -> None:
    arrive(world.engine, _said_by_a_newer_station())
    reader.post("/api/exams/exam-1/claim")
    for changes in (
        {"measurements": [{"id": "later_ms", "value": 1}]},
        {"impression": [{"code": "later_code", "text": "x"}]},
    ):
        answer = reader.put("/api/exams/exam-1/draft", json={"body": body(**changes)})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_the_list_says_the_most_pressing_first_and_not_judged_is_no_level(world, reader) -> None:
    arrive(world.engine, _said_by_a_newer_station())
    arrive(world.engine, closed("exam-4", "rec-4", level=3))
    items = {item["exam_id"]: item for item in reader.get("/api/worklist").json()["items"]}
    assert items["exam-3"]["machine_summary"] == ["later_code", "sinus_rhythm"]
    assert (items["exam-3"]["level"], items["exam-4"]["level"]) == (None, 3)
    assert items["exam-3"]["quality"] == "diagnostic"


def test_without_a_claim_or_after_it_ran_out_nothing_is_signed(world, reader, body) -> None:
    assert _sign(reader, body()).json()["code"] == "not_claimed"
    reader.post("/api/exams/exam-1/claim")
    world.clock.advance(14 * 60)
    reader.get("/api/me")
    world.clock.advance(61)
    assert _sign(reader, body()).json()["code"] == "not_claimed"


def test_a_damaged_recording_is_e31_everywhere(world, reader, body) -> None:
    reader.post("/api/exams/exam-1/claim")
    with world.engine.begin() as connection:
        connection.execute(
            text("UPDATE recording_file SET data = :d WHERE recording_id = 'rec-1'"), {"d": b"?"}
        )
    exam = reader.get("/api/exams/exam-1").json()
    assert exam["recordings"][0]["damaged"] is True
    assert exam["can"] == {"claim": True, "edit": True, "sign": False, "reason": "E-31"}
    for answer in (reader.get("/api/recordings/rec-1/waveform"), _sign(reader, body())):
        assert (answer.status_code, answer.json()["code"]) == (409, "E-31")


def test_nobody_signs_with_one_key(reader, body) -> None:
    reader.post("/api/exams/exam-1/claim")
    assert reader.post("/api/exams/exam-1/sign", json={"body": body()}).status_code == 422
    answer = reader.post("/api/exams/exam-1/sign", json={"body": body(), "confirm": False})
    assert answer.status_code == 422
    assert "窦性" not in answer.text  # a refusal never repeats what was sent


def test_the_timeline_needs_a_claimed_exam_of_the_patient(world, reader) -> None:
    with db.reading(world.engine) as session:
        patient_id = session.get_one(Exam, "exam-1").patient_id
    assert reader.get(f"/api/patients/{patient_id}/exams").status_code == 404
    reader.post("/api/exams/exam-1/claim")
    items = reader.get(f"/api/patients/{patient_id}/exams").json()["items"]
    assert [item["exam_id"] for item in items] == ["exam-1"]
