"""Every message as a frozen model, and MESSAGES: type name → class, direction, lanes.

Upward types are past tense (`recording.closed`), downward ones imperative (`report.show`). A type's
meaning never changes: a new meaning is a new type. Unknown fields are ignored. Times are UTC in
nanoseconds since 1970 (`…_ns`); samples are counted, not timed.
"""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from protocols.patient import Patient
from protocols.report import Report
from protocols.topics import LANES as LANES
from protocols.topics import Lane as Lane

ClockQuality = Literal["ntp", "hub", "rtc", "floor", "none"]
"""How good a wall time is, the best first; what makes each stands in edge_agent/clock.py."""

Direction = Literal["up", "down", "both"]


Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A number both databases can keep; a time in nanoseconds is one too."""


WIRE: dict[str, str] = {"to": "wire"}
"""Context of `model_dump` for bodies that are sent."""


class Message(BaseModel):
    """Root of all bodies: frozen, and deaf to fields of later versions."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    LATER: ClassVar[frozenset[str]] = frozenset()
    """Fields added after the first version: at their default they are not on the wire, so that what an older
    station said has the same bytes, and hash, when it is said again."""

    @model_serializer(mode="wrap")
    def _as_first_said(self, dump: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        fields: dict[str, Any] = dump(self)
        if info.context is WIRE:
            model = type(self).model_fields
            for name in self.LATER & fields.keys():
                if getattr(self, name) == model[name].get_default(call_default_factory=True):
                    del fields[name]
        return fields


class Complaint(Message):
    """Why the ECG was taken."""

    symptoms: tuple[str, ...] = Field(default=(), max_length=20)
    """Symptom ids of protocols.statements.SYMPTOMS."""
    onset_ns: Count | None = None
    present: bool | None = None
    """Symptoms present at capture; None: unclear."""
    history: tuple[str, ...] = Field(default=(), max_length=20)
    """History ids of protocols.statements.HISTORY: pacemaker, digoxin …"""
    note: str = Field(default="", max_length=500)


class RecordFile(Message):
    """One file of a WFDB record."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,80}$")
    data: bytes


class Recording(Message):
    """One ECG as sampled: a WFDB record (header + FLAC signals), never changed after capture."""

    LATER = frozenset({"started_quality", "started_boot", "started_mono_ns"})

    recording_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Also the WFDB record name."""
    started_ns: Count
    """Wall time of the first sample, by the station's clock."""
    started_quality: ClockQuality | None = None
    """How good that was; None: as in the envelope's stamp, which is of when the record was saved."""
    started_boot: str = Field(default="", max_length=64)
    """Boot of the station at the first sample; with the next, what `time.fixed` corrects it by."""
    started_mono_ns: Count | None = None
    """The station's monotonic clock at the first sample."""
    rate_hz: float = Field(gt=0, le=20000)
    samples: Count
    leads: tuple[str, ...] = Field(min_length=1, max_length=32)
    """The leads the box really sampled, in file order."""
    uv_per_count: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...]
    """Per lead."""
    filters: str = Field(default="none", max_length=200)
    """What the box itself filtered, in words; the samples are otherwise raw."""
    missing_samples: Count = 0
    """Samples that never arrived (cable, lost frames): kept in time as WFDB's missing value."""
    interrupted: bool = False
    """The capture ended before its planned length."""
    box_serial: str = Field(default="", max_length=64)
    box_first_sample: Count = 0
    """The box's own running number of the first sample."""
    sha256: bytes = Field(min_length=32, max_length=32)
    """SHA-256 over the header, then the signal files in the header's order."""
    files: tuple[RecordFile, ...] = Field(min_length=1, max_length=40)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if len(self.uv_per_count) != len(self.leads) or len(set(self.leads)) != len(self.leads):
            raise ValueError("one name and one scale per lead")
        if len({file.name for file in self.files}) != len(self.files):
            raise ValueError("two files of one name")
        return self


