"""From a device's events to an outbox row, with a scripted device and everything else real."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from ecg import record, simulate
from ecg.leads import BOX_LEADS, LEADS
from edge_agent import outbox, room
from edge_agent.analysis import Analyser, SealFailed
from edge_agent.capture import Capture, sealing, spool
from edge_agent.capture.sealing import Sealer, lane_of
from edge_agent.drivers.events import BadFrame, Battery, BoxInfo, Event, Gone, Samples
from edge_agent.errors import DriverError, WrongRate, WrongSerial
from edge_agent.outbox import Outbox
from edge_agent.recorder import CaptureRefused
from edge_agent.room import Exam, Room, open_room
from edge_agent.store import Store
from fakes import FakeClock
from protocols import envelope
from protocols.messages import Analysis, Complaint, Recording, RecordingClosed
from protocols.patient import Patient
from protocols.station import BoxSettings

KEY = bytes(32)
RATE = 500
INFO = BoxInfo("BOX-1", "1", RATE, BOX_LEADS, 1.0, (500,))
BOX = BoxSettings(driver="ecg_ads1298", address="tcp:127.0.0.1:1")
HEART = np.rint(
    simulate.simulate("sinus", 12, RATE, 7).samples[[LEADS.index(lead) for lead in BOX_LEADS]]
).astype(np.int32)


class Device:
    """A device that says what the test puts in, and ends or fails as told."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event | BaseException | None] = asyncio.Queue()

    def __call__(self, settings: BoxSettings) -> "Device":
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self.events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event

    def say(self, *events: Event | BaseException | None) -> None:
        for event in events:
            self.events.put_nowait(event)

    def beat(self, start: int, end: int, off: frozenset[str] = frozenset()) -> None:
        """Samples start … end of the heart, 50 at a time."""
        for at in range(start, end, 50):
            self.say(Samples(at, RATE, BOX_LEADS, HEART[:, at : min(at + 50, end)], 1.0, off))


