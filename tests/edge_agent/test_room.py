"""The room's record: kept through a restart, sealed on the disk, found by name and number."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge_agent import room
from edge_agent.room import Room, age_years, open_room, start_of_day_ns
from edge_agent.store import Store
from protocols.messages import Analysis, Complaint, RecordFile, Recording, RecordingClosed, ReportShow
from protocols.patient import Patient
from protocols.report import Report, Statement

KEY = bytes(32)
NOW = 1_763_800_000 * 10**9  # 2025-11-22 16:26:40 in China
HOUR = 3600 * 10**9
ZHANG = Patient(
    patient_id="p1", name="张三", sex="male", id_type="resident_id", id_number="11010519491231002X"
)
LI = Patient(patient_id="p2", name="李四", sex="female", no_id_reason="忘带")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(tmp_path / "room.db", KEY, room.MIGRATIONS) as opened:
        yield opened


@pytest.fixture
async def here(store: Store) -> Room:
    return await open_room(store)


def closed(exam_id: str, recording_id: str = "r1", attempt: int = 1) -> RecordingClosed:
    return RecordingClosed(
        exam_id=exam_id,
        attempt=attempt,
        patient=ZHANG,
        operator="cunyi",
        recording=Recording(
            recording_id=recording_id,
            started_ns=NOW,
            rate_hz=500,
            samples=5000,
            leads=("I", "II"),
            uv_per_count=(1.0, 1.0),
            missing_samples=3,
            sha256=bytes(32),
            files=(RecordFile(name=f"{recording_id}.hea", data=b"header"),),
        ),
        analysis=Analysis(version="1", measurements={"heart_rate": 70.0}),
    )


def shown(exam_id: str, version: int = 1, text: str = "窦性心律") -> ReportShow:
    report = Report(impression=(Statement(text=text),))
    return ReportShow(
        report_id=f"rep{version}",
        exam_id=exam_id,
        version=version,
        report=report,
        signed_by="甲医师",
        signed_ns=NOW,
        pdf=b"%PDF" + bytes([version]),
    )


async def test_a_visit_from_order_to_opened_report(here: Room, store: Store) -> None:
    await here.register(ZHANG)
    exam = await here.new_exam(ZHANG, Complaint(symptoms=("chest_pain",), note="半小时"), NOW)
    assert await here.begin_attempt(exam.exam_id, "r1", NOW) == 1
    assert (await here.exam(exam.exam_id)) == exam  # nothing closed yet: nothing shown
    await here.keep_attempt(closed(exam.exam_id), {"diagnostic": b"block"}, NOW + 1)
    await here.keep_attempt(closed(exam.exam_id), {"diagnostic": b"block"}, NOW + 2)  # again after a crash
    await here.keep_report(shown(exam.exam_id))
    await here.keep_report(shown(exam.exam_id))
    await here.mark_opened(exam.exam_id, 1, NOW + 5)
    await here.mark_opened(exam.exam_id, 1, NOW + 9)

    again = await open_room(store)  # as after a restart
    found = await again.exam(exam.exam_id)
    assert found is not None
    assert found.patient == ZHANG
    assert found.complaint.note == "半小时"
    (attempt,) = found.attempts
    assert (attempt.recording_id, attempt.attempt, attempt.duration_s) == ("r1", 1, 10.0)
    assert (attempt.missing_samples, attempt.closed_ns) == (3, NOW + 1)
    assert attempt.analysis is not None
    assert attempt.analysis["measurements"] == {"heart_rate": 70.0}
    assert found.report is not None
    assert found.report.opened_ns == NOW + 5
    assert found.report.report.impression[0].text == "窦性心律"
    assert await again.waveform(exam.exam_id, "r1", "diagnostic") == b"block"
    assert await again.waveform(exam.exam_id, "r1", "muscle") is None
    assert await again.waveform("other", "r1", "diagnostic") is None
    assert await again.report_pdf(exam.exam_id) == b"%PDF\x01"


async def test_nothing_on_the_disk_names_the_patient(here: Room, store: Store, tmp_path: Path) -> None:
    await here.register(ZHANG)
    exam = await here.new_exam(ZHANG, Complaint(note="胸闷半小时"), NOW)
    await here.begin_attempt(exam.exam_id, "r1", NOW)
    await here.keep_attempt(closed(exam.exam_id), {"diagnostic": b"block"}, NOW)
    await here.keep_report(shown(exam.exam_id))
    disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert exam.exam_id.encode() in disk
    for secret in ("张三", "11010519491231002X", "胸闷", "甲医师", "窦性心律", "%PDF", "heart_rate"):
        assert secret.encode() not in disk, secret


async def test_the_same_number_is_the_same_patient(here: Room) -> None:
    await here.register(ZHANG)
    again = ZHANG.model_copy(update={"patient_id": "p9", "name": "张叁"})
    assert await here.register(again) == (ZHANG, False)
    assert await here.register(LI) == (LI, True)


async def test_search(here: Room) -> None:
    await here.register(ZHANG)
    await here.register(LI)
    await here.register(Patient(patient_id="p3", temporary=True))
    await here.new_exam(LI, Complaint(), NOW)
    assert here.search("") == [LI, ZHANG]
    assert here.search(" 张") == [ZHANG]
    assert here.search("110105") == [ZHANG]
    assert here.search("002x") == [ZHANG]
    assert here.search("1") == []
    assert here.search("%") == []


async def test_today_and_what_still_waits(here: Room) -> None:
    await here.register(ZHANG)
    midnight = start_of_day_ns(NOW)
    today = await here.new_exam(ZHANG, Complaint(), NOW)
    waits = await here.new_exam(ZHANG, Complaint(), midnight - HOUR)
    await here.begin_attempt(waits.exam_id, "r1", NOW)
    await here.keep_attempt(closed(waits.exam_id), {}, NOW)
    await here.new_exam(ZHANG, Complaint(), midnight - 2 * HOUR)  # ordered yesterday, never captured
    old = await here.new_exam(ZHANG, Complaint(), midnight - 30 * HOUR)
    listed = [exam.exam_id for exam in await here.exams_of_today(NOW)]
    assert listed == [today.exam_id, waits.exam_id]
    assert old.exam_id in [exam.exam_id for exam in await here.exams_of_patient("p1")]


async def test_attempts_count_up_and_a_discarded_number_returns(here: Room) -> None:
    await here.register(ZHANG)
    exam = await here.new_exam(ZHANG, Complaint(), NOW)
    assert await here.begin_attempt(exam.exam_id, "r1", NOW) == 1
    await here.discard_attempt("r1")
    assert await here.begin_attempt(exam.exam_id, "r2", NOW) == 1
    await here.keep_attempt(closed(exam.exam_id, "r2"), {}, NOW)
    await here.discard_attempt("r2")  # sealed: stays
    assert await here.begin_attempt(exam.exam_id, "r3", NOW) == 2
    assert await here.begin_attempt(exam.exam_id, "r4", NOW) == 3
    await here.discard_unfinished(frozenset({"r3"}))
    assert await here.begin_attempt(exam.exam_id, "r5", NOW) == 3


async def test_a_newer_report_replaces_the_shown_one(here: Room) -> None:
    await here.register(ZHANG)
    exam = await here.new_exam(ZHANG, Complaint(), NOW)
    await here.keep_report(shown(exam.exam_id, 2, "修订"))
    await here.keep_report(shown(exam.exam_id, 1))
    found = await here.exam(exam.exam_id)
    assert found is not None
    assert found.report is not None
    assert (found.report.version, found.report.opened_ns) == (2, None)
    assert await here.report_pdf(exam.exam_id) == b"%PDF\x02"


async def test_another_patient_and_complaint(here: Room) -> None:
    someone = Patient(patient_id="t1", temporary=True)
    await here.register(someone)
    await here.register(ZHANG)
    exam = await here.new_exam(someone, Complaint(), NOW)
    await here.change_exam(exam.exam_id, ZHANG, Complaint(symptoms=("syncope",)))
    found = await here.exam(exam.exam_id)
    assert found is not None
    assert (found.patient, found.complaint.symptoms) == (ZHANG, ("syncope",))


async def test_a_visit_only_a_spool_remembers(here: Room) -> None:
    exam = room.Exam("e9", ZHANG, Complaint(note="n"), NOW)
    await here.keep_visit(exam)
    await here.keep_visit(exam)
    assert await here.exam("e9") == exam
    assert here.patient("p1") == ZHANG


async def test_one_damaged_row_does_not_hide_the_others(here: Room, store: Store) -> None:
    await here.register(ZHANG)
    bad = await here.new_exam(ZHANG, Complaint(), NOW)
    good = await here.new_exam(ZHANG, Complaint(), NOW)
    await store.run(lambda db: db.execute("UPDATE exam SET sealed = x'00' WHERE exam_id = ?", (bad.exam_id,)))
    await store.run(lambda db: db.execute("INSERT INTO patient VALUES ('px', x'01', NULL)"))
    again = await open_room(store)
    assert [exam.exam_id for exam in await again.exams_of_today(NOW)] == [good.exam_id]
    assert again.patient("px") is None


@pytest.mark.parametrize(
    ("born", "asked", "years"),
    [
        ("1967-11-22", None, 58),
        ("1967-11-23", None, 57),
        (None, 40, 40),
        (None, None, None),
        ("2025-13-01", 3, 3),
    ],
)
def test_age(born: str | None, asked: int | None, years: int | None) -> None:
    patient = LI.model_copy(update={"birth_date": born, "age_years": asked})
    assert age_years(patient, NOW) == years


def test_a_day_begins_at_midnight_in_china() -> None:
    assert start_of_day_ns(NOW) == 1_763_740_800 * 10**9
    assert start_of_day_ns(1_763_740_800 * 10**9) == 1_763_740_800 * 10**9
    assert start_of_day_ns(1_763_740_800 * 10**9 - 1000) == 1_763_654_400 * 10**9