class MachineStatement(Message):
    """A machine's suggestion: a code of protocols.statements, and the rule and numbers behind it."""

    LATER = frozenset({"rule", "leads", "numbers", "start", "end", "level"})

    code: str
    evidence: str = Field(default="", max_length=500)
    """Rule, leads and numbers in one line, as printed."""
    rule: str = Field(default="", max_length=64)
    """Which rule fired; stays the same between versions."""
    leads: tuple[str, ...] = ()
    numbers: dict[str, float] = Field(default_factory=dict)
    """Name with its unit (`rr_ms`, `j_v2_mv`) → value."""
    start: Count | None = None
    end: Count | None = None
    """Samples [start, end) it speaks of; None: all of the strip."""
    level: Literal[0, 1, 2, 3] | None = None
    """How pressing this one is; None: it does not raise the level."""


class Analysis(Message):
    """What the station's machine made of it; never a diagnosis. The version travels with every number."""

    LATER = frozenset({"escalated_by", "wants_longer", "profile", "swaps", "swaps_not_excluded"})

    version: str
    measurements: dict[str, float | None] = Field(default_factory=dict)
    """Ids of protocols.statements.MEASUREMENTS; None where undefined."""
    statements: tuple[MachineStatement, ...] = ()
    quality: Literal["diagnostic", "rhythm_only", "repeat"] = "diagnostic"
    quality_reasons: tuple[str, ...] = ()
    lead_quality: dict[str, str] = Field(default_factory=dict)
    """Lead → good, lead_off, muscle_noise, baseline_wander, mains_noise, saturated, flat."""
    level: Literal[0, 1, 2, 3] | None = None
    """Triage: 0 critical … 3 nothing found; None: not judged."""
    escalated_by: tuple[str, ...] = ()
    """Complaints and vital signs that raised the level by one."""
    wants_longer: bool = False
    """Ten seconds cannot show it: record 60 s."""
    profile: str = Field(default="", max_length=64)
    """Id and version of the critical-value profile the level follows."""
    swaps: tuple[str, ...] = ()
    """Electrodes that look exchanged (`RA/LA`), the likeliest first; empty: none found, or not judged."""
    swaps_not_excluded: tuple[str, ...] = ()
    """Exchanges that this recording cannot rule out."""


class RecordingClosed(Message):
    """One attempt of one exam, whole: who, why, the record's bytes, and the machine's numbers."""

    exam_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    attempt: int = Field(ge=1, le=1000)
    patient: Patient
    complaint: Complaint = Complaint()
    first_contact_ns: Count | None = None
    operator: str = Field(max_length=64)
    """Account that captured."""
    lead_off_reason: str | None = Field(default=None, max_length=200)
    """Why it was captured with a lead off, in the operator's words."""
    recording: Recording
    analysis: Analysis | None = None
    """None: the analysis failed; the record goes all the same."""
    analysis_error: str | None = Field(default=None, max_length=500)


class ReportOpened(Message):
    """The village doctor has opened the report: 已签收 (SM-1)."""

    report_id: str
    exam_id: str
    opened_by: str
    opened_ns: Count


class TimeFixed(Message):
    """The station has learned the true time, once a boot: when its monotonic clock was where."""

    boot: str = Field(min_length=1, max_length=64)
    mono_ns: Count
    wall_ns: Count
    """The true time at that moment …"""
    err_ns: Count
    """… give or take."""


class BoxState(Message):
    """The ECG box as the station sees it."""

    name: str
    state: str
    """connecting, streaming, wrong_serial, wrong_rate, gone, faulted."""
    detail: str = ""
    serial: str = ""
    battery_percent: Count | None = None
    bad_frames: Count = 0


OWED_MOST = 64
"""Most messages one hello asks after; the answer is one receipt."""


class Owed(Message):
    """A message a station has begun to send and has no last word about."""

    mid: bytes = Field(min_length=16, max_length=16)
    h8: bytes = Field(min_length=8, max_length=8)
    """First 8 bytes of the body's SHA-256."""


