"""One visit to the electrodes: who, why, how urgent, and where its reading stands (SM-1)."""

from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel

from hub.domain.columns import json_column


class ExamStatus(StrEnum):
    """The part of SM-1 that the hub sees."""

    PENDING_READ = "pending_read"
    READING = "reading"
    RETURNED = "returned"
    REPORTED = "reported"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


TRANSITIONS: dict[ExamStatus, frozenset[ExamStatus]] = {
    ExamStatus.PENDING_READ: frozenset({ExamStatus.READING, ExamStatus.CANCELLED}),
    ExamStatus.READING: frozenset(
        {ExamStatus.PENDING_READ, ExamStatus.RETURNED, ExamStatus.REPORTED, ExamStatus.CANCELLED}
    ),
    ExamStatus.RETURNED: frozenset({ExamStatus.PENDING_READ, ExamStatus.CANCELLED}),
    # A later attempt of a reported exam is read like a new one; its signing makes the next version.
    ExamStatus.REPORTED: frozenset({ExamStatus.DELIVERED, ExamStatus.PENDING_READ}),
    ExamStatus.DELIVERED: frozenset({ExamStatus.PENDING_READ}),
    ExamStatus.CANCELLED: frozenset(),
}

WAITING = (ExamStatus.PENDING_READ, ExamStatus.READING)
"""What stands in the worklist."""

LANE_RANK = {"urgent": 0, "prompt": 1, "clinical": 2, "bulk": 3}


class Exam(SQLModel, table=True):
    __tablename__ = "exam"
    __table_args__ = (
        Index("exam_by_status", "status", "received_ns"),
        Index("exam_by_patient", "patient_id", "captured_ns"),
    )

    id: str = Field(primary_key=True, max_length=64)
    """Made by the station."""
    station_id: str = Field(foreign_key="station.id", max_length=32)
    organisation_id: str = Field(foreign_key="organisation.id", index=True, max_length=64)
    """Where it was taken: a station may move later."""
    patient_id: str = Field(foreign_key="patient.id", max_length=32)
    status: str = Field(default=ExamStatus.PENDING_READ, max_length=16)
    complaint: dict[str, Any] = Field(default_factory=dict, sa_column=json_column())
    """protocols.messages.Complaint."""
    level: int | None = None
    """Triage, 0 critical … 3 normal; a later attempt may raise it, never lower it."""
    lane: str = Field(default="clinical", max_length=16)
    """The most pressing lane one of its recordings came by."""
    quality: str | None = Field(default=None, max_length=16)
    """Of the shown recording: diagnostic, rhythm_only, repeat; None: not analysed."""
    emergency: bool = False
    operator: str = Field(default="", max_length=64)
    first_contact_ns: int | None = Field(default=None, sa_type=BigInteger)
    captured_ns: int = Field(sa_type=BigInteger)
    """Start of the shown recording, by the station's clock."""
    received_ns: int = Field(sa_type=BigInteger)
    """First arrival, by ours."""
    recording_id: str = Field(max_length=64)
    """The shown attempt: the latest."""
    attempt: int = 1
    claimed_by: str | None = Field(default=None, foreign_key="user_account.id", max_length=32)
    claimed_until_ns: int | None = Field(default=None, sa_type=BigInteger)
    reported_ns: int | None = Field(default=None, sa_type=BigInteger)
    delivered_ns: int | None = Field(default=None, sa_type=BigInteger)

    def is_claimed(self, now_ns: int) -> bool:
        return self.claimed_by is not None and (self.claimed_until_ns or 0) > now_ns

    def is_claimed_by(self, user_id: str, now_ns: int) -> bool:
        return self.claimed_by == user_id and self.is_claimed(now_ns)
