"""What stations have said about their clocks, so that times stamped by a bad one can be corrected."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class TimeFix(SQLModel, table=True):
    """The true time at one moment of a station's monotonic clock: it holds for all of that boot."""

    __tablename__ = "time_fix"

    station_id: str = Field(primary_key=True, foreign_key="station.id", max_length=32)
    boot: str = Field(primary_key=True, max_length=64)
    mono_ns: int = Field(sa_type=BigInteger)
    wall_ns: int = Field(sa_type=BigInteger)
    err_ns: int = Field(sa_type=BigInteger)
    """Give or take."""
    received_ns: int = Field(sa_type=BigInteger)

    def at(self, mono_ns: int) -> int:
        """The true time at another moment of that boot."""
        return self.wall_ns + mono_ns - self.mono_ns
