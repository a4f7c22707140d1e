"""What waits to be read: order, claim, release, expiry."""

from dataclasses import dataclass

from sqlalchemy import or_, update
from sqlmodel import Session, col, select

from hub.domain.exam import LANE_RANK, WAITING, Exam, ExamStatus
from hub.domain.patient import Patient
from hub.domain.recording import Recording
from hub.domain.report import Report, ReportStatus
from hub.domain.station import Organisation
from hub.domain.user import User
from hub.errors import ClaimedByOther, WrongState
from hub.services import access, audit

_MINUTE_NS = 60_000_000_000
_UNKNOWN_LEVEL = 2.5
"""Not judged stands after "abnormal" and before "normal"."""


@dataclass(frozen=True, slots=True)
class Item:
    exam: Exam
    patient: Patient
    organisation: Organisation
    recording: Recording
    claimed_by: User | None
    """None also when the claim has run out."""
    has_draft: bool
    """Of the user who asks."""


def items(session: Session, user: User, *, now_ns: int) -> list[Item]:
    """The list, sickest first: level, emergency and lane, then the longest wait."""
    rows = session.exec(
        select(Exam, Patient, Organisation, Recording)
        .where(
            col(Exam.status).in_(WAITING),
            col(Exam.patient_id) == col(Patient.id),
            col(Exam.organisation_id) == col(Organisation.id),
            col(Exam.recording_id) == col(Recording.id),
        )
        .execution_options(populate_existing=True)
    ).all()
    claimers = {exam.claimed_by for exam, *_ in rows if exam.is_claimed(now_ns)}
    users = {u.id: u for u in session.exec(select(User).where(col(User.id).in_(claimers)))}
    drafts = set(
        session.exec(
            select(Report.exam_id).where(
                col(Report.author_id) == user.id, col(Report.status) == ReportStatus.DRAFT
            )
        )
    )
    result = [
        Item(
            exam,
            patient,
            organisation,
            recording,
            users.get(exam.claimed_by or "") if exam.is_claimed(now_ns) else None,
            exam.id in drafts,
        )
        for exam, patient, organisation, recording in rows
    ]
    return sorted(result, key=_urgency)


def _urgency(item: Item) -> tuple[float, bool, int, int, str]:
    exam = item.exam
    level = _UNKNOWN_LEVEL if exam.level is None else exam.level
    return (level, not exam.emergency, LANE_RANK.get(exam.lane, 9), exam.received_ns, exam.id)


def claim(session: Session, user: User, exam_id: str, *, claim_minutes: int, now_ns: int) -> Exam:
    """Take an exam to read, or take it for longer. Of two who try at once exactly one gets it.

    Raises NotFound, ClaimedByOther or WrongState.
    """
    exam = access.exam(session, user, exam_id)
    renewed = exam.is_claimed_by(user.id, now_ns)
    taken = session.exec(
        update(Exam)
        .where(
            col(Exam.id) == exam_id,
            col(Exam.status).in_(WAITING),
            or_(
                col(Exam.claimed_by).is_(None),
                col(Exam.claimed_by) == user.id,
                col(Exam.claimed_until_ns) <= now_ns,
            ),
        )
        .values(
            status=ExamStatus.READING,
            claimed_by=user.id,
            claimed_until_ns=now_ns + claim_minutes * _MINUTE_NS,
        )
        .execution_options(synchronize_session=False)
    )
    session.refresh(exam)
    if taken.rowcount == 0:
        other = session.get(User, exam.claimed_by) if exam.is_claimed(now_ns) else None
        if other is not None:
            raise ClaimedByOther(name=other.name)
        raise WrongState(status=exam.status)
    if not renewed:
        audit.record(
            session, "exam.claimed", f"exam:{exam_id}", now_ns=now_ns, user=user, patient_id=exam.patient_id
        )
    return exam


def release(session: Session, user: User, exam_id: str, *, now_ns: int) -> Exam:
    """Give a claimed exam back to the list; the draft stays. Not mine: nothing happens. Raises NotFound."""
    exam = access.exam(session, user, exam_id, lock=True)
    if exam.claimed_by == user.id and exam.status == ExamStatus.READING:
        _put_back(exam)
        audit.record(
            session, "exam.released", f"exam:{exam_id}", now_ns=now_ns, user=user, patient_id=exam.patient_id
        )
    return exam


def release_expired(session: Session, *, now_ns: int) -> list[str]:
    """Put back what is claimed and whose time is over; the ids."""
    query = (
        select(Exam)
        .where(col(Exam.status) == ExamStatus.READING, col(Exam.claimed_until_ns) <= now_ns)
        .with_for_update(skip_locked=True)
    )
    exams = list(session.exec(query))
    for exam in exams:
        audit.record(
            session,
            "exam.claim_expired",
            f"exam:{exam.id}",
            now_ns=now_ns,
            patient_id=exam.patient_id,
            detail=f"user:{exam.claimed_by}",
        )
        _put_back(exam)
    return [exam.id for exam in exams]


def _put_back(exam: Exam) -> None:
    exam.status = ExamStatus.PENDING_READ
    exam.claimed_by = exam.claimed_until_ns = None