class Numbers(Message):
    """Which sequence numbers a store of the station has given out."""

    epoch: bytes
    first_seq: Count
    """Of the first message still waiting; one past `last_seq` when none waits."""
    last_seq: Count
    """Of the last message ever put into it."""


class StationHello(Message):
    """On every connect: which store this is and what is waiting in it."""

    LATER = frozenset({"first_seq", "last_seq", "owed", "urgent"})

    epoch: bytes
    boot: str
    version: str
    waiting: dict[str, Count] = Field(default_factory=dict)
    """Lane → messages not yet receipted."""
    oldest_ns: Count | None = None
    first_seq: Count | None = None
    """Sequence of the first message still waiting; one past `last_seq` when none waits."""
    last_seq: Count | None = None
    """Sequence of the last message ever put into this store: what the hub may expect to have one day."""
    owed: tuple[Owed, ...] = Field(default=(), max_length=OWED_MOST)
    """What it was sending when it was last connected, the oldest first: how much of it has arrived?"""
    urgent: Numbers | None = None
    """Of the store that what presses lies in, where it has one of its own."""


class StationStatus(Message):
    """Retained; with online=False it is the station's last will."""

    LATER = frozenset({"epoch", "first_seq", "last_seq", "urgent"})

    online: bool
    at_ns: Count | None = None
    version: str = ""
    waiting: Count = 0
    oldest_ns: Count | None = None
    rejected: Count = 0
    boxes: tuple[BoxState, ...] = ()
    epoch: bytes | None = None
    """Of the store that the next two number, since it may be another one than at the last hello."""
    first_seq: Count | None = None
    """As in StationHello."""
    last_seq: Count | None = None
    urgent: Numbers | None = None
    """As in StationHello."""


class ReportShow(Message):
    """A signed report for the room where the ECG was taken."""

    report_id: str
    exam_id: str
    version: int = Field(ge=1, le=1000)
    report: Report
    signed_by: str
    signed_ns: Count
    pdf: bytes


ReceiptState = Literal["committed", "duplicate", "parts", "retry", "reject", "conflict"]


class ReceiptItem(Message):
    """What the receiver did with one message."""

    mid: bytes = Field(min_length=16, max_length=16)
    st: ReceiptState
    h8: bytes = Field(min_length=8, max_length=8)
    """First 8 bytes of the body's SHA-256; a copy is deleted only if they agree."""
    have: tuple[Count, ...] = ()
    """With st=parts: the parts already held."""
    after_s: float = Field(default=0.0, ge=0, le=86400)
    """With st=retry: not before."""
    code: str = ""
    """With st=reject: a code of protocols.errors, or the receiver's own."""


class Receipt(Message):
    """Ids the receiver has *committed*, many in one."""

    LATER = frozenset({"answers"})

    items: tuple[ReceiptItem, ...] = Field(max_length=64)
    wall_ns: Count
    """The receiver's clock when it said so."""
    answers: bytes = Field(default=b"", max_length=16)
    """Id of the hello it answers: the items are then what the receiver has of the messages owed. What is
    not among them it does not have, or would rather see again. Empty: it answers none."""


class MessageType(NamedTuple):
    body: type[Message]
    direction: Direction
    durable: bool
    """True: goes by a lane through outbox or delivery and is receipted."""


MESSAGES: dict[str, MessageType] = {
    "recording.closed": MessageType(RecordingClosed, "up", durable=True),
    "report.opened": MessageType(ReportOpened, "up", durable=True),
    "time.fixed": MessageType(TimeFixed, "up", durable=True),
    "station.hello": MessageType(StationHello, "up", durable=False),
    "station.status": MessageType(StationStatus, "up", durable=False),
    "report.show": MessageType(ReportShow, "down", durable=True),
    "receipt": MessageType(Receipt, "both", durable=False),
}

TYPE_OF: dict[type[Message], str] = {row.body: name for name, row in MESSAGES.items()}
