"""What a doctor says about an exam, in versions: nothing signed is ever changed or deleted (SM-9)."""

from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from hub.domain.columns import bytes_column, json_column


class ReportStatus(StrEnum):
    """draft → signed → superseded."""

    DRAFT = "draft"
    SIGNED = "signed"
    SUPERSEDED = "superseded"


class Report(SQLModel, table=True):
    """A draft of one author, or a signed version of the exam."""

    __tablename__ = "report"
    __table_args__ = (
        UniqueConstraint("exam_id", "version"),
        Index(
            "one_draft_per_author",
            "exam_id",
            "author_id",
            unique=True,
            sqlite_where=text("status = 'draft'"),
            postgresql_where=text("status = 'draft'"),
        ),
    )

    id: str = Field(primary_key=True, max_length=32)
    exam_id: str = Field(foreign_key="exam.id", max_length=64)
    version: int | None = None
    """1, 2 … given at signing; a draft has none."""
    status: str = Field(default=ReportStatus.DRAFT, max_length=16)
    body: dict[str, Any] = Field(sa_column=json_column())
    """protocols.report.Report."""
    recording_id: str | None = Field(default=None, foreign_key="recording.id", max_length=64)
    """The attempt that was read."""
    author_id: str = Field(foreign_key="user_account.id", max_length=32)
    saved_ns: int = Field(sa_type=BigInteger)
    signed_by: str | None = Field(default=None, max_length=64)
    """The signer's name as printed; the account is `author_id`."""
    signed_ns: int | None = Field(default=None, sa_type=BigInteger)
    pdf: bytes | None = Field(default=None, sa_column=bytes_column(nullable=True))
    opened_by: str | None = Field(default=None, max_length=64)
    """Who opened it at the station: 已签收."""
    opened_ns: int | None = Field(default=None, sa_type=BigInteger)
