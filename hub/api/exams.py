"""One exam: look, claim, release, draft, sign."""

import logging
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from sqlmodel import Session

from hub import db
from hub.api.deps import PROBLEMS, OpaqueId, TheHub, needs, note_read
from hub.api.patients import PatientView, patient_view
from hub.api.stations import OrganisationView
from hub.api.worklist import Claimer
from hub.domain.exam import WAITING, Exam
from hub.domain.patient import Patient
from hub.domain.recording import Recording
from hub.domain.report import Report, ReportStatus
from hub.domain.station import Organisation
from hub.domain.user import User
from hub.render import render_report_pdf
from hub.security import permissions_of
from hub.services import access, recordings, reports, worklist
from protocols.messages import Analysis, Complaint
from protocols.report import Report as Body

_logger = logging.getLogger(__name__)
router = APIRouter(prefix="/api/exams", tags=["exams"], responses=PROBLEMS)

Reader = Annotated[User, Depends(needs("exam.claim"))]


class RecordingView(BaseModel):
    recording_id: str
    attempt: int
    started_ns: int
    """As the station stamped it."""
    clock_quality: str
    """Of that stamp: ntp, hub, rtc, floor, none."""
    corrected_ns: int | None
    """By what the station learned later of its clock; None: nothing to correct it by, or no need."""
    received_ns: int
    duration_s: float
    rate_hz: float
    leads: list[str]
    """As the box sampled them; the waveform has all twelve."""
    filters: str
    interrupted: bool
    missing_samples: int
    box_serial: str
    operator: str
    lead_off_reason: str | None
    quality: str | None
    lead_quality: dict[str, str]
    analysis: Analysis | None
    analysis_error: str | None
    damaged: bool
    """The stored bytes are not what was sealed at capture: it cannot be read or signed (E-31)."""


class ReportVersion(BaseModel):
    report_id: str
    version: int
    status: str
    recording_id: str | None
    signed_by: str
    signed_ns: int
    opened_ns: int | None
    opened_by: str | None
    body: Body


class Draft(BaseModel):
    body: Body
    saved_ns: int


class Can(BaseModel):
    """What this user may do with it now; `reason` is the code of what stands in the way."""

    claim: bool
    edit: bool
    sign: bool
    reason: str | None


class ExamView(BaseModel):
    now_ns: int
    exam_id: str
    status: str
    level: int | None
    quality: str | None
    emergency: bool
    lane: str
    station_id: str
    organisation: OrganisationView
    operator: str
    captured_ns: int
    received_ns: int
    reported_ns: int | None
    delivered_ns: int | None
    first_contact_ns: int | None
    patient: PatientView
    complaint: Complaint
    recording_id: str
    """The shown attempt."""
    attempt: int
    recordings: list[RecordingView]
    report: ReportVersion | None
    draft: Draft | None
    """The caller's own."""
    versions: list[ReportVersion]
    claimed_by: Claimer | None
    claimed_until_ns: int | None
    mine: bool
    can: Can


class ClaimView(BaseModel):
    exam_id: str
    status: str
    claimed_until_ns: int | None


class DraftBody(BaseModel):
    body: Body


class Saved(BaseModel):
    saved_ns: int


class SignBody(BaseModel):
    body: Body
    confirm: Literal[True]
    """The second key: nothing is signed by one."""


class SignedView(BaseModel):
    report_id: str
    version: int
    status: Literal["signed"]
    signed_ns: int


def _recording(recording: Recording, damaged: bool) -> RecordingView:
    analysis = Analysis.model_validate(recording.analysis) if recording.analysis else None
    return RecordingView(
        recording_id=recording.id,
        attempt=recording.attempt,
        started_ns=recording.started_ns,
        clock_quality=recording.clock_quality,
        corrected_ns=recording.corrected_ns,
        received_ns=recording.received_ns,
        duration_s=recording.duration_s,
        rate_hz=recording.rate_hz,
        leads=recording.leads,
        filters=recording.filters,
        interrupted=recording.interrupted,
        missing_samples=recording.missing_samples,
        box_serial=recording.box_serial,
        operator=recording.operator,
        lead_off_reason=recording.lead_off_reason,
        quality=analysis.quality if analysis else None,
        lead_quality=analysis.lead_quality if analysis else {},
        analysis=analysis,
        analysis_error=recording.analysis_error,
        damaged=damaged,
    )


def _version(row: Report) -> ReportVersion:
    return ReportVersion(
        report_id=row.id,
        version=row.version or 0,
        status=row.status,
        recording_id=row.recording_id,
        signed_by=row.signed_by or "",
        signed_ns=row.signed_ns or 0,
        opened_ns=row.opened_ns,
        opened_by=row.opened_by,
        body=Body.model_validate(row.body),
    )


def _can(exam: Exam, user: User, damaged: bool, now_ns: int) -> Can:
    allowed = permissions_of(user.role)
    mine = exam.is_claimed_by(user.id, now_ns)
    others = exam.is_claimed(now_ns) and not mine
    waiting = exam.status in WAITING
    reason = None
    if "exam.claim" not in allowed:
        reason = "forbidden"
    elif not waiting:
        reason = "wrong_state"
    elif others:
        reason = "claimed_by_other"
    elif damaged:
        reason = "E-31"
    elif not mine:
        reason = "not_claimed"
    return Can(
        claim="exam.claim" in allowed and waiting and not others,
        edit="report.write" in allowed and mine,
        sign="report.sign" in allowed and mine and not damaged,
        reason=reason,
    )


