"""What a report is made of, and what comes out."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from protocols.messages import Analysis, Complaint
from protocols.report import Report

Language = Literal["zh-CN", "en"]


@dataclass(frozen=True, slots=True)
class ReportContext:
    """All a report is made of. The same context makes the same bytes."""

    hospital_name: str
    exam_id: str
    report: Report
    version: int
    signed_by: str | None
    """Name of the doctor who signed; None makes a preliminary report, and says so."""
    signed_ns: int | None
    made_ns: int
    """Creation time in the file: the time of signing, or of the draft."""

    patient_number: str
    """The hub's id of the patient."""
    patient_name: str | None
    sex: str
    birth_date: str | None
    age_years: int | None
    id_last4: str | None
    """Last four of the resident ID number; more of it is never printed."""
    temporary: bool

    organisation: str
    station: str
    complaint: Complaint
    started_ns: int
    rate_hz: float
    samples_uv: NDArray[np.float64]
    """(leads, samples) as they are to be drawn, filtered already; NaN for missing."""
    leads: tuple[str, ...]
    """Names of the rows of `samples_uv`, derived leads included."""
    highpass_hz: float | None
    lowpass_hz: float | None
    """What was applied for the drawing; None is printed as not stated."""
    notch_hz: float | None = None
    box_filters: str = ""
    """What the device itself had filtered, in words; "none" and "" are not printed."""
    analysis: Analysis | None = None
    interrupted: bool = False
    missing_samples: int = 0
    damaged: bool = False
    utc_offset_minutes: int = 480
    language: Language = "zh-CN"
    font_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    pdf: bytes
    missing: tuple[str, ...] = field(default=())
    """Characters the font lacks: drawn as boxes and listed on the page; log their code points."""
