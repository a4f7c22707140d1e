"""Organisations of the county, and the stations that stand in them."""

from typing import Any

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from hub.domain.columns import bytes_column, json_column

STALE_AFTER_S = 120
"""A station reports every 30 s; one not heard of for so long is shown as offline whatever it said last."""


class Organisation(SQLModel, table=True):
    __tablename__ = "organisation"

    id: str = Field(primary_key=True, max_length=64)
    """Its code in the county's tree."""
    name: str = Field(max_length=100)
    name_en: str = Field(default="", max_length=100)
    kind: str = Field(max_length=40)
    """county_hospital, township_health_centre, village_clinic … (glossary 1-20)."""
    parent_id: str | None = Field(default=None, foreign_key="organisation.id", max_length=64)
    travel_minutes: int = Field(default=0, ge=0)
    """By road to the county hospital."""


class Station(SQLModel, table=True):
    """A box: certificate, topic, outbox. The place it stands in is an organisation; it can move."""

    __tablename__ = "station"

    id: str = Field(primary_key=True, max_length=32)
    organisation_id: str = Field(foreign_key="organisation.id", max_length=64)
    name: str = Field(max_length=100)
    online: bool = False
    """As it or its last will said; see STALE_AFTER_S."""
    last_seen_ns: int | None = Field(default=None, sa_type=BigInteger)
    waiting: int = 0
    """Messages it has not had receipts for, as it said last."""
    oldest_ns: int | None = Field(default=None, sa_type=BigInteger)
    rejected: int = 0
    boxes: list[dict[str, Any]] = Field(default_factory=list, sa_column=json_column())
    """protocols.messages.BoxState of each box, as it said last."""
    epoch: bytes | None = Field(default=None, sa_column=bytes_column(nullable=True))
    """Of its outbox; a change means a new store."""
    first_seq: int | None = Field(default=None, sa_type=BigInteger)
    """Number of the first message it owed when it spoke last; None: it does not say."""
    last_seq: int | None = Field(default=None, sa_type=BigInteger)
    """Number of the last message it had saved by then."""
    urgent_epoch: bytes | None = Field(default=None, sa_column=bytes_column(nullable=True))
    """The same three of the store for what presses, where it has one of its own."""
    urgent_first_seq: int | None = Field(default=None, sa_type=BigInteger)
    urgent_last_seq: int | None = Field(default=None, sa_type=BigInteger)
    owed_since_ns: int | None = Field(default=None, sa_type=BigInteger)
    """When the oldest it owed was saved, by our clock: its own may be wrong, the age it gives is not."""
    said_ns: int | None = Field(default=None, sa_type=BigInteger)
    """When it said these."""
    version: str = Field(default="", max_length=64)
    certificate_serial: str | None = Field(default=None, max_length=64)

    def is_online(self, now_ns: int) -> bool:
        heard = self.last_seen_ns is not None and now_ns - self.last_seen_ns <= STALE_AFTER_S * 1_000_000_000
        return self.online and heard
