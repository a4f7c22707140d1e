"""Recordings: store once, read back verified, and make the picture a browser draws."""

import hmac
import threading
from collections import OrderedDict
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session, col, select

from ecg import filters, leads, record
from hub.domain.exam import LANE_RANK, Exam, ExamStatus
from hub.domain.recording import Recording, RecordingFile
from hub.errors import HashWrong, NotFound, RecordingConflict, UnknownStation, Unreadable, WrongStation
from hub.services import audit, patients, stations, times
from protocols import live
from protocols.envelope import ClockQuality
from protocols.messages import Lane, RecordingClosed

WaveformBand = Literal["diagnostic", "muscle", "raw"]

_CACHED = 32
"""Decoded recordings kept: some 0.5 MB each."""


def store(
    session: Session,
    station_id: str,
    message: RecordingClosed,
    *,
    lane: Lane,
    clock_quality: ClockQuality,
    now_ns: int,
) -> Exam:
    """Store one attempt, match its patient, put the exam into the worklist; the same again changes nothing.

    The latest attempt is the shown one; earlier ones stay. A later attempt of an exam that was already
    reported is put back into the worklist. Level and emergency only ever rise.
    Raises UnknownStation, HashWrong, RecordingConflict or WrongStation, each with a code for the receipt.
    """
    station = stations.find(session, station_id)
    if station is None:
        raise UnknownStation
    sent = message.recording
    files = {file.name: file.data for file in sent.files}
    try:
        digest = record.digest(files)
    except record.RecordError:
        raise HashWrong from None
    if not hmac.compare_digest(digest, sent.sha256) or len(files) != len(sent.files):
        raise HashWrong
    # The recording before its exam: what another worker commits between the two looks is then an exam
    # too many, which the insert finds out, and never a recording without its exam.
    held = session.get(Recording, sent.recording_id)
    exam = session.get(Exam, message.exam_id, with_for_update=True)
    if exam is not None and exam.station_id != station_id:
        raise WrongStation
    if held is not None:
        if held.sha256 != sent.sha256 or held.exam_id != message.exam_id or exam is None:
            raise RecordingConflict
        return exam
    patient = patients.match(session, station_id, message.patient, now_ns=now_ns)
    analysis = message.analysis
    level = analysis.level if analysis else None
    quality = analysis.quality if analysis else None
    if exam is None:
        exam = Exam(
            id=message.exam_id,
            station_id=station_id,
            organisation_id=station.organisation_id,
            patient_id=patient.id,
            complaint=message.complaint.model_dump(mode="json"),
            level=level,
            lane=lane,
            quality=quality,
            emergency=message.patient.temporary,
            operator=message.operator,
            first_contact_ns=message.first_contact_ns,
            captured_ns=sent.started_ns,
            received_ns=now_ns,
            recording_id=sent.recording_id,
            attempt=message.attempt,
        )
        session.add(exam)
    else:
        exam.patient_id = patient.id
        exam.level = min((n for n in (exam.level, level) if n is not None), default=None)
        exam.lane = min(exam.lane, lane, key=LANE_RANK.__getitem__)
        exam.emergency = exam.emergency or message.patient.temporary
        if message.attempt >= exam.attempt:
            exam.complaint = message.complaint.model_dump(mode="json")
            exam.quality, exam.captured_ns = quality, sent.started_ns
            exam.recording_id, exam.attempt = sent.recording_id, message.attempt
            if exam.status != ExamStatus.READING:
                exam.status = ExamStatus.PENDING_READ
                exam.claimed_by = exam.claimed_until_ns = None
    session.flush()
    _add(session, station_id, message, clock_quality, now_ns)
    audit.record(
        session,
        "recording.stored",
        f"recording:{sent.recording_id}",
        now_ns=now_ns,
        by=station_id,
        patient_id=patient.id,
        detail=f"exam:{exam.id} attempt {message.attempt}",
    )
    return exam


