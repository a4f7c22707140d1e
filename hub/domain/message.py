"""What arrived from stations: each message id once for ever, parts until whole, and what none could take."""

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel

from hub.domain.columns import bytes_column, key_column


class ReceivedMessage(SQLModel, table=True):
    """The memory that makes "once" true: never deleted."""

    __tablename__ = "received_message"
    __table_args__ = (Index("received_message_by_number", "station_id", "epoch", "seq"),)

    mid: bytes = Field(primary_key=True)
    sha256: bytes
    station_id: str = Field(max_length=32)
    type: str = Field(max_length=64)
    state: str = Field(max_length=16)
    """committed or reject."""
    code: str = Field(default="", max_length=64)
    """Why it was rejected."""
    received_ns: int = Field(sa_type=BigInteger)
    epoch: bytes | None = Field(default=None, sa_column=bytes_column(nullable=True))
    """Of the station's store, and the message's number in it: what is between them is missing."""
    seq: int | None = Field(default=None, sa_type=BigInteger)
    """None, as the epoch is, for a message taken before the hub kept them and not found out since."""


class MessagePart(SQLModel, table=True):
    """A part of a message not yet whole."""

    __tablename__ = "message_part"

    mid: bytes = Field(primary_key=True)
    k: int = Field(primary_key=True)
    n: int
    station_id: str = Field(max_length=32)
    sha256: bytes
    """Of the whole body, from the header."""
    data: bytes = Field(sa_column=bytes_column())
    received_ns: int = Field(index=True, sa_type=BigInteger)


class Quarantine(SQLModel, table=True):
    """A message nobody could take, with a reason that a person can read."""

    __tablename__ = "quarantine"

    id: int | None = Field(default=None, sa_column=key_column())
    station_id: str | None = Field(default=None, index=True, max_length=32)
    """From the topic; None where the topic held no station."""
    topic: str = Field(max_length=200)
    type: str = Field(default="", max_length=64)
    code: str = Field(max_length=64)
    reason: str = Field(max_length=500)
    """Never holds the values: they may be a patient's."""
    payload: bytes = Field(sa_column=bytes_column())
    size: int
    received_ns: int = Field(index=True, sa_type=BigInteger)
