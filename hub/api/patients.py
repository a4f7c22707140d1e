"""Patients as screens may show them, and the county's timeline of one."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from hub import db
from hub.api.deps import PROBLEMS, OpaqueId, TheHub, needs, note_read
from hub.api.stations import OrganisationView
from hub.domain.patient import Patient, age_at, last4, masked
from hub.domain.station import Organisation
from hub.domain.user import User
from hub.services import access, recordings, reports
from protocols.report import Report as Body

router = APIRouter(prefix="/api/patients", tags=["patients"], responses=PROBLEMS)


class PatientView(BaseModel):
    """Number and phone masked."""

    patient_id: str
    name: str | None
    sex: str
    birth_date: str | None
    age_years: int | None
    """At the time of the ECG."""
    id_type: str
    id_last4: str | None
    phone: str | None
    temporary: bool
    no_id_reason: str | None


def patient_view(patient: Patient, at_ns: int) -> PatientView:
    return PatientView(
        patient_id=patient.id,
        name=patient.name,
        sex=patient.sex,
        birth_date=patient.birth_date,
        age_years=age_at(patient, at_ns),
        id_type=patient.id_type,
        id_last4=last4(patient.id_number),
        phone=masked(patient.phone),
        temporary=patient.temporary,
        no_id_reason=patient.no_id_reason,
    )


class TimelineItem(BaseModel):
    exam_id: str
    captured_ns: int
    organisation: OrganisationView
    status: str
    level: int | None
    quality: str | None
    recording_id: str
    heart_rate: float | None
    """The machine's."""
    report: Body | None
    signed_by: str | None
    signed_ns: int | None


class Timeline(BaseModel):
    items: list[TimelineItem]


@router.get("/{patient_id}/exams")
def timeline(
    patient_id: OpaqueId, hub: TheHub, user: Annotated[User, Depends(needs("patient.timeline"))]
) -> Timeline:
    """The county's ECGs of a patient whose exam the reader has claimed, newest first."""
    with db.reading(hub.engine) as session:
        items = []
        for exam in access.timeline(session, user, patient_id, now_ns=hub.clock.wall_ns()):
            recording = recordings.get(session, exam.recording_id)
            current = next(iter(reports.signed(session, exam.id)), None)
            measured = (recording.analysis or {}).get("measurements", {})
            items.append(
                TimelineItem(
                    exam_id=exam.id,
                    captured_ns=exam.captured_ns,
                    organisation=OrganisationView.of(session.get_one(Organisation, exam.organisation_id)),
                    status=exam.status,
                    level=exam.level,
                    quality=exam.quality,
                    recording_id=exam.recording_id,
                    heart_rate=measured.get("heart_rate"),
                    report=Body.model_validate(current.body) if current else None,
                    signed_by=current.signed_by if current else None,
                    signed_ns=current.signed_ns if current else None,
                )
            )
    note_read(hub, user, "patient.timeline", f"patient:{patient_id}", patient_id=patient_id)
    return Timeline(items=items)
