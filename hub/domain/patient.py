"""The county's patients, and under which keys the stations know them."""

from datetime import UTC, date, datetime

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class Patient(SQLModel, table=True):
    """One person. Emergency: everything may be unknown but the id."""

    __tablename__ = "patient"

    id: str = Field(primary_key=True, max_length=32)
    """Made by the hub; opaque."""
    name: str | None = Field(default=None, max_length=100)
    sex: str = Field(default="unknown", max_length=8)
    birth_date: str | None = Field(default=None, max_length=10)
    age_years: int | None = None
    """Asked or guessed, when no birth date is known."""
    id_type: str = Field(default="none", max_length=16)
    id_number: str | None = Field(default=None, unique=True, max_length=18)
    phone: str | None = Field(default=None, max_length=32)
    temporary: bool = False
    no_id_reason: str | None = Field(default=None, max_length=200)
    created_ns: int = Field(sa_type=BigInteger)
    merged_into: str | None = Field(default=None, max_length=32)
    """Identified later as this patient; kept, never deleted."""


class PatientKey(SQLModel, table=True):
    """A station's own patient_id → ours."""

    __tablename__ = "patient_key"

    station_id: str = Field(primary_key=True, foreign_key="station.id", max_length=32)
    key: str = Field(primary_key=True, max_length=64)
    patient_id: str = Field(foreign_key="patient.id", index=True, max_length=32)


def age_at(patient: Patient, at_ns: int) -> int | None:
    """Whole years at a moment, from the birth date where one is known, else as asked."""
    if patient.birth_date is None:
        return patient.age_years
    born = date.fromisoformat(patient.birth_date)
    day = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).date()
    return max(0, day.year - born.year - ((day.month, day.day) < (born.month, born.day)))


def last4(number: str | None) -> str | None:
    """What of an ID number may stand on a screen."""
    return number[-4:] if number else None


def masked(number: str | None) -> str | None:
    """A phone number with its middle hidden: 138****5678."""
    if number is None:
        return None
    return number[:3] + "****" + number[-4:] if len(number) > 7 else "****"
