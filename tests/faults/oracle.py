"""Stands outside the system: what the stations accepted, against what the hub's database holds.

An obligation begins when a station's `append` has returned. The hub's tables are read with SQL of this
file's own, so that a mistake in the hub's models cannot hide itself.
"""

import hashlib
import threading
import time
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

COMMITTED = "SELECT mid, sha256 FROM received_message WHERE state = 'committed' AND type = 'recording.closed'"
RECORDINGS = "SELECT id, sha256 FROM recording"
FILES = "SELECT recording_id, data FROM recording_file ORDER BY recording_id, position"
EXAMS = "SELECT count(*) FROM exam"
ARRIVED = "SELECT received_ns FROM recording WHERE id = :ref"


@dataclass(frozen=True, slots=True)
class Obligation:
    """One recording a station has accepted."""

    station: str
    ref: str
    """Also the recording's id."""
    mid: bytes
    body: bytes
    """SHA-256 of the message."""
    record: bytes
    """SHA-256 over the record's files, in order."""
    accepted_ns: int


@dataclass(frozen=True, slots=True)
class Verdict:
    obligations: int
    lost: tuple[str, ...]
    """Accepted, and not at the hub."""
    doubled: tuple[str, ...]
    """At the hub more than once, or at the hub and never asked for."""
    altered: tuple[str, ...]
    """At the hub with other bytes."""

    @property
    def sound(self) -> bool:
        return not (self.lost or self.doubled or self.altered)


class Oracle:
    """Obligations of all stations of one network. Its methods may be called from any thread."""

    def __init__(self, database_url: str) -> None:
        self._engine = create_engine(database_url)
        self._lock = threading.Lock()
        self._owed: dict[str, Obligation] = {}
        self._asked: set[str] = set()
        self._excused: set[str] = set()
        self.repeated: list[str] = []
        """Refs that a station answered twice with different ids or hashes: a fault of the station."""

    def close(self) -> None:
        self._engine.dispose()

    def ask(self, ref: str) -> None:
        """The test is about to hand this to a station; it may arrive even if the station dies first."""
        with self._lock:
            self._asked.add(ref)

    def accepted(self, obligation: Obligation) -> None:
        """A station's `append` has returned. The same again after a restart must say the same."""
        with self._lock:
            before = self._owed.setdefault(obligation.ref, obligation)
            if (before.mid, before.body) != (obligation.mid, obligation.body):
                self.repeated.append(obligation.ref)

    def excuse(self, ref: str) -> None:
        """This one must not be in the record: it is poison, or the loser of a conflict."""
        with self._lock:
            self._excused.add(ref)

    @property
    def obligations(self) -> int:
        with self._lock:
            return len(self._owed)

    def missing(self) -> list[str]:
        """Refs owed that the hub has not committed; all of them while the database does not answer."""
        with self._lock:
            owed = [o for o in self._owed.values() if o.ref not in self._excused]
        try:
            with self._engine.connect() as db:
                held = {bytes(mid) for mid, _ in db.execute(text(COMMITTED))}
        except SQLAlchemyError:
            return [o.ref for o in owed]
        return [o.ref for o in owed if o.mid not in held]

    def arrived_ns(self, ref: str) -> int | None:
        """The hub's wall clock when it took this recording; None: not there."""
        with self._engine.connect() as db:
            return db.execute(text(ARRIVED), {"ref": ref}).scalar()

    def holds(self, ref: str) -> bool:
        """Whether the hub has committed this recording."""
        return self.arrived_ns(ref) is not None

    def settle(self, within_s: float) -> Verdict:
        """The fault-free phase: wait until nothing is missing, then judge everything."""
        deadline = time.monotonic() + within_s
        while self.missing() and time.monotonic() < deadline:
            time.sleep(0.1)
        return self.verdict()

    def verdict(self) -> Verdict:
        """Every obligation against every row."""
        with self._lock:
            owed, asked, excused = dict(self._owed), set(self._asked), set(self._excused)
        with self._engine.connect() as db:
            messages = {bytes(mid): bytes(sha) for mid, sha in db.execute(text(COMMITTED))}
            recordings = {id_: bytes(sha) for id_, sha in db.execute(text(RECORDINGS))}
            exams = db.execute(text(EXAMS)).scalar_one()
            digests = {id_: hashlib.sha256() for id_ in recordings}
            for id_, data in db.execute(text(FILES)):
                digests[id_].update(bytes(data))
        lost, altered = [], []
        doubled = [ref for ref in recordings if ref not in asked or ref in excused]
        for ref, o in owed.items():
            if ref in excused:
                continue
            if o.mid not in messages or ref not in recordings:
                lost.append(ref)
            elif (messages[o.mid], recordings[ref], digests[ref].digest()) != (o.body, o.record, o.record):
                altered.append(ref)
        # One message makes one recording makes one exam: what is more than that is a double.
        surplus = {"messages": len(messages) - len(recordings), "exams": exams - len(recordings)}
        doubled += [f"{n} more {what} than recordings" for what, n in surplus.items() if n]
        doubled += self.repeated
        return Verdict(len(owed.keys() - excused), tuple(lost), tuple(doubled), tuple(altered))

    def quarantined(self) -> "Counter[str]":
        """Codes of what the hub set aside."""
        with self._engine.connect() as db:
            return Counter(code for (code,) in db.execute(text("SELECT code FROM quarantine")))

    def set_aside(self, code: str) -> list[bytes]:
        """The messages the hub set aside with this code, as they came."""
        with self._engine.connect() as db:
            rows = db.execute(text("SELECT payload FROM quarantine WHERE code = :code"), {"code": code})
            return [bytes(payload) for (payload,) in rows]
