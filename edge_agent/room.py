"""The room's own record on disk: patients, exams, attempts, returned reports. Works with no link.

Ids, states and times are in clear, since the queue and the clean-up need them; everything that says who
the patient is or what was found is sealed with the station's key (`Store.seal`). Patients are few enough
(a village) to be held in memory for searching by name.
"""

import json
import logging
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from edge_agent.errors import SealBroken
from edge_agent.store import Bell, Store
from protocols.messages import Complaint, RecordingClosed, ReportShow
from protocols.patient import Patient
from protocols.report import Report

log = logging.getLogger(__name__)

MIGRATIONS = (
    """
    CREATE TABLE patient (patient_id TEXT PRIMARY KEY, sealed BLOB NOT NULL, last_exam_ns INTEGER) STRICT;
    CREATE TABLE exam (
        exam_id TEXT PRIMARY KEY, patient_id TEXT NOT NULL REFERENCES patient, created_ns INTEGER NOT NULL,
        sealed BLOB NOT NULL) STRICT;
    CREATE INDEX exam_by_time ON exam (created_ns);
    CREATE TABLE attempt (
        recording_id TEXT PRIMARY KEY, exam_id TEXT NOT NULL REFERENCES exam, attempt INTEGER NOT NULL,
        begun_ns INTEGER NOT NULL, closed_ns INTEGER, sealed BLOB, UNIQUE (exam_id, attempt)) STRICT;
    CREATE TABLE waveform (
        recording_id TEXT NOT NULL REFERENCES attempt, band TEXT NOT NULL, sealed BLOB NOT NULL,
        PRIMARY KEY (recording_id, band)) STRICT;
    CREATE TABLE record_file (
        recording_id TEXT NOT NULL REFERENCES attempt, name TEXT NOT NULL, sealed BLOB NOT NULL,
        PRIMARY KEY (recording_id, name)) STRICT;
    CREATE TABLE report (
        exam_id TEXT NOT NULL, version INTEGER NOT NULL, report_id TEXT NOT NULL, signed_ns INTEGER NOT NULL,
        opened_ns INTEGER, sealed BLOB NOT NULL, pdf BLOB NOT NULL, PRIMARY KEY (exam_id, version)) STRICT;
    """,
)

FILE_NAME = "room.db"
"""Below the station's data folder."""

CHINA = timezone(timedelta(hours=8))
"""One time zone for the whole country: "today" is a day of this."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One recording of an exam, as the room knows it; where it is on its way, the outbox knows."""

    recording_id: str
    attempt: int
    started_ns: int
    duration_s: float
    interrupted: bool
    missing_samples: int
    rate_hz: float
    box_serial: str
    lead_off_reason: str | None
    analysis: dict[str, Any] | None
    analysis_error: str | None
    closed_ns: int


@dataclass(frozen=True, slots=True)
class ReturnedReport:
    """A signed report that has come back; `opened_ns`: when somebody here opened it."""

    report_id: str
    version: int
    signed_by: str
    signed_ns: int
    opened_ns: int | None
    report: Report


@dataclass(frozen=True, slots=True)
class Exam:
    """One visit: who, why, and what came of it."""

    exam_id: str
    patient: Patient
    complaint: Complaint
    created_ns: int
    attempts: tuple[Attempt, ...] = ()
    report: ReturnedReport | None = None


