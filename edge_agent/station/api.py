"""The page's HTTP interface: one function per address, one table that says who may use it.

Answers come after the commit. A request that does not fit is refused with a code, never with a 500.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge_agent import room
from edge_agent.analysis import BANDS
from edge_agent.outbox import describe
from edge_agent.room import Exam
from edge_agent.station import bodies
from edge_agent.station.answers import Refusal, exam_json, patient_json
from edge_agent.station.desk import Desk
from edge_agent.station.login import Session
from protocols import statements
from protocols.messages import ReportOpened
from protocols.patient import Patient


@dataclass(frozen=True, slots=True)
class Call:
    """One request of somebody who may make it."""

    desk: Desk
    request: Request
    session: Session

    @property
    def exam_id(self) -> str:
        return str(self.request.path_params["exam_id"])


Handler = Callable[[Call], Awaitable[Response]]


async def state(call: Call) -> Response:
    return JSONResponse(await call.desk.state())


async def words(call: Call) -> Response:
    """Symptoms, history, statements and measurements, Chinese and English."""
    tables: dict[str, tuple[NamedTuple, ...]] = {
        "symptoms": statements.SYMPTOMS,
        "history": statements.HISTORY,
        "statements": statements.STATEMENTS,
        "measurements": statements.MEASUREMENTS,
    }
    return JSONResponse({name: [row._asdict() for row in rows] for name, rows in tables.items()})


async def find_patients(call: Call) -> Response:
    """A search is a body, not a query: a name or an ID number never stands in an address."""
    desk = call.desk
    body = await bodies.read(call.request, bodies.SearchBody)
    found = desk.room.search(body.q)
    return JSONResponse({"items": [_patient(desk, patient) for patient in found]})


async def register_patient(call: Call) -> Response:
    desk = call.desk
    body = await bodies.read(call.request, bodies.PatientBody)
    patient, new = await desk.room.register(body.patient(desk.clock.wall_ns()))
    return JSONResponse(_patient(desk, patient), 201 if new else 200)


async def new_exam(call: Call) -> Response:
    desk = call.desk
    body = await bodies.read(call.request, bodies.ExamBody)
    complaint = body.complaint.complaint()
    if body.patient_id is not None:
        patient = _known_patient(desk, body.patient_id)
    elif body.emergency:
        someone = Patient(patient_id=room.new_id(), sex=body.sex, age_years=body.age_years, temporary=True)
        patient, _ = await desk.room.register(someone)
    else:
        raise Refusal("bad_field", field="patient_id", code="missing")
    exam = await desk.room.new_exam(patient, complaint, desk.clock.wall_ns())
    return JSONResponse(await _exam(desk, exam), 201)


async def list_exams(call: Call) -> Response:
    """?day=today (the default): today's, newest first; ?patient_id=: one patient's."""
    desk, query = call.desk, call.request.query_params
    if (patient_id := query.get("patient_id")) is not None:
        exams = await desk.room.exams_of_patient(patient_id)
    elif query.get("day", "today") == "today":
        exams = await desk.room.exams_of_today(desk.clock.wall_ns())
    else:
        raise Refusal("bad_field", field="day", code="unknown_word")
    fates = await desk.outbox.states_of(a.recording_id for exam in exams for a in exam.attempts)
    return JSONResponse({"items": [exam_json(exam, fates) for exam in exams]})


async def get_exam(call: Call) -> Response:
    return JSONResponse(await _exam(call.desk, await _known_exam(call)))


async def change_exam(call: Call) -> Response:
    desk = call.desk
    body = await bodies.read(call.request, bodies.ExamChange)
    exam = await _known_exam(call)
    patient = None if body.patient_id is None else _known_patient(desk, body.patient_id)
    complaint = None if body.complaint is None else body.complaint.complaint()
    if exam.attempts:
        raise Refusal("already_sent")
    await desk.room.change_exam(exam.exam_id, patient, complaint)
    return JSONResponse(await _exam(desk, await _known_exam(call)))


async def start_capture(call: Call) -> Response:
    desk = call.desk
    body = await bodies.read(call.request, bodies.CaptureBody)
    exam = await _known_exam(call)
    reason = body.lead_off_reason or None
    recording_id = await desk.machine.start(exam, call.session.account.username, reason)
    return JSONResponse({"recording_id": recording_id}, 202)


async def cancel_capture(call: Call) -> Response:
    if not await call.desk.machine.cancel((await _known_exam(call)).exam_id):
        raise Refusal("nothing_to_cancel")
    return JSONResponse({"cancelled": True})


async def waveform(call: Call) -> Response:
    """The attempt's twelve leads, filtered for the screen, as one protocols.live block."""
    band = call.request.query_params.get("band", BANDS[0])
    if band not in BANDS:
        raise Refusal("bad_field", field="band", code="unknown_word")
    recording_id = str(call.request.path_params["recording_id"])
    block = await call.desk.room.waveform(call.exam_id, recording_id, band)
    if block is None:
        raise Refusal("no_waveform")
    return Response(block, media_type="application/octet-stream")


