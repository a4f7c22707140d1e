"""Spool → sealed record → room → outbox → spool removed; every step may be repeated after a crash.

The outbox comes last before the removal, since its word is what the screen calls 已保存: what it holds, the
room holds. One spool at a time; a failure leaves the spool where it is and is tried again.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from edge_agent.analysis import Analyser, Answer, Job, SealFailed
from edge_agent.capture import spool
from edge_agent.clock import Clock
from edge_agent.errors import SealBroken, StoreError
from edge_agent.outbox import Outbox
from edge_agent.room import Exam, Room, age_years
from protocols.messages import Analysis, Complaint, Lane, RecordFile, Recording, RecordingClosed
from protocols.patient import Patient

log = logging.getLogger(__name__)

TRY_AGAIN_S = 30.0
PRESSING_SYMPTOMS = frozenset({"chest_pain", "syncope"})

Done = Callable[[str], None]


def lane_of(closed: RecordingClosed) -> Lane:
    """How pressing it is: critical or taken as an emergency, then urgent or chest pain, then the rest."""
    level = None if closed.analysis is None else closed.analysis.level
    if level == 0 or closed.patient.temporary:
        return "urgent"
    if level == 1 or PRESSING_SYMPTOMS & set(closed.complaint.symptoms):
        return "prompt"
    return "clinical"


def pack_visit(exam: Exam) -> bytes:
    """Who and why, for a spool's meta."""
    return json.dumps(
        {
            "patient": exam.patient.model_dump(mode="json"),
            "complaint": exam.complaint.model_dump(mode="json"),
            "created_ns": exam.created_ns,
        }
    ).encode()


def unpack_visit(exam_id: str, packed: bytes) -> Exam:
    """The visit behind a spool's meta."""
    fields = json.loads(packed)
    patient = Patient.model_validate(fields["patient"])
    return Exam(exam_id, patient, Complaint.model_validate(fields["complaint"]), fields["created_ns"])


class Sealer:
    """Seals spools in the order they are handed in. `run` is its life."""

    def __init__(self, root: Path, clock: Clock, room: Room, outbox: Outbox, analyser: Analyser) -> None:
        self._root = root
        self._clock = clock
        self._room = room
        self._outbox = outbox
        self._analyser = analyser
        self._waiting: asyncio.Queue[tuple[Path, Done | None]] = asyncio.Queue()
        self._at: Path | None = None
        self.quarantined = 0
        """Damaged spools set aside since the start."""

    def hand_in(self, folder: Path, done: Done | None = None) -> None:
        """Have this spool sealed; `done` is told its recording id when the next capture may begin."""
        self._waiting.put_nowait((folder, done))

    async def take_leftovers(self) -> int:
        """At start, before any capture: hand in what the last run left behind; how many."""
        folders = spool.leftovers(self._root)
        await self._room.discard_unfinished(frozenset(folder.name for folder in folders))
        for folder in folders:
            self.hand_in(folder)
        if folders:
            log.warning("%d captures were left by the last run and are sealed now", len(folders))
        return len(folders)

    async def run(self) -> None:
        """Seal what is handed in, for ever."""
        if self._at is not None:  # the last run fell over this one: let the others pass first
            self._later(self._at)
        while True:
            self._at, done = await self._waiting.get()
            try:
                await self.seal(self._at)
            except (SealFailed, StoreError, OSError) as error:
                log.error("capture %s is kept and tried again: %s", self._at.name, error)  # noqa: TRY400
                self._later(self._at)
            finally:
                if done is not None:
                    done(self._at.name)
            self._at = None

    def _later(self, folder: Path) -> None:
        asyncio.get_running_loop().call_later(TRY_AGAIN_S, self.hand_in, folder)

    async def seal(self, folder: Path) -> None:
        """One spool, all the way. Raises SealFailed, StoreError or OSError; then the spool is still there."""
        if not spool.exists(folder):
            return
        if spool.is_shell(folder):
            await self._room.discard_attempt(folder.name)
            spool.remove(folder)
            return
        if await self._outbox.state_of(folder.name) is not None:  # killed between append and removal
            spool.remove(folder)
            return
        try:
            spooled = spool.look(folder)
        except spool.SpoolDamaged:
            log.exception("a damaged capture is set aside")
            self._set_aside(folder)
            await self._room.discard_attempt(folder.name)
            return
        if spooled.samples == 0:
            await self._room.discard_attempt(folder.name)
            spool.remove(folder)
            return
        exam = await self._visit(spooled.meta)
        if exam is None:
            self._set_aside(folder)
            return
        answer = await self._analyser.seal(_job(spooled, exam))
        closed = _message(spooled, exam, answer)
        blocks = {band: path.read_bytes() for band, path in answer.blocks.items()}
        await self._room.keep_attempt(closed, blocks, self._clock.wall_ns())
        row = await self._outbox.append(closed, lane_of(closed), folder.name)
        spool.remove(folder)
        log.info(
            "recording %s of %d samples is saved (%d bytes, lane %s)",
            folder.name,
            spooled.samples,
            row.size,
            row.lane,
        )

    def _set_aside(self, folder: Path) -> None:
        spool.set_aside(folder, self._root.parent / "quarantine")
        self.quarantined += 1

    async def _visit(self, meta: spool.Meta) -> Exam | None:
        exam = await self._room.exam(meta.exam_id)
        if exam is not None:
            return exam
        try:
            packed = self._room.unseal(bytes.fromhex(meta.visit), meta.recording_id)
            exam = unpack_visit(meta.exam_id, packed)
        except (SealBroken, ValueError, KeyError, TypeError):
            log.exception("nothing says whose recording %s is; it is set aside", meta.recording_id)
            return None
        await self._room.keep_visit(exam)
        return exam


