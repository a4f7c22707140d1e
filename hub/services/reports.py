"""Draft, sign, and what the village does with it. Signing writes the delivery in the same transaction.

Signing has two steps, because making the PDF takes longer than a lock should be held: `prepare` checks
and gathers, the PDF is made, `sign` checks again and writes.
"""

import math
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import func
from sqlmodel import Session, col, select

from ecg import leads
from ecg.filters import BANDS
from hub.domain.exam import Exam, ExamStatus
from hub.domain.patient import Patient, age_at, last4
from hub.domain.report import Report, ReportStatus
from hub.domain.station import Organisation, Station
from hub.domain.user import User
from hub.errors import EmptyImpression, Invalid, NewerAttempt, NotClaimed, NotFound, WrongState, WrongStation
from hub.render.context import Rendered, ReportContext
from hub.services import access, audit, deliveries, recordings
from protocols.messages import Analysis, Complaint, ReportOpened, ReportShow
from protocols.report import Report as Body
from protocols.statements import MEASUREMENTS, STATEMENTS

_CODES = frozenset(row.code for row in STATEMENTS)
_MEASURED = frozenset(row.id for row in MEASUREMENTS)
_PRINTED_BAND: Literal["diagnostic"] = "diagnostic"
_MINUTE_NS = 60_000_000_000


def signed(session: Session, exam_id: str) -> list[Report]:
    """All signed versions, newest first."""
    query = (
        select(Report)
        .where(col(Report.exam_id) == exam_id, col(Report.status) != ReportStatus.DRAFT)
        .order_by(col(Report.version).desc())
    )
    return list(session.exec(query))


def draft(session: Session, exam_id: str, user: User) -> Report | None:
    """This user's draft; nobody sees another's."""
    query = select(Report).where(
        col(Report.exam_id) == exam_id,
        col(Report.author_id) == user.id,
        col(Report.status) == ReportStatus.DRAFT,
    )
    return session.exec(query).first()


def save_draft(
    session: Session, user: User, exam_id: str, body: Body, *, claim_minutes: int, now_ns: int
) -> Report:
    """Keep what the reader has typed so far; it prolongs the claim.

    Needs the claim; but who has a draft already may go on saving it after the claim ran out, since
    nothing typed may be lost. Raises NotFound, Invalid or NotClaimed.
    """
    exam = access.exam(session, user, exam_id, lock=True)
    _check(session, exam, body)
    row = draft(session, exam_id, user)
    mine = exam.is_claimed_by(user.id, now_ns)
    if row is None and not mine:
        raise NotClaimed
    if mine:
        exam.claimed_until_ns = now_ns + claim_minutes * _MINUTE_NS
    if row is None:
        row = Report(id=secrets.token_hex(8), exam_id=exam_id, body={}, author_id=user.id, saved_ns=now_ns)
        session.add(row)
    row.body, row.recording_id, row.saved_ns = body.model_dump(mode="json"), body.recording_id, now_ns
    session.flush()
    audit.record(
        session, "report.drafted", f"exam:{exam_id}", now_ns=now_ns, user=user, patient_id=exam.patient_id
    )
    return row