def _view(session: Session, exam: Exam, user: User, now_ns: int) -> ExamView:
    rows = recordings.of_exam(session, exam.id)
    damaged = {row.id: recordings.is_damaged(session, row) for row in rows}
    versions = [_version(row) for row in reports.signed(session, exam.id)]
    own = reports.draft(session, exam.id, user)
    claimer = session.get(User, exam.claimed_by) if exam.is_claimed(now_ns) else None
    return ExamView(
        now_ns=now_ns,
        exam_id=exam.id,
        status=exam.status,
        level=exam.level,
        quality=exam.quality,
        emergency=exam.emergency,
        lane=exam.lane,
        station_id=exam.station_id,
        organisation=OrganisationView.of(session.get_one(Organisation, exam.organisation_id)),
        operator=exam.operator,
        captured_ns=exam.captured_ns,
        received_ns=exam.received_ns,
        reported_ns=exam.reported_ns,
        delivered_ns=exam.delivered_ns,
        first_contact_ns=exam.first_contact_ns,
        patient=patient_view(session.get_one(Patient, exam.patient_id), exam.captured_ns),
        complaint=Complaint.model_validate(exam.complaint),
        recording_id=exam.recording_id,
        attempt=exam.attempt,
        recordings=[_recording(row, damaged[row.id]) for row in rows],
        report=next((v for v in versions if v.status == ReportStatus.SIGNED), None),
        draft=Draft(body=Body.model_validate(own.body), saved_ns=own.saved_ns) if own else None,
        versions=versions,
        claimed_by=Claimer(id=claimer.id, name=claimer.name) if claimer else None,
        claimed_until_ns=exam.claimed_until_ns if claimer else None,
        mine=claimer is not None and claimer.id == user.id,
        can=_can(exam, user, damaged.get(exam.recording_id, True), now_ns),
    )


@router.get("/{exam_id}")
def show(exam_id: OpaqueId, hub: TheHub, user: Annotated[User, Depends(needs("exam.read"))]) -> ExamView:
    """Everything about one exam that the reader needs."""
    with db.reading(hub.engine) as session:
        exam = access.exam(session, user, exam_id)
        view = _view(session, exam, user, hub.clock.wall_ns())
    note_read(hub, user, "exam.viewed", f"exam:{exam_id}", patient_id=exam.patient_id)
    return view


@router.post("/{exam_id}/claim")
def claim(exam_id: OpaqueId, hub: TheHub, user: Reader) -> ClaimView:
    """Take it, or keep it for longer. 409 claimed_by_other, wrong_state."""
    with db.transaction(hub.engine) as session:
        exam = worklist.claim(
            session,
            user,
            exam_id,
            claim_minutes=hub.settings.claim_minutes,
            now_ns=hub.clock.wall_ns(),
        )
    hub.notices.publish("worklist", exam_id)
    return ClaimView(exam_id=exam.id, status=exam.status, claimed_until_ns=exam.claimed_until_ns)


@router.post("/{exam_id}/release")
def release(exam_id: OpaqueId, hub: TheHub, user: Reader) -> ClaimView:
    """Give it back to the list; the draft stays."""
    with db.transaction(hub.engine) as session:
        exam = worklist.release(session, user, exam_id, now_ns=hub.clock.wall_ns())
    hub.notices.publish("worklist", exam_id)
    return ClaimView(exam_id=exam.id, status=exam.status, claimed_until_ns=exam.claimed_until_ns)


@router.put("/{exam_id}/draft")
def save_draft(
    exam_id: OpaqueId, body: DraftBody, hub: TheHub, user: Annotated[User, Depends(needs("report.write"))]
) -> Saved:
    """Keep what is typed; prolongs the claim. 409 not_claimed."""
    with db.transaction(hub.engine) as session:
        row = reports.save_draft(
            session,
            user,
            exam_id,
            body.body,
            claim_minutes=hub.settings.claim_minutes,
            now_ns=hub.clock.wall_ns(),
        )
    return Saved(saved_ns=row.saved_ns)


@router.post("/{exam_id}/sign")
def sign(
    exam_id: OpaqueId, body: SignBody, hub: TheHub, user: Annotated[User, Depends(needs("report.sign"))]
) -> SignedView:
    """Make it a signed report and owe it to the station. 409 not_claimed, empty_impression, E-31."""
    settings = hub.settings
    english = settings.default_language == "en"
    with db.reading(hub.engine) as session:
        prepared = reports.prepare(
            session,
            user,
            exam_id,
            body.body,
            hospital_name=settings.hospital_name_en if english else settings.hospital_name,
            language=settings.default_language,
            font_file=settings.font_file,
            now_ns=hub.clock.wall_ns(),
        )
    rendered = render_report_pdf(prepared.context)
    if rendered.missing:
        # The page says so too; a name with a rare character must not fail in silence.
        code_points = " ".join(f"U+{ord(c):04X}" for c in rendered.missing)
        _logger.warning("report of exam %s: the font lacks %s", exam_id, code_points)
    with db.transaction(hub.engine) as session:
        row = reports.sign(session, user, prepared, rendered, now_ns=hub.clock.wall_ns())
    hub.notices.publish("delivery", row.id)
    hub.notices.publish("worklist", exam_id)
    return SignedView(
        report_id=row.id, version=prepared.version, status="signed", signed_ns=prepared.signed_ns
    )
