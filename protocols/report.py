"""The signed report, one field per line with label, code and the version it came with.

FIELDS is derived from the model, so that form, PDF, HL7, DICOM and FHIR can be held against it.
"""

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Conclusion = Literal["normal", "borderline", "suspicious", "abnormal"]
RiskClass = Literal["critical", "major_positive", "abnormal", "normal"]


def _field(default: Any, *, zh: str, en: str, code: str | None = None, since: int = 1, **rules: Any) -> Any:
    return Field(default, json_schema_extra={"zh": zh, "en": en, "code": code, "since": since}, **rules)


class Statement(BaseModel):
    """One line of the impression: a row of protocols.statements, or free text with code None."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    code: str | None = None
    text: str = Field(min_length=1, max_length=500)
    """What the doctor signed, in the language of the report."""


class ReportMeasurement(BaseModel):
    """A number as printed: id of protocols.statements.MEASUREMENTS; edited ones keep the machine's."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    id: str
    value: float | None = None
    edited_from: float | None = None


class Report(BaseModel):
    """What the cardiologist says. Everything optional: a draft may hold any part of it."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    findings: str = _field("", zh="心电图所见", en="Findings", code="DE04.50.131.00", max_length=4000)
    impression: tuple[Statement, ...] = _field(
        (), zh="诊断结论", en="Impression", code="DE04.50.132.00", max_length=40
    )
    advice: str = _field("", zh="诊断建议", en="Advice", max_length=2000)
    conclusion: Conclusion | None = _field(None, zh="结论分类", en="Conclusion class")
    risk: RiskClass | None = _field(None, zh="风险分级", en="Risk class")
    measurements: tuple[ReportMeasurement, ...] = _field((), zh="测量值", en="Measurements", max_length=100)
    recording_id: str | None = _field(None, zh="依据的记录", en="Recording read")


class ReportField(NamedTuple):
    name: str
    zh: str
    en: str
    code: str | None
    since: int


def _fields() -> tuple[ReportField, ...]:
    rows = []
    for name, info in Report.model_fields.items():
        extra = info.json_schema_extra
        assert isinstance(extra, dict), name
        rows.append(ReportField(name, **extra))  # type: ignore[arg-type]
    return tuple(rows)


FIELDS = _fields()
