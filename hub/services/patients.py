"""Who it is: a station's patient matched with the county's, never overwritten by another room's typing."""

import secrets

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select, update

from hub.domain.exam import Exam
from hub.domain.patient import Patient, PatientKey
from hub.services import audit
from protocols.patient import Patient as RoomPatient

_FIELDS = ("name", "birth_date", "age_years", "phone", "no_id_reason")


def match(session: Session, station_id: str, room: RoomPatient, *, now_ns: int) -> Patient:
    """The county's patient for a room's patient; made if nobody matches.

    The resident ID number decides. Without one, the same `patient_id` of the same station is the same
    person. A room may correct what it registered itself; of a person known from elsewhere it only fills
    what is blank, and a differing name or sex is audited as `patient.mismatch` and left alone.
    """
    key = session.get(PatientKey, (station_id, room.patient_id))
    own = session.get(Patient, key.patient_id) if key else None
    by_number = _by_number(session, room.id_number)
    if by_number is not None and (own is None or own.id != by_number.id):
        if own is not None and own.id_number is None:
            _merge(session, own, by_number, station_id, now_ns)
        _set_key(session, key, station_id, room.patient_id, by_number)
        _fill(session, by_number, room, station_id, now_ns)
        return by_number
    if own is not None and (own.id_number is None or room.id_number in (None, own.id_number)):
        _correct(own, room)
        session.flush()
        return own
    made = _make(session, room, now_ns)
    if made is None:  # another transaction registered this number a moment ago
        made = _by_number(session, room.id_number)
        assert made is not None
    else:
        audit.record(
            session,
            "patient.registered",
            f"patient:{made.id}",
            now_ns=now_ns,
            by=station_id,
            patient_id=made.id,
        )
    _set_key(session, key, station_id, room.patient_id, made)
    return made


def _by_number(session: Session, number: str | None) -> Patient | None:
    if number is None:
        return None
    return session.exec(select(Patient).where(col(Patient.id_number) == number)).first()


def _make(session: Session, room: RoomPatient, now_ns: int) -> Patient | None:
    patient = Patient(
        id=secrets.token_hex(8),
        name=room.name,
        sex=room.sex,
        birth_date=room.birth_date,
        age_years=room.age_years,
        id_type=room.id_type,
        id_number=room.id_number,
        phone=room.phone,
        temporary=room.temporary,
        no_id_reason=room.no_id_reason,
        created_ns=now_ns,
    )
    if room.id_number is None:  # nothing of it can be there already: no savepoint, two round trips less
        session.add(patient)
        session.flush()
        return patient
    try:
        with session.begin_nested():
            session.add(patient)
    except IntegrityError:
        return None
    return patient


def _set_key(session: Session, row: PatientKey | None, station_id: str, key: str, patient: Patient) -> None:
    """`row`: what the room's key leads to so far."""
    if row is None:
        session.add(PatientKey(station_id=station_id, key=key, patient_id=patient.id))
    else:
        row.patient_id = patient.id
    session.flush()


def _correct(patient: Patient, room: RoomPatient) -> None:
    for name in _FIELDS:
        if (value := getattr(room, name)) is not None:
            setattr(patient, name, value)
    if room.sex != "unknown":
        patient.sex = room.sex
    if room.id_number is not None:
        patient.id_type, patient.id_number = room.id_type, room.id_number
    patient.temporary = patient.temporary and room.temporary


def _fill(session: Session, patient: Patient, room: RoomPatient, station_id: str, now_ns: int) -> None:
    for name in _FIELDS:
        if getattr(patient, name) is None:
            setattr(patient, name, getattr(room, name))
    differing = [
        name
        for name, ours, theirs in (
            ("name", patient.name, room.name),
            ("sex", patient.sex if patient.sex != "unknown" else None, room.sex),
        )
        if ours and theirs and theirs != "unknown" and ours != theirs
    ]
    if patient.sex == "unknown":
        patient.sex = room.sex
    patient.temporary = False
    session.flush()
    if differing:
        audit.record(
            session,
            "patient.mismatch",
            f"patient:{patient.id}",
            now_ns=now_ns,
            by=station_id,
            patient_id=patient.id,
            detail=", ".join(differing),
        )


def _merge(session: Session, unknown: Patient, known: Patient, station_id: str, now_ns: int) -> None:
    """An unidentified patient turns out to be one we know: the exams move, the empty row stays."""
    session.exec(update(Exam).where(col(Exam.patient_id) == unknown.id).values(patient_id=known.id))
    session.exec(
        update(PatientKey).where(col(PatientKey.patient_id) == unknown.id).values(patient_id=known.id)
    )
    unknown.merged_into = known.id
    session.flush()
    audit.record(
        session,
        "patient.merged",
        f"patient:{unknown.id}",
        now_ns=now_ns,
        by=station_id,
        patient_id=known.id,
    )