async def open_report(call: Call) -> Response:
    """签收: the county is told; the same report opened again changes nothing."""
    desk = call.desk
    exam = await _known_exam(call)
    report = exam.report
    if report is None:
        raise Refusal("no_report")
    if report.opened_ns is None:
        now_ns = desk.clock.wall_ns()
        opened = ReportOpened(
            report_id=report.report_id,
            exam_id=exam.exam_id,
            opened_by=call.session.account.username,
            opened_ns=now_ns,
        )
        # First what the county is owed: if the power goes in between, opening again owes it once.
        await desk.outbox.append(opened, "clinical", f"opened-{report.report_id}-{report.version}")
        await desk.room.mark_opened(exam.exam_id, report.version, now_ns)
    return JSONResponse(await _exam(desk, await _known_exam(call)))


async def report_pdf(call: Call) -> Response:
    pdf = await call.desk.room.report_pdf(call.exam_id)
    if pdf is None:
        raise Refusal("no_report")
    # No name in the file name: it goes into download lists and logs.
    headers = {"Content-Disposition": f'inline; filename="ecg-{(await _known_exam(call)).exam_id}.pdf"'}
    return Response(pdf, media_type="application/pdf", headers=headers)


async def queue(call: Call) -> Response:
    return JSONResponse({"items": [describe(row) for row in await call.desk.outbox.rows()]})


async def retry_queue(call: Call) -> Response:
    """立即重试: rejected rows wait again, and the link does not wait for its next attempt."""
    requeued = await call.desk.outbox.requeue()
    call.desk.link.try_now()
    return JSONResponse({"requeued": requeued})


class Row(NamedTuple):
    method: str
    path: str
    permission: str
    handler: Handler
    prolongs: bool = True
    """Whether using it keeps the session alive; what a page asks by itself does not."""


_EXAM = "/api/exams/{exam_id}"

TABLE: tuple[Row, ...] = (
    Row("GET", "/api/state", "station", state, prolongs=False),
    Row("GET", "/api/words", "station", words),
    Row("GET", "/api/queue", "queue", queue, prolongs=False),
    Row("POST", "/api/queue/retry", "queue", retry_queue),
    Row("POST", "/api/patients/search", "patient", find_patients),
    Row("POST", "/api/patients", "patient", register_patient),
    Row("GET", "/api/exams", "patient", list_exams, prolongs=False),
    Row("POST", "/api/exams", "patient", new_exam),
    Row("GET", _EXAM, "patient", get_exam, prolongs=False),
    Row("PATCH", _EXAM, "patient", change_exam),
    Row("POST", _EXAM + "/capture", "capture", start_capture),
    Row("POST", _EXAM + "/capture/cancel", "capture", cancel_capture),
    Row("GET", _EXAM + "/recordings/{recording_id}/waveform", "patient", waveform),
    Row("POST", _EXAM + "/report/open", "report", open_report),
    Row("GET", _EXAM + "/report.pdf", "report", report_pdf),
)
"""Address → who may use it; what is not here does not exist."""


def _patient(desk: Desk, patient: Patient) -> dict[str, Any]:
    shown = patient_json(patient, desk.clock.wall_ns())
    return {**shown, "last_exam_ns": desk.room.last_exam_ns(patient.patient_id)}


def _known_patient(desk: Desk, patient_id: str) -> Patient:
    patient = desk.room.patient(patient_id)
    if patient is None:
        raise Refusal("no_such_patient")
    return patient


async def _known_exam(call: Call) -> Exam:
    exam = await call.desk.room.exam(call.exam_id)
    if exam is None:
        raise Refusal("no_such_exam")
    return exam


async def _exam(desk: Desk, exam: Exam) -> dict[str, Any]:
    return exam_json(exam, await desk.outbox.states_of(a.recording_id for a in exam.attempts))
