"""What a page may send, as models; reading a request's body into one of them."""

import asyncio
from datetime import date
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import ClientDisconnect, Request

from edge_agent.room import date_of, new_id
from edge_agent.station.answers import Refusal
from protocols.messages import Complaint
from protocols.patient import IdNumberError, Patient, Sex, birth_date_of, check_id_number, sex_of
from protocols.statements import HISTORY, SYMPTOMS

MOST_BYTES = 64 * 1024
READ_TIMEOUT_S = 10.0

_SYMPTOM_IDS = frozenset(row.id for row in SYMPTOMS)
_HISTORY_IDS = frozenset(row.id for row in HISTORY)


_Said = TypeVar("_Said", bound=str)


def _real_date(value: str | None) -> str | None:
    if value:
        date.fromisoformat(value)
    return value or None


_Text = StringConstraints(strip_whitespace=True)


class Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class LoginBody(Body):
    username: str = Field(max_length=64)
    password: str = Field(max_length=256)


class SearchBody(Body):
    q: Annotated[str, _Text] = Field(default="", max_length=100)
    """Part of a name, or an ID number; empty: those seen last."""


class PatientBody(Body):
    name: Annotated[str, _Text] = Field(min_length=1, max_length=100)
    sex: Sex | None = None
    birth_date: Annotated[str | None, AfterValidator(_real_date)] = Field(
        default=None, pattern=r"^(\d{4}-\d{2}-\d{2})?$"
    )
    age_years: int | None = Field(default=None, ge=0, le=130)
    id_type: Literal["resident_id", "none"] = "none"
    id_number: Annotated[str | None, _Text] = Field(default=None, max_length=32)
    no_id_reason: Annotated[str | None, _Text] = Field(default=None, max_length=200)
    phone: Annotated[str | None, _Text] = Field(default=None, max_length=32, pattern=r"^[0-9+ -]*$")

    def patient(self, now_ns: int) -> Patient:
        """A new patient; sex and birth date follow from an ID number. Raises Refusal."""
        sex, born, number = self.sex, self.birth_date, self.id_number or None
        if self.id_type == "resident_id":
            try:
                number = check_id_number(number or "")
            except IdNumberError as error:
                raise Refusal("id_number", field="id_number", code=error.code) from None
            born = _agree("birth_date", born, birth_date_of(number))
            sex = _agree("sex", None if sex == "unknown" else sex, sex_of(number))
        elif number is not None:
            raise Refusal("bad_field", field="id_type", code="missing")
        elif not self.no_id_reason:
            raise Refusal("bad_field", field="no_id_reason", code="missing")
        if born is not None and date.fromisoformat(born) > date_of(now_ns):
            field = "id_number" if number else "birth_date"
            raise Refusal("id_number" if number else "bad_field", field=field, code="birth_date")
        return Patient(
            patient_id=new_id(),
            name=self.name,
            sex=sex or "unknown",
            birth_date=born,
            age_years=self.age_years,
            id_type=self.id_type,
            id_number=number,
            no_id_reason=None if number else self.no_id_reason,
            phone=self.phone or None,
        )


def _agree(field: str, said: _Said | None, number_says: _Said) -> _Said:
    if said is not None and said != number_says:
        raise Refusal("bad_field", field=field, code="contradicts_id_number")
    return number_says


class ComplaintBody(Body):
    symptoms: tuple[str, ...] = Field(default=(), max_length=20)
    onset_ns: int | None = Field(default=None, ge=0, lt=2**63)
    present: bool | None = None
    history: tuple[str, ...] = Field(default=(), max_length=20)
    note: Annotated[str, _Text] = Field(default="", max_length=500)

    def complaint(self) -> Complaint:
        """As the wire carries it. Raises Refusal for a word that is not in the tables."""
        for field, known in (("symptoms", _SYMPTOM_IDS), ("history", _HISTORY_IDS)):
            if not known.issuperset(getattr(self, field)):
                raise Refusal("bad_field", field=f"complaint.{field}", code="unknown_word")
        return Complaint(
            symptoms=tuple(dict.fromkeys(self.symptoms)),
            onset_ns=self.onset_ns,
            present=self.present,
            history=tuple(dict.fromkeys(self.history)),
            note=self.note,
        )


class ExamBody(Body):
    patient_id: str | None = Field(default=None, min_length=1, max_length=64)
    emergency: bool = False
    sex: Sex = "unknown"
    age_years: int | None = Field(default=None, ge=0, le=130)
    complaint: ComplaintBody = ComplaintBody()


class ExamChange(Body):
    patient_id: str | None = Field(default=None, min_length=1, max_length=64)
    complaint: ComplaintBody | None = None


class CaptureBody(Body):
    lead_off_reason: Annotated[str | None, _Text] = Field(default=None, max_length=200)


class NoBody(Body):
    pass


B = TypeVar("B", bound=Body)


async def read(request: Request, model: type[B]) -> B:
    """The request's body as `model`; no body is an empty object. Raises Refusal, never with the values."""
    data = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            async for chunk in request.stream():
                data += chunk
                if len(data) > MOST_BYTES:
                    raise Refusal("too_large", most_bytes=MOST_BYTES)
    except TimeoutError:
        raise Refusal("too_slow") from None
    except ClientDisconnect:
        raise Refusal("bad_json", code="disconnected") from None
    try:
        return model.model_validate_json(bytes(data) if data.strip() else b"{}")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise Refusal("bad_json") from None
        field = ".".join(str(part) for part in first["loc"])
        if not field:  # JSON, but not an object
            raise Refusal("bad_json", code=first["type"]) from None
        raise Refusal("bad_field", field=field, code=first["type"]) from None