@dataclass
class Bench:
    clock: FakeClock
    room: Room
    outbox: Outbox
    capture: Capture
    sealer: Sealer
    device: Device
    spools: Path

    async def exam(self, complaint: Complaint = Complaint()) -> Exam:
        patient = Patient(patient_id=room.new_id(), name="张三", no_id_reason="忘带")
        await self.room.register(patient)
        return await self.room.new_exam(patient, complaint, self.clock.wall_ns())

    async def until(self, is_so: Any) -> Any:
        async with asyncio.timeout(60):
            while not (answer := await is_so() if asyncio.iscoroutinefunction(is_so) else is_so()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            return answer

    async def sealed(self, exam: Exam) -> Exam:
        async def look() -> Exam | None:
            found = await self.room.exam(exam.exam_id)
            if found is None or not found.attempts:
                return None
            fates = await self.outbox.states_of(a.recording_id for a in found.attempts)
            return found if len(fates) == len(found.attempts) else None

        done: Exam = await self.until(look)
        return done

    async def message(self, recording_id: str) -> RecordingClosed:
        """What the county would be told."""
        (row,) = [row for row in await self.outbox.rows() if row.ref == recording_id]
        body = b"".join(envelope.decode(frame).body for _, frame in await self.outbox.frames(row))
        decoded = envelope.decode_body(row.type, body)
        assert isinstance(decoded, RecordingClosed)
        return decoded

    def box(self) -> dict[str, Any]:
        box = self.capture.state()["box"]
        assert isinstance(box, dict)
        return box


@contextlib.asynccontextmanager
async def open_bench(folder: Path) -> AsyncIterator[Bench]:
    clock = FakeClock()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        owed = Outbox(await enter(Store.open(folder / "o", KEY, outbox.MIGRATIONS)), clock, "MT-0001")
        here = await open_room(await enter(Store.open(folder / "r", KEY, room.MIGRATIONS)))
        analyser = await enter(Analyser())
        sealer = Sealer(folder / "spool", clock, here, owed, analyser)
        capture = Capture(folder, BOX, clock, here, sealer, analyser)
        yield Bench(clock, here, owed, capture, sealer, Device(), folder / "spool")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Everything running; the device is connected once."""
    async with open_bench(tmp_path) as opened, asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(opened.sealer.run()),
            tasks.create_task(opened.capture.run_spool()),
            tasks.create_task(connect(opened)),
        ]
        yield opened
        for task in running:
            task.cancel()


async def connect(bench: Bench) -> None:
    with contextlib.suppress(DriverError, ZeroDivisionError):
        await bench.capture.run_box(bench.device)


async def test_a_capture_reaches_the_outbox_bit_for_bit(bench: Bench) -> None:
    exam = await bench.exam(Complaint(symptoms=("palpitation",)))
    bench.device.say(INFO, Battery(80))
    bench.device.beat(0, 500)
    await bench.until(lambda: bench.capture.live.lead_quality)
    recording_id = await bench.capture.start(exam, "cunyi", None)
    assert bench.capture.state()["recording"] == {
        "exam_id": exam.exam_id,
        "recording_id": recording_id,
        "attempt": 1,
        "elapsed_s": 0.0,
        "planned_s": 10,
    }
    bench.device.beat(500, 6000)
    found = await bench.sealed(exam)
    (attempt,) = found.attempts
    assert (attempt.duration_s, attempt.interrupted, attempt.missing_samples) == (10.0, False, 0)
    assert attempt.analysis is not None
    said = await bench.message(recording_id)
    assert (said.exam_id, said.attempt, said.operator) == (exam.exam_id, 1, "cunyi")
    assert (said.patient.name, said.complaint.symptoms) == ("张三", ("palpitation",))
    files = {file.name: file.data for file in said.recording.files}
    kept = record.read_files(files)
    assert np.array_equal(kept.counts, HEART[:, 500:5500])
    assert record.digest(files) == said.recording.sha256
    assert (said.recording.box_serial, said.recording.box_first_sample) == ("BOX-1", 500)
    assert said.recording.started_ns == kept.start_ns
    assert "张三".encode() not in b"".join(files.values())
    assert spool.leftovers(bench.spools) == []
    assert await bench.room.waveform(exam.exam_id, recording_id, "muscle") is not None
    await bench.until(lambda: bench.capture.state()["recording"] is None)
    again = await bench.capture.start(exam, "cunyi", None)  # 重新采集
    assert again != recording_id
    progress = bench.capture.state()["recording"]
    assert isinstance(progress, dict)
    assert progress["attempt"] == 2


async def test_a_clock_set_during_a_capture_changes_no_sample_and_says_what_corrects_it(bench: Bench) -> None:
    exam = await bench.exam()
    bench.device.say(INFO)
    bench.device.beat(0, 500)
    await bench.until(lambda: bench.capture.live.lead_quality)
    bench.clock.quality = "rtc"
    recording_id = await bench.capture.start(exam, "cunyi", None)
    started_ns, mono_ns = bench.clock.wall_ns(), bench.clock.mono_ns()
    bench.device.beat(500, 2500)
    await bench.until(lambda: bench.device.events.empty())
    bench.clock.advance(4)
    bench.clock.set_wall(86_400 * 10**9)
    bench.clock.quality = "hub"
    bench.device.beat(2500, 6000)
    await bench.sealed(exam)
    said = (await bench.message(recording_id)).recording
    kept = record.read_files({file.name: file.data for file in said.files})
    assert np.array_equal(kept.counts, HEART[:, 500:5500])
    assert (said.started_ns, said.started_quality) == (started_ns, "rtc")
    assert (said.started_boot, said.started_mono_ns) == (bench.clock.boot, mono_ns)


async def test_a_vanished_box_leaves_what_there_is(bench: Bench) -> None:
    exam = await bench.exam()
    bench.device.say(INFO)
    bench.device.beat(0, 600)
    await bench.until(lambda: bench.capture.live.lead_quality)
    recording_id = await bench.capture.start(exam, "cunyi", None)
    bench.device.beat(600, 2600)
    bench.device.say(Gone("unplugged"))
    found = await bench.sealed(exam)
    assert (found.attempts[0].interrupted, found.attempts[0].duration_s) == (True, 4.0)
    said = await bench.message(recording_id)
    assert said.recording.interrupted
    kept = record.read_files({file.name: file.data for file in said.recording.files})
    assert np.array_equal(kept.counts, HEART[:, 600:2600])
    assert (bench.box()["state"], bench.box()["detail"]) == ("gone", "unplugged")
    assert bench.capture.state()["heart_rate"] is None
    with pytest.raises(CaptureRefused) as refused:
        await bench.capture.start(exam, "cunyi", None)
    assert refused.value.code == "box_gone"


async def test_cancel_keeps_nothing_and_frees_the_box(bench: Bench) -> None:
    exam = await bench.exam()
    bench.device.say(INFO)
    bench.device.beat(0, 600)
    await bench.until(lambda: bench.capture.live.lead_quality)
    await bench.capture.start(exam, "cunyi", None)
    with pytest.raises(CaptureRefused) as refused:
        await bench.capture.start(exam, "cunyi", None)
    assert refused.value.code == "busy"
    bench.device.beat(600, 1200)
    await bench.until(lambda: spool.leftovers(bench.spools))
    assert not await bench.capture.cancel("another")
    assert await bench.capture.cancel(exam.exam_id)
    assert spool.leftovers(bench.spools) == []
    assert not await bench.capture.cancel(exam.exam_id)
    found = await bench.room.exam(exam.exam_id)
    assert found is not None
    assert found.attempts == ()
    assert (await bench.outbox.waiting()).total == 0
    await bench.capture.start(exam, "cunyi", None)


async def test_a_lead_off_asks_for_a_reason(bench: Bench) -> None:
    exam = await bench.exam()
    off = frozenset({"V2"})
    bench.device.say(INFO)
    bench.device.beat(0, 600, off)
    await bench.until(lambda: bench.capture.live.lead_quality)
    assert bench.box()["electrodes_off"] == ["V2"]
    with pytest.raises(CaptureRefused) as refused:
        await bench.capture.start(exam, "cunyi", None)
    assert (refused.value.code, refused.value.detail["leads"]) == ("lead_off", ["V2"])
    recording_id = await bench.capture.start(exam, "cunyi", "皮肤破损")
    bench.device.beat(600, 5700, off)
    await bench.sealed(exam)
    said = await bench.message(recording_id)
    assert said.lead_off_reason == "皮肤破损"
    assert said.analysis is not None
    assert said.analysis.lead_quality["V2"] == "lead_off"


@pytest.mark.parametrize(
    ("error", "state", "code", "detail"),
    [
        (WrongSerial("BOX-1", "BOX-2"), "wrong_serial", "wrong_serial", "BOX-1 ≠ BOX-2"),
        (WrongRate(1000, (250, 500)), "wrong_rate", "wrong_rate", "1000 Hz ≠ 250 Hz / 500 Hz"),
        (DriverError("cannot be opened"), "gone", "box_gone", "cannot be opened"),
        (ZeroDivisionError(), "faulted", "box_gone", "the driver failed (ZeroDivisionError)"),
    ],
)
async def test_a_box_that_cannot_be_used(
    bench: Bench, error: Exception, state: str, code: str, detail: str
) -> None:
    exam = await bench.exam()
    bench.device.say(error)
    await bench.until(lambda: bench.box()["state"] == state)
    assert bench.box()["detail"] == detail
    with pytest.raises(CaptureRefused) as refused:
        await bench.capture.start(exam, "cunyi", None)
    assert refused.value.code == code


async def test_garbage_is_counted_and_shown(bench: Bench) -> None:
    exam = await bench.exam()
    bench.device.say(INFO)
    bench.device.beat(0, 100)
    bench.device.say(*[BadFrame("bad checksum")] * 7)
    await bench.until(lambda: bench.box()["bad_frames"] == 7)
    assert bench.box()["state"] == "streaming"
    bench.clock.advance(2)
    assert bench.box()["state"] == "faulted"
    assert "bad checksum" in bench.box()["detail"]
    assert bench.capture.boxes()[0].bad_frames == 7
    with pytest.raises(CaptureRefused) as refused:
        await bench.capture.start(exam, "cunyi", None)
    assert (refused.value.code, refused.value.detail) == ("box_gone", {"state": "faulted"})
    bench.device.beat(100, 200)
    await bench.until(lambda: bench.box()["state"] == "streaming")
    bench.device.say(BadFrame("noise"), Gone("no samples for 3 s"))
    await bench.until(lambda: bench.box()["state"] == "faulted")
    assert bench.box()["bad_frames"] == 8


async def leave_a_spool(bench: Bench, exam: Exam, samples: int) -> str:
    """As a killed agent leaves it."""
    recording_id = room.new_id()
    attempt = await bench.room.begin_attempt(exam.exam_id, recording_id, 5)
    visit = bench.room.seal(sealing.pack_visit(exam), recording_id).hex()
    facts = (recording_id, exam.exam_id, attempt, "cunyi", None, 5 * 10**18 // 3, 10, RATE)
    meta = spool.Meta(*facts, BOX_LEADS, 1.0, "BOX-1", 0, visit)
    with spool.Spool(bench.spools / recording_id, meta) as opened:
        opened.write(HEART[:, :samples])
    return recording_id


@pytest.mark.parametrize(("samples", "interrupted"), [(5000, False), (1700, True), (1, True)])
async def test_what_a_killed_agent_left_is_sent_once(bench: Bench, samples: int, interrupted: bool) -> None:
    exam = await bench.exam()
    recording_id = await leave_a_spool(bench, exam, samples)
    assert await bench.sealer.take_leftovers() == 1
    await bench.sealed(exam)
    said = await bench.message(recording_id)
    assert said.recording.interrupted is interrupted
    kept = record.read_files({file.name: file.data for file in said.recording.files})
    assert np.array_equal(kept.counts, HEART[:, :samples])
    await bench.until(lambda: not spool.leftovers(bench.spools))


async def test_killed_between_append_and_removal(bench: Bench) -> None:
    exam = await bench.exam()
    recording_id = await leave_a_spool(bench, exam, 5000)
    await bench.sealer.seal(bench.spools / recording_id)
    before = [row.mid for row in await bench.outbox.rows()]
    await bench.room.discard_unfinished(frozenset())
    meta = spool.Meta(recording_id, exam.exam_id, 1, "c", None, 5, 10, RATE, BOX_LEADS, 1.0, "B", 0, "")
    spool.Spool(bench.spools / recording_id, meta).close()
    assert await bench.sealer.take_leftovers() == 1
    await bench.until(lambda: not spool.leftovers(bench.spools))
    assert [row.mid for row in await bench.outbox.rows()] == before
    found = await bench.room.exam(exam.exam_id)
    assert found is not None
    assert len(found.attempts) == 1


async def test_a_lost_room_is_rebuilt_from_the_spool(bench: Bench) -> None:
    stranger = Exam("e77", Patient(patient_id="p77", temporary=True), Complaint(note="倒地"), 5)
    await bench.room.keep_visit(stranger)
    recording_id = await leave_a_spool(bench, stranger, 5000)
    store = bench.room._store
    await store.run(lambda db: [db.execute(f"DELETE FROM {t}") for t in ("attempt", "exam", "patient")])
    bench.room._patients.clear()
    await bench.sealer.take_leftovers()
    found = await bench.sealed(stranger)
    assert (found.complaint.note, found.attempts[0].recording_id) == ("倒地", recording_id)


async def test_damaged_spools_are_set_aside_and_empty_ones_forgotten(bench: Bench) -> None:
    exam = await bench.exam()
    damaged = await leave_a_spool(bench, exam, 100)
    (bench.spools / damaged / spool.META).write_bytes(b"{")
    await leave_a_spool(bench, exam, 0)
    (bench.spools / "shell").mkdir()
    good = await leave_a_spool(bench, exam, 5000)
    await bench.sealer.take_leftovers()
    await bench.sealed(exam)
    await bench.until(lambda: not spool.leftovers(bench.spools))
    assert bench.sealer.quarantined == 1
    assert (bench.spools.parent / "quarantine" / f"spool-{damaged}" / spool.SAMPLES).exists()
    assert [row.ref for row in await bench.outbox.rows()] == [good]


async def test_a_seal_that_fails_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    exam = await bench.exam()
    await leave_a_spool(bench, exam, 5000)
    monkeypatch.setattr(sealing, "TRY_AGAIN_S", 0.05)
    real, failures = Analyser.seal, [SealFailed("no space"), OSError("no space")]

    async def fails_twice(self: Analyser, job: Any) -> Any:
        if failures:
            raise failures.pop()
        return await real(self, job)

    monkeypatch.setattr(Analyser, "seal", fails_twice)
    await bench.sealer.take_leftovers()
    assert (await bench.sealed(exam)).attempts[0].duration_s == 10.0


@pytest.mark.parametrize(
    ("level", "temporary", "symptoms", "lane"),
    [
        (0, False, (), "urgent"),
        (3, True, (), "urgent"),
        (1, False, (), "prompt"),
        (None, False, ("chest_pain",), "prompt"),
        (3, False, ("check_up",), "clinical"),
        (None, False, (), "clinical"),
    ],
)
def test_lanes(level: Any, temporary: bool, symptoms: tuple[str, ...], lane: str) -> None:
    closed = RecordingClosed.model_construct(
        patient=Patient(patient_id="p", name="n", no_id_reason="r", temporary=temporary),
        complaint=Complaint(symptoms=symptoms),
        recording=Recording.model_construct(),
        analysis=Analysis(version="1", level=level),
    )
    assert lane_of(closed) == lane
    if level is None:
        assert lane_of(closed.model_copy(update={"analysis": None})) == lane
