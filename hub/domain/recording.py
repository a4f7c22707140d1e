"""A recording as it came: never changed. Its bytes live in rows beside it."""

from typing import Any

from sqlalchemy import BigInteger, Float, UniqueConstraint
from sqlmodel import Field, SQLModel

from hub.domain.columns import bytes_column, json_column


class Recording(SQLModel, table=True):
    __tablename__ = "recording"

    id: str = Field(primary_key=True, max_length=64)
    """Made by the station; also the WFDB record name."""
    exam_id: str = Field(foreign_key="exam.id", index=True, max_length=64)
    attempt: int
    started_ns: int = Field(sa_type=BigInteger)
    """Wall time of the first sample, by the station's clock."""
    clock_quality: str = Field(default="none", max_length=8)
    """How good that clock was."""
    boot: str = Field(default="", index=True, max_length=64)
    """The station's boot at the first sample; empty: it does not say."""
    mono_ns: int | None = Field(default=None, sa_type=BigInteger)
    """Its monotonic clock at the first sample."""
    corrected_ns: int | None = Field(default=None, sa_type=BigInteger)
    """Time of the first sample by what the station learned later of that boot; `started_ns` stays as it was
    stamped. None: its clock was good, or nothing is known."""
    received_ns: int = Field(sa_type=BigInteger)
    rate_hz: float = Field(sa_type=Float(53))
    samples: int
    leads: list[str] = Field(sa_column=json_column())
    """As the box sampled them, in file order."""
    uv_per_count: list[float] = Field(sa_column=json_column())
    filters: str = Field(default="none", max_length=200)
    missing_samples: int = 0
    interrupted: bool = False
    box_serial: str = Field(default="", max_length=64)
    box_first_sample: int = Field(default=0, sa_type=BigInteger)
    operator: str = Field(default="", max_length=64)
    lead_off_reason: str | None = Field(default=None, max_length=200)
    sha256: bytes = Field(sa_column=bytes_column())
    analysis: dict[str, Any] | None = Field(default=None, sa_column=json_column(nullable=True))
    """protocols.messages.Analysis, as the station's machine said it, with its version."""
    analysis_error: str | None = Field(default=None, max_length=500)

    @property
    def duration_s(self) -> float:
        return self.samples / self.rate_hz


class RecordingFile(SQLModel, table=True):
    """One file of the WFDB record. Up to 1 MB a recording lives in rows: one transaction, one backup."""

    __tablename__ = "recording_file"
    __table_args__ = (UniqueConstraint("recording_id", "position"),)

    recording_id: str = Field(primary_key=True, foreign_key="recording.id", max_length=64)
    name: str = Field(primary_key=True, max_length=80)
    position: int
    """As sent: header first."""
    data: bytes = Field(sa_column=bytes_column())
