"""Recordings: stored once and verified; the exam they make; what is drawn of them."""

import numpy as np
import pytest
from hub_county import ID_NUMBER, NOW_NS, SECOND_NS, arrive, closed
from sqlalchemy import Engine, text
from sqlmodel import Session, col, select

from ecg import leads
from hub import db
from hub.domain import Exam, Patient, Recording, RecordingFile
from hub.errors import HashWrong, RecordingConflict, UnknownStation, Unreadable, WrongStation
from hub.services import recordings
from protocols import live
from protocols.messages import RecordFile
from protocols.patient import Patient as RoomPatient


def _damage(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE recording_file SET data = :data WHERE name LIKE '%.flac'"), {"data": b"nothing"}
        )


def test_a_recording_makes_an_exam_a_patient_and_a_worklist_row(county: Engine) -> None:
    arrive(county, lane="prompt")
    with db.reading(county) as session:
        exam = session.get_one(Exam, "exam-1")
        patient = session.get_one(Patient, exam.patient_id)
        files = session.exec(select(RecordingFile).order_by(col(RecordingFile.position))).all()
    assert (exam.status, exam.level, exam.lane, exam.organisation_id) == ("pending_read", 2, "prompt", "V1")
    assert (patient.name, patient.id_number) == ("张三", ID_NUMBER)
    assert [f.name for f in files] == ["rec-1.hea", "rec-1.flac"]
    assert [f.data for f in files] == [f.data for f in closed().recording.files]


def test_the_same_again_changes_nothing(county: Engine) -> None:
    arrive(county)
    arrive(county, now_ns=NOW_NS + SECOND_NS)
    with db.reading(county) as session:
        assert len(session.exec(select(Recording)).all()) == 1
        assert session.get_one(Exam, "exam-1").received_ns == NOW_NS


def test_other_bytes_under_the_same_id_are_a_conflict(county: Engine) -> None:
    arrive(county)
    with pytest.raises(RecordingConflict):
        arrive(county, closed(scenario="af"))


def test_bytes_that_are_not_what_was_sealed_are_refused(county: Engine) -> None:
    message = closed()
    flac = message.recording.files[1]
    broken = message.recording.model_copy(
        update={"files": (message.recording.files[0], RecordFile(name=flac.name, data=flac.data[:-1] + b"?"))}
    )
    with pytest.raises(HashWrong):
        arrive(county, message.model_copy(update={"recording": broken}))
    no_signal = message.recording.model_copy(update={"files": message.recording.files[:1]})
    with pytest.raises(HashWrong):
        arrive(county, message.model_copy(update={"recording": no_signal}))


def test_a_station_cannot_write_into_anothers_exam(county: Engine) -> None:
    arrive(county)
    with pytest.raises(WrongStation):
        arrive(county, closed(recording_id="rec-2", attempt=2), station="MT-0002")
    with pytest.raises(UnknownStation):
        arrive(county, closed("exam-9", "rec-9"), station="MT-0009")


def test_a_later_attempt_is_shown_and_the_level_only_rises(county: Engine) -> None:
    arrive(county, closed(level=0), lane="urgent")
    exam = arrive(county, closed(recording_id="rec-2", attempt=2, level=3, started_ns=NOW_NS + SECOND_NS))
    assert (exam.recording_id, exam.attempt, exam.level, exam.lane) == ("rec-2", 2, 0, "urgent")
    late = arrive(county, closed(recording_id="rec-0", attempt=1, level=None))
    assert (late.recording_id, late.level) == ("rec-2", 0)
    with db.reading(county) as session:
        assert [r.id for r in recordings.of_exam(session, "exam-1")][-1] == "rec-2"


def test_an_emergency_patient_is_identified_later_and_the_exam_moves(county: Engine) -> None:
    nobody = RoomPatient(patient_id="p-9", temporary=True)
    known = arrive(county, closed("exam-0", "rec-0"))
    first = arrive(county, closed("exam-1", "rec-1", patient=nobody))
    assert first.emergency
    assert first.patient_id != known.patient_id
    identified = closed("exam-1", "rec-2", attempt=2).patient.model_copy(update={"patient_id": "p-9"})
    second = arrive(county, closed("exam-1", "rec-2", attempt=2, patient=identified))
    assert second.patient_id == known.patient_id
    assert second.emergency  # how it came does not change


def test_one_id_number_is_one_patient_whatever_another_room_typed(county: Engine) -> None:
    first = arrive(county)
    other = closed().patient.model_copy(update={"patient_id": "x", "name": "张叁"})
    second = arrive(county, closed("exam-2", "rec-2", patient=other), station="MT-0002")
    assert first.patient_id == second.patient_id
    with db.reading(county) as session:
        assert session.get_one(Patient, first.patient_id).name == "张三"


def _block(session: Session, band: recordings.WaveformBand) -> live.Block:
    return live.unpack(recordings.waveform(session, recordings.get(session, "rec-1"), band))


def test_the_waveform_is_twelve_leads_that_agree_with_einthoven(county: Engine) -> None:
    arrive(county)
    with db.reading(county) as session:
        raw, diagnostic = _block(session, "raw"), _block(session, "diagnostic")
    assert raw.leads == diagnostic.leads == leads.LEADS
    assert raw.counts.shape == diagnostic.counts.shape == (12, 5000)
    assert np.abs(raw.counts[2] - (raw.counts[1] - raw.counts[0])).max() <= 1
    assert np.ptp(diagnostic.counts[1]) > 500
    assert not np.array_equal(raw.counts, diagnostic.counts)


def test_a_damaged_recording_says_so_at_once(county: Engine) -> None:
    arrive(county)
    with db.reading(county) as session:
        recordings.waveform(session, recordings.get(session, "rec-1"), "raw")
    _damage(county)
    with db.reading(county) as session:
        recording = recordings.get(session, "rec-1")
        assert recordings.is_damaged(session, recording)
        with pytest.raises(Unreadable):
            recordings.waveform(session, recording, "raw")
