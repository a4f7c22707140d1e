"""What the hub owes anybody outside, written in the transaction that made it owed (P3)."""

from enum import StrEnum

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel

from hub.domain.columns import bytes_column, key_column


class DeliveryStatus(StrEnum):
    """queued → sent → confirmed | refused | unsure."""

    QUEUED = "queued"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNSURE = "unsure"


OPEN = (DeliveryStatus.QUEUED, DeliveryStatus.SENT)


class Delivery(SQLModel, table=True):
    __tablename__ = "delivery"
    __table_args__ = (
        Index("delivery_to_do", "receiver_kind", "status", "next_try_ns"),
        Index("delivery_by_receiver", "receiver_kind", "receiver_id", "status"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=key_column())
    """Also the sequence number in the envelope; never used twice."""
    mid: bytes | None = Field(default=None, unique=True)
    """Message id: from the hub's epoch and `id`."""
    receiver_kind: str = Field(max_length=16)
    """station; later hl7, dicom, fhir."""
    receiver_id: str = Field(max_length=64)
    type: str = Field(max_length=64)
    ref: str = Field(index=True, max_length=64)
    """What it carries: a report's id."""
    lane: str = Field(max_length=16)
    body: bytes = Field(sa_column=bytes_column())
    """Encoded; sent as it is, however often."""
    sha256: bytes
    status: str = Field(default=DeliveryStatus.QUEUED, max_length=16)
    attempts: int = 0
    next_try_ns: int = Field(default=0, sa_type=BigInteger)
    last_code: str = Field(default="", max_length=64)
    created_ns: int = Field(sa_type=BigInteger)
    sent_ns: int | None = Field(default=None, sa_type=BigInteger)
    confirmed_ns: int | None = Field(default=None, sa_type=BigInteger)


class HubIdentity(SQLModel, table=True):
    """One row: which hub database this is. A restored copy must be given a new epoch."""

    __tablename__ = "hub_identity"

    id: int = Field(default=1, primary_key=True)
    epoch: bytes
    """8 random bytes."""