def _job(spooled: spool.Spooled, exam: Exam) -> Job:
    meta = spooled.meta
    return Job(
        name=meta.recording_id,
        samples=str(spooled.folder / spool.SAMPLES),
        folder=str(spooled.folder),
        n=spooled.samples,
        rate_hz=meta.rate_hz,
        leads=meta.leads,
        uv_per_count=meta.uv_per_count,
        start_ns=meta.started_ns,
        comments=(
            f"box_serial={meta.box_serial}",
            f"box_first_sample={meta.box_first_sample}",
            "filters=none",
        ),
        electrodes_off=spooled.electrodes_off,
        sex=exam.patient.sex,
        age_years=age_years(exam.patient, meta.started_ns),
        symptoms=exam.complaint.symptoms,
        history=exam.complaint.history,
    )


def _message(spooled: spool.Spooled, exam: Exam, answer: Answer) -> RecordingClosed:
    meta = spooled.meta
    analysis, error = None, answer.error
    if answer.analysis is not None:
        try:
            analysis = Analysis.model_validate(answer.analysis)
        except ValidationError as wrong:
            error = f"the analysis gave {wrong.error_count()} fields that do not fit"
            log.error("recording %s: %s", meta.recording_id, error)  # noqa: TRY400 - its text repeats values
    return RecordingClosed(
        exam_id=meta.exam_id,
        attempt=meta.attempt,
        patient=exam.patient,
        complaint=exam.complaint,
        operator=meta.operator,
        lead_off_reason=meta.lead_off_reason,
        recording=Recording(
            recording_id=meta.recording_id,
            started_ns=meta.started_ns,
            started_quality=meta.started_quality,
            started_boot=meta.started_boot,
            started_mono_ns=meta.started_mono_ns,
            rate_hz=meta.rate_hz,
            samples=spooled.samples,
            leads=meta.leads,
            uv_per_count=(meta.uv_per_count,) * len(meta.leads),
            missing_samples=answer.missing_samples,
            interrupted=spooled.interrupted,
            box_serial=meta.box_serial,
            box_first_sample=meta.box_first_sample,
            sha256=answer.sha256,
            files=tuple(RecordFile(name=path.name, data=path.read_bytes()) for path in answer.files),
        ),
        analysis=analysis,
        analysis_error=error,
    )