def _add(
    session: Session, station_id: str, message: RecordingClosed, clock_quality: ClockQuality, now_ns: int
) -> None:
    sent = message.recording
    recording = Recording(
        id=sent.recording_id,
        exam_id=message.exam_id,
        attempt=message.attempt,
        started_ns=sent.started_ns,
        clock_quality=sent.started_quality or clock_quality,
        boot=sent.started_boot,
        mono_ns=sent.started_mono_ns,
        received_ns=now_ns,
        rate_hz=sent.rate_hz,
        samples=sent.samples,
        leads=list(sent.leads),
        uv_per_count=list(sent.uv_per_count),
        filters=sent.filters,
        missing_samples=sent.missing_samples,
        interrupted=sent.interrupted,
        box_serial=sent.box_serial,
        box_first_sample=sent.box_first_sample,
        operator=message.operator,
        lead_off_reason=message.lead_off_reason,
        sha256=sent.sha256,
        analysis=message.analysis.model_dump(mode="json") if message.analysis else None,
        analysis_error=message.analysis_error,
    )
    times.correct(session, station_id, recording)
    session.add(recording)
    session.flush()
    for position, file in enumerate(sent.files):
        session.add(
            RecordingFile(recording_id=sent.recording_id, name=file.name, position=position, data=file.data)
        )
    session.flush()


def get(session: Session, recording_id: str) -> Recording:
    """The recording's row. Raises NotFound."""
    recording = session.get(Recording, recording_id)
    if recording is None:
        raise NotFound(what="recording")
    return recording


def of_exam(session: Session, exam_id: str) -> list[Recording]:
    """All attempts, in order."""
    query = select(Recording).where(col(Recording.exam_id) == exam_id).order_by(col(Recording.attempt))
    return list(session.exec(query))


def files(session: Session, recording: Recording) -> dict[str, bytes]:
    """The record's files as they came, seal verified. Raises Unreadable if they are not what was sealed."""
    rows = session.exec(
        select(RecordingFile)
        .where(col(RecordingFile.recording_id) == recording.id)
        .order_by(col(RecordingFile.position))
    )
    held = {row.name: row.data for row in rows}
    try:
        digest = record.digest(held)
    except record.RecordError:
        raise Unreadable from None
    if not hmac.compare_digest(digest, recording.sha256):
        raise Unreadable
    return held


def is_damaged(session: Session, recording: Recording) -> bool:
    """Whether the stored bytes are no longer what was sealed at capture."""
    try:
        files(session, recording)
    except Unreadable:
        return True
    return False


class _Decoded:
    """Twelve leads in µV of the recordings looked at last, by their seal: equal bytes, equal samples."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[bytes, NDArray[np.float64]] = OrderedDict()

    def get(self, seal: bytes) -> NDArray[np.float64] | None:
        with self._lock:
            samples = self._held.get(seal)
            if samples is not None:
                self._held.move_to_end(seal)
            return samples

    def put(self, seal: bytes, samples: NDArray[np.float64]) -> None:
        with self._lock:
            self._held[seal] = samples
            while len(self._held) > _CACHED:
                self._held.popitem(last=False)


_decoded = _Decoded()


def twelve_leads(session: Session, recording: Recording) -> NDArray[np.float64]:
    """(12, n) µV as sampled, the missing leads derived, NaN where there is no data. Raises Unreadable."""
    held = files(session, recording)  # always from the database: a broken row must show at once
    samples = _decoded.get(recording.sha256)
    if samples is None:
        try:
            decoded = record.read_files(held)
        except record.RecordError:
            raise Unreadable from None
        samples = leads.derive(decoded.microvolts(), decoded.leads)
        samples.setflags(write=False)
        _decoded.put(recording.sha256, samples)
    return samples


def filtered(samples: NDArray[np.float64], rate_hz: float, band: WaveformBand) -> NDArray[np.float64]:
    """The samples as they are to be drawn: zero phase, gaps kept; "raw" is untouched."""
    if band == "raw":
        return samples
    chosen = filters.BANDS[band]
    return filters.stored(samples, rate_hz, chosen.highpass_hz, chosen.lowpass_hz, chosen.notch_hz)


def waveform(session: Session, recording: Recording, band: WaveformBand) -> bytes:
    """A protocols.live block of all twelve leads. Raises Unreadable."""
    samples = filtered(twelve_leads(session, recording), recording.rate_hz, band)
    largest = float(np.nanmax(np.abs(samples), initial=0.0)) if np.isfinite(samples).any() else 0.0
    # Raw samples sit on the electrodes' offset, which may exceed the 32 mV that 1 µV a count can hold.
    uv_per_count = max(1.0, largest / 32000.0)
    counts = live.to_counts(samples, uv_per_count)
    return live.pack(live.Block(leads.LEADS, round(recording.rate_hz), uv_per_count, 0, counts))


def warm_up() -> None:
    """Load what decoding needs (a second or two), so that the first reader does not wait for it."""
    import scipy.signal
    import wfdb  # noqa: F401

    filters.stored(np.zeros((1, 500)), 500.0)
    scipy.signal.lfilter([1.0], [1.0], np.zeros(1))
