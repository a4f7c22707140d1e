"""Who may see what: the only place that narrows by site or by relation to the patient.

What is not visible is answered like what does not exist, so that ids cannot be tried out.
"""

from sqlmodel import Session, col, select

from hub.domain.exam import Exam
from hub.domain.recording import Recording
from hub.domain.report import Report, ReportStatus
from hub.domain.user import User
from hub.errors import Forbidden, NotFound
from hub.security import OWN_SITE_ONLY, Permission, permissions_of


def need(user: User, permission: Permission) -> None:
    """Raises Forbidden unless the user's role has the permission."""
    if permission not in permissions_of(user.role):
        raise Forbidden(permission=permission)


def _sees(user: User, exam: Exam) -> bool:
    return user.role not in OWN_SITE_ONLY or (
        user.organisation_id is not None and user.organisation_id == exam.organisation_id
    )


def exam(session: Session, user: User, exam_id: str, *, lock: bool = False) -> Exam:
    """The exam, if this user may see it. Raises NotFound."""
    row = session.get(Exam, exam_id, with_for_update=True if lock else None)
    if row is None or not _sees(user, row):
        raise NotFound(what="exam")
    return row


def recording(session: Session, user: User, recording_id: str) -> tuple[Recording, Exam]:
    """The recording and its exam, if this user may see it. Raises NotFound."""
    row = session.get(Recording, recording_id)
    if row is None:
        raise NotFound(what="recording")
    parent = session.get(Exam, row.exam_id)
    if parent is None or not _sees(user, parent):
        raise NotFound(what="recording")
    return row, parent


def report(session: Session, user: User, report_id: str) -> tuple[Report, Exam]:
    """A signed report and its exam, if this user may see it; nobody's draft. Raises NotFound."""
    row = session.get(Report, report_id)
    if row is None or row.status == ReportStatus.DRAFT:
        raise NotFound(what="report")
    parent = session.get(Exam, row.exam_id)
    if parent is None or not _sees(user, parent):
        raise NotFound(what="report")
    return row, parent


def timeline(session: Session, user: User, patient_id: str, *, now_ns: int) -> list[Exam]:
    """The county's exams of a patient, newest first, for a reader who has one of them claimed.

    Raises NotFound: without that relation the patient does not exist for this user.
    """
    query = (
        select(Exam)
        .where(col(Exam.patient_id) == patient_id)
        .order_by(col(Exam.captured_ns).desc())
        .limit(500)
    )
    exams = list(session.exec(query))
    if not any(e.is_claimed_by(user.id, now_ns) for e in exams):
        raise NotFound(what="patient")
    return exams
