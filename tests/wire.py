"""What a station says to the hub, as bytes on the wire, for tests of the hub's end."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from protocols import parts, topics
from protocols.envelope import Header, Stamp, encode, encode_body, header_for
from protocols.messages import Analysis, Complaint, Lane, Message, RecordFile, Recording, RecordingClosed
from protocols.patient import Patient

STATION, OTHER_STATION, STRANGER = "MT-0001", "MT-0002", "MT-0999"
NOW_NS = 1_777_788_000_000_000_000

INVENTORY = json.dumps(
    {
        "county": "测试县",
        "organisations": [
            {"code": "H1", "name": "县人民医院", "kind": "county_hospital"},
            {"code": "V1", "name": "河西村卫生室", "kind": "village_clinic", "parent": "H1"},
        ],
        "stations": [
            {"id": STATION, "name": "河西村卫生室", "organisation": "V1"},
            {"id": OTHER_STATION, "name": "柳沟村卫生室", "organisation": "V1"},
        ],
    },
    ensure_ascii=False,
)


def recording_closed(size: int = 600, **changes: Any) -> RecordingClosed:
    """One attempt with a sound seal. The signal file's bytes are noise: it is stored, not decoded."""
    recording_id = changes.pop("recording_id", None) or f"r{secrets.token_hex(6)}"
    leads = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    signal = secrets.token_bytes(size)
    header = f"{recording_id} 8 500 5000\n" + "".join(
        f"{recording_id}.dat 516 1000/mV 16 0 0 0 0 {lead}\n" for lead in leads
    )
    files = (
        RecordFile(name=f"{recording_id}.hea", data=header.encode()),
        RecordFile(name=f"{recording_id}.dat", data=signal),
    )
    recording = Recording(
        recording_id=recording_id,
        started_ns=NOW_NS,
        rate_hz=500,
        samples=5000,
        leads=leads,
        uv_per_count=(1.0,) * 8,
        box_serial="BOX-0001",
        sha256=hashlib.sha256(header.encode() + signal).digest(),
        files=files,
    )
    message = RecordingClosed(
        exam_id=f"e{secrets.token_hex(6)}",
        attempt=1,
        patient=Patient(
            patient_id=f"p{secrets.token_hex(6)}", name="李建国", sex="male", no_id_reason="未带证件"
        ),
        complaint=Complaint(symptoms=("chest_pain",)),
        operator="cunyi1",
        recording=recording,
        analysis=Analysis(version="0.1.0", measurements={"heart_rate": 72.0}, level=1),
    )
    recording_changes = {k: changes.pop(k) for k in list(changes) if k in Recording.model_fields}
    if recording_changes:
        changes["recording"] = recording.model_copy(update=recording_changes)
    return message.model_copy(update=changes)


@dataclass
class Sender:
    """A station's outbox as the wire sees it: an epoch, and a number for each message."""

    station_id: str = STATION
    epoch: bytes = field(default_factory=lambda: secrets.token_bytes(8))
    seq: int = 0

    def say(self, message: Message, *, part_bytes: int = 60_000) -> "Said":
        """Number a message and cut it."""
        self.seq += 1
        body = encode_body(message)
        header = header_for(
            message, body, sender=self.station_id, epoch=self.epoch, seq=self.seq, stamp=Stamp(NOW_NS, "ntp")
        )
        return Said(header, body, part_bytes)


@dataclass(frozen=True)
class Said:
    header: Header
    body: bytes
    part_bytes: int = 60_000

    @property
    def mid(self) -> bytes:
        return self.header.mid

    @property
    def frames(self) -> list[bytes]:
        n = parts.count(len(self.body), self.part_bytes)
        return [encode(self.header, parts.cut(self.body, k, self.part_bytes), k, n) for k in range(n)]

    @property
    def wire(self) -> bytes:
        (frame,) = self.frames
        return frame

    def topic(self, lane: Lane = "clinical") -> str:
        return topics.build("up", self.header.sender, lane)
