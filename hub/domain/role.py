"""Which roles of the hub are alive: so that one can say of another that it is not."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

BEAT_EVERY_S = 5
DEAD_AFTER_S = 20


class RoleBeat(SQLModel, table=True):
    __tablename__ = "role_beat"

    role: str = Field(primary_key=True, max_length=16)
    """serve, ingest, interfaces, timers."""
    at_ns: int = Field(sa_type=BigInteger)
