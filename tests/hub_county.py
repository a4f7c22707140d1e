"""A small county for the hub's tests: organisations, stations, people, and real recordings to send."""

import functools
import json
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sqlalchemy import Engine

from ecg import record, simulate
from ecg.leads import BOX_LEADS, LEADS
from fakes import START_NS
from hub import db
from hub.domain import Exam, User
from hub.services import recordings, stations, users
from protocols.messages import (
    Analysis,
    Complaint,
    Lane,
    MachineStatement,
    RecordFile,
    Recording,
    RecordingClosed,
)
from protocols.patient import Patient

NOW_NS = START_NS
SECOND_NS = 10**9
PASSWORD = "correct horse battery"
ID_NUMBER = "11010519491231002X"
"""The example in GB 11643-1999."""

INVENTORY = json.dumps(
    {
        "county": "示例县",
        "organisations": [
            {
                "code": "V1",
                "name": "河西村卫生室",
                "kind": "village_clinic",
                "parent": "H",
                "travel_minutes": 130,
            },
            {"code": "V2", "name": "柳沟村卫生室", "kind": "village_clinic", "parent": "H"},
            {"code": "H", "name": "示例县人民医院", "name_en": "County Hospital", "kind": "county_hospital"},
        ],
        "stations": [
            {"id": "MT-0001", "name": "河西村卫生室", "organisation": "V1"},
            {"id": "MT-0002", "name": "柳沟村卫生室", "organisation": "V2"},
        ],
    }
)


def furnish(engine: Engine) -> None:
    """Organisations and stations."""
    with db.transaction(engine) as session:
        stations.import_inventory(session, INVENTORY, now_ns=NOW_NS)


@functools.cache
def _hash() -> str:
    from hub.security import hash_password

    return hash_password(PASSWORD)


def person(engine: Engine, username: str, role: str, name: str = "", organisation: str | None = None) -> User:
    """An account with PASSWORD; hashed once for all tests, since that is meant to be slow."""
    with db.transaction(engine) as session:
        user = User(
            id=f"u-{username}",
            username=username,
            name=name or username,
            role=role,
            organisation_id=organisation,
            password_hash=_hash(),
            created_ns=NOW_NS,
        )
        session.add(user)
    return user


@functools.cache
def _record(
    recording_id: str, scenario: str, seconds: float, started_ns: int
) -> tuple[tuple[str, bytes], ...]:
    simulated = simulate.simulate(scenario, seconds=seconds, rate_hz=500, seed=7)
    rows = [LEADS.index(lead) for lead in BOX_LEADS]
    counts = np.rint(simulated.samples[rows]).astype(np.int32)
    with tempfile.TemporaryDirectory() as folder:
        paths = record.write(
            record.Recording(recording_id, 500.0, BOX_LEADS, counts, (1.0,) * 8, started_ns), Path(folder)
        )
        return tuple(record.contents(paths).items())


def closed(
    exam_id: str = "exam-1",
    recording_id: str = "rec-1",
    *,
    attempt: int = 1,
    level: Literal[0, 1, 2, 3] | None = 2,
    scenario: str = "sinus",
    patient: Patient | None = None,
    started_ns: int = NOW_NS,
    symptoms: tuple[str, ...] = ("chest_pain",),
    **changes: Any,
) -> RecordingClosed:
    """One attempt as a station sends it: a real WFDB record of a simulated heart."""
    files = _record(recording_id, scenario, 10.0, started_ns)
    return RecordingClosed(
        exam_id=exam_id,
        attempt=attempt,
        patient=patient
        or Patient(
            patient_id="p-1",
            name="张三",
            sex="male",
            birth_date="1949-12-31",
            id_type="resident_id",
            id_number=ID_NUMBER,
            phone="13812345678",
        ),
        complaint=Complaint(symptoms=symptoms, present=True, note="活动后加重"),
        operator="cunyi1",
        recording=Recording(
            recording_id=recording_id,
            started_ns=started_ns,
            rate_hz=500,
            samples=5000,
            leads=BOX_LEADS,
            uv_per_count=(1.0,) * 8,
            box_serial="BOX-0001",
            sha256=record.digest(dict(files)),
            files=tuple(RecordFile(name=name, data=data) for name, data in files),
        ),
        analysis=Analysis(
            version="0.1.0",
            measurements={"heart_rate": 72.0, "pr_ms": None},
            statements=(MachineStatement(code="heart_rate_low", evidence="72"),),
            quality="diagnostic",
            lead_quality=dict.fromkeys(LEADS, "good"),
            level=level,
        ),
    ).model_copy(update=changes)


def arrive(
    engine: Engine,
    message: RecordingClosed | None = None,
    *,
    station: str = "MT-0001",
    lane: Lane = "clinical",
    now_ns: int = NOW_NS,
) -> Exam:
    """The recording is stored, as ingest does it."""
    with db.transaction(engine) as session:
        return recordings.store(
            session, station, message or closed(), lane=lane, clock_quality="ntp", now_ns=now_ns
        )


def user_id_of(engine: Engine, username: str) -> str:
    with db.reading(engine) as session:
        user = users.find(session, username)
        assert user is not None
        return user.id
