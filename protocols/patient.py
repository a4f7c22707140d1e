"""Who the patient is, as far as the room knows, and the check on a resident ID number. No I/O."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

IdType = Literal["resident_id", "none"]
Sex = Literal["male", "female", "unknown"]

# GB 11643-1999 §4.2.2 (ISO 7064 MOD 11-2): weight of each of the first 17 digits, and the check
# character that belongs to each remainder.
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"


class IdNumberError(ValueError):
    """A resident ID number that cannot be right. `code` says in which way."""

    def __init__(self, code: Literal["length", "digits", "birth_date", "check_digit"], text: str) -> None:
        super().__init__(text)
        self.code = code


def check_id_number(number: str) -> str:
    """Return the number in its canonical form (upper-case X).

    Raises IdNumberError, with a code, if it is not 18 characters, has a character that is no digit,
    names a day that does not exist, or carries the wrong check character.
    """
    number = number.strip().upper()
    if len(number) != 18:
        raise IdNumberError("length", "身份证号应为 18 位")
    if not (number[:17].isascii() and number[:17].isdigit() and number[17] in "0123456789X"):
        raise IdNumberError("digits", "身份证号只能是数字，第 18 位可为 X")
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise IdNumberError("birth_date", "身份证号中的出生日期不存在") from None
    remainder = sum(int(d) * w for d, w in zip(number, WEIGHTS, strict=False)) % 11
    if number[17] != CHECK_CHARACTERS[remainder]:
        raise IdNumberError("check_digit", "身份证号校验不符，请核对第 18 位")
    return number


def birth_date_of(number: str) -> str:
    """The birth date in a checked ID number, as YYYY-MM-DD."""
    return f"{number[6:10]}-{number[10:12]}-{number[12:14]}"


def sex_of(number: str) -> Sex:
    """The sex in a checked ID number: the 17th digit is odd for men."""
    return "male" if int(number[16]) % 2 else "female"


class Patient(BaseModel):
    """A patient as registered in the room. Emergency: everything but `patient_id` may be unknown."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    patient_id: str = Field(min_length=1, max_length=64)
    """Made by the station; the hub matches it with its own master patient index."""
    name: str | None = Field(default=None, max_length=100)
    sex: Sex = "unknown"
    birth_date: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    age_years: int | None = Field(default=None, ge=0, le=130)
    """Asked or guessed, when no birth date is known."""
    id_type: IdType = "none"
    id_number: str | None = None
    no_id_reason: str | None = Field(default=None, max_length=200)
    """Why there is no document: required with id_type "none" unless `temporary`."""
    phone: str | None = Field(default=None, max_length=32)
    temporary: bool = False
    """Emergency: captured first, to be identified later."""

    @field_validator("birth_date")
    @classmethod
    def _is_a_day(cls, value: str | None) -> str | None:
        return None if value is None else date.fromisoformat(value).isoformat()

    @field_validator("id_number")
    @classmethod
    def _is_canonical(cls, value: str | None) -> str | None:
        return None if value is None else check_id_number(value)

    @model_validator(mode="after")
    def _identity_is_complete(self) -> "Patient":
        if self.id_type == "resident_id":
            if self.id_number is None:
                raise ValueError("id_type resident_id needs id_number")
        elif self.id_number is not None:
            raise ValueError("id_number needs id_type resident_id")
        elif not self.temporary and not self.no_id_reason:
            raise ValueError("a patient without a document needs no_id_reason")
        if not self.temporary and not self.name:
            raise ValueError("a registered patient needs a name")
        return self