def _check(session: Session, exam: Exam, body: Body) -> None:
    """Known codes and ids, storable numbers and characters, a recording of this exam. Raises Invalid.

    Known is also what a machine said of this exam: a station newer than the hub has more codes and ids, and
    nothing of them may be lost on the way through a report.
    """
    attempts = recordings.of_exam(session, exam.id)
    codes, ids = set(_CODES), set(_MEASURED)
    for recording in attempts:
        said = recording.analysis or {}
        codes.update(statement["code"] for statement in said.get("statements", ()))
        ids.update(said.get("measurements", ()))
    wrong = [
        f"impression.{n}.code: unknown"
        for n, statement in enumerate(body.impression)
        if statement.code is not None and statement.code not in codes
    ]
    wrong += [f"measurements.{n}.id: unknown" for n, m in enumerate(body.measurements) if m.id not in ids]
    wrong += [
        f"measurements.{n}: not a number"
        for n, m in enumerate(body.measurements)
        if not all(math.isfinite(v) for v in (m.value, m.edited_from) if v is not None)
    ]
    if "\0" in body.findings + body.advice + "".join(s.text for s in body.impression):
        wrong.append("a text: NUL character")
    if body.recording_id is not None and body.recording_id not in {r.id for r in attempts}:
        wrong.append("recording_id: not of this exam")
    if wrong:
        raise Invalid(fields="; ".join(wrong[:8]))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A report about to be signed: what `sign` will hold against the state of that moment."""

    exam_id: str
    body: Body
    recording_id: str
    shown_recording_id: str
    """The latest attempt at that moment."""
    version: int
    signed_ns: int
    context: ReportContext


def prepare(
    session: Session,
    user: User,
    exam_id: str,
    body: Body,
    *,
    hospital_name: str,
    language: Literal["zh-CN", "en"],
    font_file: Path | None,
    now_ns: int,
) -> Prepared:
    """Check that this may be signed, and gather what the PDF is made of.

    An earlier attempt may be the better one to read, but not by who has not looked at the latest.
    Raises NotFound, Invalid, NotClaimed, EmptyImpression, NewerAttempt or Unreadable.
    """
    exam = access.exam(session, user, exam_id)
    if not exam.is_claimed_by(user.id, now_ns):
        raise NotClaimed
    if not any(statement.text.strip() for statement in body.impression):
        raise EmptyImpression
    _check(session, exam, body)
    recording = recordings.get(session, body.recording_id or exam.recording_id)
    latest = f"recording:{exam.recording_id}"
    if recording.id != exam.recording_id and not audit.has_seen(session, user, latest, exam.patient_id):
        raise NewerAttempt(attempt=exam.attempt)
    body = body.model_copy(update={"recording_id": recording.id})
    samples = recordings.twelve_leads(session, recording)
    band = BANDS[_PRINTED_BAND]
    patient = session.get_one(Patient, exam.patient_id)
    station = session.get_one(Station, exam.station_id)
    organisation = session.get_one(Organisation, exam.organisation_id)
    version = _next_version(session, exam_id)
    context = ReportContext(
        hospital_name=hospital_name,
        exam_id=exam_id,
        report=body,
        version=version,
        signed_by=user.name,
        signed_ns=now_ns,
        made_ns=now_ns,
        patient_number=patient.id,
        patient_name=patient.name,
        sex=patient.sex,
        birth_date=patient.birth_date,
        age_years=age_at(patient, recording.started_ns),
        id_last4=last4(patient.id_number),
        temporary=patient.temporary,
        organisation=organisation.name_en or organisation.name if language == "en" else organisation.name,
        station=station.id,
        complaint=Complaint.model_validate(exam.complaint),
        started_ns=recording.started_ns,
        rate_hz=recording.rate_hz,
        samples_uv=recordings.filtered(samples, recording.rate_hz, _PRINTED_BAND),
        leads=leads.LEADS,
        highpass_hz=band.highpass_hz,
        lowpass_hz=band.lowpass_hz,
        notch_hz=band.notch_hz,
        box_filters=recording.filters,
        analysis=Analysis.model_validate(recording.analysis) if recording.analysis else None,
        interrupted=recording.interrupted,
        missing_samples=recording.missing_samples,
        language=language,
        font_file=font_file,
    )
    return Prepared(exam_id, body, recording.id, exam.recording_id, version, now_ns, context)


def _next_version(session: Session, exam_id: str) -> int:
    newest = session.exec(select(func.max(col(Report.version))).where(col(Report.exam_id) == exam_id)).one()
    return (newest or 0) + 1


def sign(session: Session, user: User, prepared: Prepared, rendered: Rendered, *, now_ns: int) -> Report:
    """Make it a signed version, and owe it to the station, in this one transaction.

    Raises NotClaimed, NewerAttempt or WrongState if the exam is no longer what `prepare` saw.
    """
    exam = access.exam(session, user, prepared.exam_id, lock=True)
    if not exam.is_claimed_by(user.id, now_ns):
        raise NotClaimed
    if exam.recording_id != prepared.shown_recording_id:
        raise NewerAttempt(attempt=exam.attempt)
    if exam.status != ExamStatus.READING or _next_version(session, exam.id) != prepared.version:
        raise WrongState(status=exam.status)
    for older in signed(session, exam.id):
        older.status = ReportStatus.SUPERSEDED
    row = draft(session, exam.id, user)
    if row is None:
        row = Report(id=secrets.token_hex(8), exam_id=exam.id, body={}, author_id=user.id, saved_ns=now_ns)
        session.add(row)
    row.status, row.version = ReportStatus.SIGNED, prepared.version
    row.body, row.recording_id = prepared.body.model_dump(mode="json"), prepared.recording_id
    row.saved_ns = row.signed_ns = prepared.signed_ns
    row.signed_by, row.pdf = user.name, rendered.pdf
    exam.status, exam.reported_ns, exam.delivered_ns = ExamStatus.REPORTED, prepared.signed_ns, None
    exam.claimed_by = exam.claimed_until_ns = None
    session.flush()
    deliveries.enqueue(
        session,
        ReportShow(
            report_id=row.id,
            exam_id=exam.id,
            version=prepared.version,
            report=prepared.body,
            signed_by=user.name,
            signed_ns=prepared.signed_ns,
            pdf=rendered.pdf,
        ),
        receiver_kind="station",
        receiver_id=exam.station_id,
        ref=row.id,
        lane="urgent" if exam.level == 0 or exam.emergency else "prompt",
        now_ns=now_ns,
    )
    audit.record(
        session,
        "report.signed",
        f"report:{row.id}",
        now_ns=now_ns,
        user=user,
        patient_id=exam.patient_id,
        detail=f"exam:{exam.id} version {prepared.version}",
    )
    return row


def opened(session: Session, station_id: str, message: ReportOpened, *, now_ns: int) -> Exam:
    """The village doctor has opened it: 已签收. Again changes nothing. Raises NotFound, WrongStation."""
    row = session.get(Report, message.report_id, with_for_update=True)
    exam = session.get(Exam, message.exam_id, with_for_update=True)
    if row is None or exam is None or row.exam_id != exam.id or row.status == ReportStatus.DRAFT:
        raise NotFound(what="report")
    if exam.station_id != station_id:
        raise WrongStation
    if row.opened_ns is None:
        row.opened_ns, row.opened_by = message.opened_ns, message.opened_by[:64]
        if row.status == ReportStatus.SIGNED and exam.status == ExamStatus.REPORTED:
            exam.status, exam.delivered_ns = ExamStatus.DELIVERED, now_ns
        audit.record(
            session,
            "report.opened",
            f"report:{row.id}",
            now_ns=now_ns,
            by=station_id,
            patient_id=exam.patient_id,
        )
    return exam
