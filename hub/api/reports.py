"""Signed reports as printed, and the words they are written in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from hub import db
from hub.api.deps import PROBLEMS, OpaqueId, TheCaller, TheHub, needs, note_read
from hub.domain.user import User
from hub.services import access
from protocols import report, statements

router = APIRouter(prefix="/api", tags=["reports"], responses=PROBLEMS)


class StatementWord(BaseModel):
    code: str
    zh: str
    en: str
    pinyin: str
    group: str
    aha: str
    snomed: str
    critical: bool


class MeasurementWord(BaseModel):
    id: str
    zh: str
    en: str
    unit: str
    decimals: int
    low: float | None
    high: float | None


class Word(BaseModel):
    id: str
    zh: str
    en: str


class FieldWord(BaseModel):
    name: str
    zh: str
    en: str
    code: str | None
    since: int


class Words(BaseModel):
    statements: list[StatementWord]
    measurements: list[MeasurementWord]
    symptoms: list[Word]
    history: list[Word]
    report_fields: list[FieldWord]


def _words() -> Words:
    return Words(
        statements=[StatementWord(**row._asdict()) for row in statements.STATEMENTS],
        measurements=[MeasurementWord(**row._asdict()) for row in statements.MEASUREMENTS],
        symptoms=[Word(**row._asdict()) for row in statements.SYMPTOMS],
        history=[Word(**row._asdict()) for row in statements.HISTORY],
        report_fields=[FieldWord(**row._asdict()) for row in report.FIELDS],
    )


@router.get("/words")
def words(_: TheCaller) -> Words:
    """Statements, measurements, symptoms, history and the report's fields, in both languages."""
    return _words()


@router.get(
    "/reports/{report_id}/pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}},
)
def pdf(report_id: OpaqueId, hub: TheHub, user: Annotated[User, Depends(needs("report.read"))]) -> Response:
    """The signed report as it went to the village."""
    with db.reading(hub.engine) as session:
        row, exam = access.report(session, user, report_id)
    note_read(hub, user, "report.viewed", f"report:{report_id}", patient_id=exam.patient_id)
    return Response(
        row.pdf or b"",
        media_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{report_id}.pdf"'},
    )