class Room:
    """The record of this room; one per agent. Made by `open_room`."""

    def __init__(self, store: Store, patients: dict[str, Patient], last_exam_ns: dict[str, int]) -> None:
        self._store = store
        self._patients = patients
        self._last_exam_ns = last_exam_ns
        self.changed: Bell = store.changed
        """Rings with every change, so that an open page knows when to ask again."""

    def seal(self, plain: bytes, about: str) -> bytes:
        """Sealed with the station's key, bound to the id it is about."""
        return self._store.seal(plain, about.encode())

    def unseal(self, sealed: bytes, about: str) -> bytes:
        """What `seal` was given. Raises SealBroken."""
        return self._store.unseal(sealed, about.encode())

    # --- patients

    def patient(self, patient_id: str) -> Patient | None:
        """A registered patient."""
        return self._patients.get(patient_id)

    def last_exam_ns(self, patient_id: str) -> int | None:
        """When the patient was last here for an ECG."""
        return self._last_exam_ns.get(patient_id)

    def search(self, words: str, most: int = 20) -> list[Patient]:
        """Patients whose name contains `words`, or whose ID number begins or ends with it; last seen first.

        Empty words: the patients last seen. An emergency's temporary patient is found by its id only.
        """
        wanted = words.strip().upper()
        found = [p for p in self._patients.values() if not p.temporary and _matches(p, wanted)]
        found.sort(key=lambda p: self._last_exam_ns.get(p.patient_id, 0), reverse=True)
        return found[:most]

    async def register(self, patient: Patient) -> tuple[Patient, bool]:
        """Keep a patient. With an ID number that is known already: that patient and False."""
        if patient.id_number is not None:
            for known in self._patients.values():
                if known.id_number == patient.id_number:
                    return known, False
        sealed = self.seal(patient.model_dump_json().encode(), patient.patient_id)

        def write(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO patient VALUES (?, ?, NULL)", (patient.patient_id, sealed))

        await self._store.run(write)
        self._patients[patient.patient_id] = patient
        return patient, True

    # --- exams

    async def new_exam(self, patient: Patient, complaint: Complaint, now_ns: int) -> Exam:
        """An exam of a registered patient: 已申请."""
        exam = Exam(new_id(), patient, complaint, now_ns)
        sealed = self.seal(complaint.model_dump_json().encode(), exam.exam_id)

        def write(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO exam VALUES (?, ?, ?, ?)", (exam.exam_id, patient.patient_id, now_ns, sealed)
            )
            db.execute(
                "UPDATE patient SET last_exam_ns = ? WHERE patient_id = ?", (now_ns, patient.patient_id)
            )

        await self._store.run(write)
        self._last_exam_ns[patient.patient_id] = now_ns
        return exam

    async def change_exam(
        self, exam_id: str, patient: Patient | None = None, complaint: Complaint | None = None
    ) -> None:
        """Another patient (an emergency now identified), another complaint, or both."""
        sealed = None if complaint is None else self.seal(complaint.model_dump_json().encode(), exam_id)

        def write(db: sqlite3.Connection) -> None:
            if patient is not None:
                db.execute("UPDATE exam SET patient_id = ? WHERE exam_id = ?", (patient.patient_id, exam_id))
            if sealed is not None:
                db.execute("UPDATE exam SET sealed = ? WHERE exam_id = ?", (sealed, exam_id))

        await self._store.run(write)

    async def exam(self, exam_id: str) -> Exam | None:
        """One exam with its attempts and the newest version of its report."""
        found = await self._exams("WHERE exam_id = ?", (exam_id,))
        return found[0] if found else None

    async def exams_of_today(self, now_ns: int) -> list[Exam]:
        """Exams since midnight, newest first, and those of the 24 h before that still wait for something."""
        midnight_ns = start_of_day_ns(now_ns)
        found = await self._exams(
            "WHERE created_ns >= ? ORDER BY created_ns DESC, exam_id", (midnight_ns - 24 * 3600 * 10**9,)
        )
        return [exam for exam in found if exam.created_ns >= midnight_ns or _waits(exam)]

    async def exams_of_patient(self, patient_id: str) -> list[Exam]:
        """The patient's exams in this room, newest first."""
        return await self._exams("WHERE patient_id = ? ORDER BY created_ns DESC", (patient_id,))

    async def _exams(self, where: str, values: tuple[str | int, ...]) -> list[Exam]:
        def read(db: sqlite3.Connection) -> list[tuple[tuple[Any, ...], list[Any], Any]]:
            rows = db.execute(f"SELECT exam_id, patient_id, created_ns, sealed FROM exam {where}", values)  # noqa: S608
            return [(row, _attempt_rows(db, row[0]), _report_row(db, row[0])) for row in rows.fetchall()]

        exams = []
        for row, attempts, report in await self._store.run(read):
            try:
                exams.append(self._as_exam(row, attempts, report))
            except (SealBroken, KeyError):  # one damaged row must not hide the others
                log.exception("exam %s cannot be read back", row[0])
        return exams

    def _as_exam(self, row: tuple[Any, ...], attempts: list[Any], report: Any) -> Exam:
        exam_id, patient_id, created_ns, sealed = row
        return Exam(
            exam_id,
            self._patients[patient_id],
            Complaint.model_validate_json(self.unseal(sealed, exam_id)),
            created_ns,
            tuple(
                Attempt(
                    recording_id=a[0], attempt=a[1], closed_ns=a[2], **json.loads(self.unseal(a[3], a[0]))
                )
                for a in attempts
            ),
            None
            if report is None
            else ReturnedReport(
                report_id=report[0],
                version=report[1],
                signed_ns=report[2],
                opened_ns=report[3],
                **_report_parts(self.unseal(report[4], exam_id)),
            ),
        )

    # --- attempts

    async def begin_attempt(self, exam_id: str, recording_id: str, now_ns: int) -> int:
        """A number for an attempt that is about to be recorded; `discard_attempt` gives it back."""

        def write(db: sqlite3.Connection) -> int:
            (last,) = db.execute("SELECT max(attempt) FROM attempt WHERE exam_id = ?", (exam_id,)).fetchone()
            number = (last or 0) + 1
            db.execute(
                "INSERT INTO attempt (recording_id, exam_id, attempt, begun_ns) VALUES (?, ?, ?, ?)",
                (recording_id, exam_id, number, now_ns),
            )
            return number

        return await self._store.run(write)

    async def discard_attempt(self, recording_id: str) -> None:
        """Forget an attempt of which nothing was kept."""

        def write(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM attempt WHERE recording_id = ? AND closed_ns IS NULL", (recording_id,))

        await self._store.run(write)

    async def discard_unfinished(self, kept: frozenset[str]) -> None:
        """After a restart: forget attempts begun, never closed, and of which no spool is left."""

        def write(db: sqlite3.Connection) -> None:
            rows = db.execute("SELECT recording_id FROM attempt WHERE closed_ns IS NULL").fetchall()
            gone = [row for row in rows if row[0] not in kept]
            db.executemany("DELETE FROM attempt WHERE recording_id = ?", gone)

        await self._store.run(write)

    async def keep_attempt(self, closed: RecordingClosed, blocks: dict[str, bytes], now_ns: int) -> None:
        """A sealed attempt: what was said of it, its record's files, a picture of it per band. Idempotent."""
        recording = closed.recording
        seconds = recording.samples / recording.rate_hz
        facts = {
            "started_ns": recording.started_ns,
            "duration_s": round(seconds, 3),
            "interrupted": recording.interrupted,
            "missing_samples": recording.missing_samples,
            "rate_hz": recording.rate_hz,
            "box_serial": recording.box_serial,
            "lead_off_reason": closed.lead_off_reason,
            "analysis": None if closed.analysis is None else closed.analysis.model_dump(mode="json"),
            "analysis_error": closed.analysis_error,
        }
        rid, seal = recording.recording_id, self.seal
        sealed = seal(json.dumps(facts).encode(), rid)
        pictures = [(rid, band, seal(block, f"{rid} {band}")) for band, block in blocks.items()]
        files = [(rid, file.name, seal(file.data, f"{rid} {file.name}")) for file in recording.files]

        def write(db: sqlite3.Connection) -> None:
            # The row is there, unless the disk lost the room's file and the spool outlived it.
            db.execute(
                "INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (recording_id) DO UPDATE SET"
                " closed_ns = coalesce(closed_ns, excluded.closed_ns), sealed = excluded.sealed",
                (rid, closed.exam_id, closed.attempt, recording.started_ns, now_ns, sealed),
            )
            db.executemany("INSERT OR REPLACE INTO waveform VALUES (?, ?, ?)", pictures)
            db.executemany("INSERT OR REPLACE INTO record_file VALUES (?, ?, ?)", files)

        await self._store.run(write)

    async def keep_visit(self, exam: Exam) -> None:
        """Put back a patient and exam that only a spool remembers (the room's file was damaged)."""
        patient = exam.patient
        if await self.exam(exam.exam_id) is not None:
            return
        who = self.seal(patient.model_dump_json().encode(), patient.patient_id)
        why = self.seal(exam.complaint.model_dump_json().encode(), exam.exam_id)

        def write(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT OR IGNORE INTO patient VALUES (?, ?, ?)", (patient.patient_id, who, exam.created_ns)
            )
            db.execute(
                "INSERT OR IGNORE INTO exam VALUES (?, ?, ?, ?)",
                (exam.exam_id, patient.patient_id, exam.created_ns, why),
            )

        await self._store.run(write)
        self._patients.setdefault(patient.patient_id, patient)
        self._last_exam_ns.setdefault(patient.patient_id, exam.created_ns)

    async def waveform(self, exam_id: str, recording_id: str, band: str) -> bytes | None:
        """The picture of an attempt, as a protocols.live block."""

        def read(db: sqlite3.Connection) -> bytes | None:
            row = db.execute(
                "SELECT w.sealed FROM waveform w JOIN attempt a USING (recording_id)"
                " WHERE a.exam_id = ? AND a.recording_id = ? AND w.band = ?",
                (exam_id, recording_id, band),
            ).fetchone()
            return None if row is None else bytes(row[0])

        sealed = await self._store.run(read)
        return None if sealed is None else self.unseal(sealed, f"{recording_id} {band}")

    # --- reports

    async def keep_report(self, message: ReportShow) -> None:
        """A report has come back. The same version again changes nothing."""
        said = json.dumps({"signed_by": message.signed_by, "report": message.report.model_dump(mode="json")})
        about = message.exam_id
        sealed, pdf = self.seal(said.encode(), about), self.seal(message.pdf, f"{about} pdf")
        row = (about, message.version, message.report_id, message.signed_ns, sealed, pdf)

        def write(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT OR IGNORE INTO report (exam_id, version, report_id, signed_ns, sealed, pdf)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )

        await self._store.run(write)

    async def mark_opened(self, exam_id: str, version: int, now_ns: int) -> None:
        """Somebody here has opened this version: 已签收. The first time counts."""

        def write(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE report SET opened_ns = ? WHERE exam_id = ? AND version = ? AND opened_ns IS NULL",
                (now_ns, exam_id, version),
            )

        await self._store.run(write)

    async def report_pdf(self, exam_id: str) -> bytes | None:
        """The newest report's PDF, as signed at the county."""

        def read(db: sqlite3.Connection) -> bytes | None:
            row = db.execute(
                "SELECT pdf FROM report WHERE exam_id = ? ORDER BY version DESC LIMIT 1", (exam_id,)
            ).fetchone()
            return None if row is None else bytes(row[0])

        sealed = await self._store.run(read)
        return None if sealed is None else self.unseal(sealed, f"{exam_id} pdf")


async def open_room(store: Store) -> Room:
    """The room kept in `store` (opened with this module's MIGRATIONS)."""

    def read(db: sqlite3.Connection) -> list[tuple[str, bytes, int | None]]:
        return db.execute("SELECT patient_id, sealed, last_exam_ns FROM patient").fetchall()

    rows = await store.run(read)
    patients: dict[str, Patient] = {}
    for patient_id, sealed, _ in rows:
        try:
            patients[patient_id] = Patient.model_validate_json(store.unseal(sealed, patient_id.encode()))
        except SealBroken:
            log.exception("patient %s cannot be read back", patient_id)
    return Room(store, patients, {row[0]: row[2] for row in rows if row[2] is not None})


def new_id() -> str:
    """An id for a patient, exam or recording made at this station."""
    return secrets.token_hex(8)


def start_of_day_ns(now_ns: int) -> int:
    """The last midnight in China before `now_ns`."""
    now = datetime.fromtimestamp(now_ns / 1e9, CHINA)
    return int(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * 10**9


def date_of(now_ns: int) -> date:
    """The day in China."""
    return datetime.fromtimestamp(now_ns / 1e9, CHINA).date()


def age_years(patient: Patient, at_ns: int) -> int | None:
    """Completed years at that moment; without a birth date the age that was asked."""
    if patient.birth_date is None:
        return patient.age_years
    try:
        born = date.fromisoformat(patient.birth_date)
    except ValueError:
        return patient.age_years
    day = date_of(at_ns)
    return max(0, day.year - born.year - ((day.month, day.day) < (born.month, born.day)))


def _matches(patient: Patient, wanted: str) -> bool:
    if wanted in (patient.name or "").upper():
        return True
    number = patient.id_number or ""
    return len(wanted) >= 4 and (number.startswith(wanted) or number.endswith(wanted))


def _waits(exam: Exam) -> bool:
    return bool(exam.attempts) and (exam.report is None or exam.report.opened_ns is None)


def _attempt_rows(db: sqlite3.Connection, exam_id: str) -> list[Any]:
    return db.execute(
        "SELECT recording_id, attempt, closed_ns, sealed FROM attempt"
        " WHERE exam_id = ? AND closed_ns IS NOT NULL ORDER BY attempt",
        (exam_id,),
    ).fetchall()


def _report_row(db: sqlite3.Connection, exam_id: str) -> Any:
    return db.execute(
        "SELECT report_id, version, signed_ns, opened_ns, sealed FROM report"
        " WHERE exam_id = ? ORDER BY version DESC LIMIT 1",
        (exam_id,),
    ).fetchone()


def _report_parts(unsealed: bytes) -> dict[str, Any]:
    said = json.loads(unsealed)
    return {"signed_by": said["signed_by"], "report": Report.model_validate(said["report"])}
