"""From the driver's events to a sealed recording: the box's state, the live picture, the spool.

The recorder says what is to be done; this file does it. Bytes that were taken reach the disk before
anything else happens to them; sealing is the sealer's (sealing.py), pictures are live.py's.
"""

import asyncio
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ecg import leads
from edge_agent import drivers, recorder
from edge_agent.analysis import Analyser
from edge_agent.capture import sealing, spool
from edge_agent.capture.live import LivePicture, Publish
from edge_agent.clock import Clock
from edge_agent.drivers.base import Driver
from edge_agent.drivers.events import BadFrame, Battery, BoxInfo, Event, Gone, Samples
from edge_agent.errors import DriverError, WrongRate, WrongSerial
from edge_agent.recorder import CaptureRefused
from edge_agent.room import Exam, Room, new_id
from edge_agent.store import Bell
from protocols.messages import BoxState
from protocols.station import BoxSettings

log = logging.getLogger(__name__)

BoxWord = Literal["connecting", "streaming", "wrong_serial", "wrong_rate", "gone", "faulted"]

SYNC_EVERY_S = 1.0
DISK_LOW_BYTES = 500 * 1024 * 1024
"""Below this the page says so."""
DISK_FULL_BYTES = 100 * 1024 * 1024
"""Below this nothing new is recorded: what is being sealed and sent needs it."""
LOOK_AT_DISK_EVERY_S = 10.0
SILENT_S = 1.5
"""Streaming, but no sound sample for so long: faulted, before the driver gives the connection up."""


@dataclass(frozen=True, slots=True)
class Box:
    """The ECG box as the station sees it."""

    name: str
    state: BoxWord
    detail: str = ""
    serial: str = ""
    rate_hz: int = 0
    battery_percent: int | None = None
    bad_frames: int = 0


class Capture:
    """The recording side of one station with one ECG box."""

    def __init__(
        self,
        data_dir: Path,
        box: BoxSettings | None,
        clock: Clock,
        room: Room,
        sealer: sealing.Sealer,
        analyser: Analyser,
        publish: Publish | None = None,
    ) -> None:
        self.live = LivePicture(publish)
        self.changed = Bell()
        """Rings when the box's state or the recording changes."""
        self._data_dir = data_dir
        self._root = data_dir / "spool"
        self._clock = clock
        self._room = room
        self._sealer = sealer
        self._analyser = analyser
        self._settings = box
        self._box = None if box is None else Box(box.driver, "connecting", box.address)
        self._info: BoxInfo | None = None
        self._samples_at_ns = 0
        self._bad_reason = ""
        self._bad_since_samples = 0
        self._recording: recorder.State = recorder.Idle()
        self._starting = False
        self._spool: spool.Spool | None = None
        self._wanted: tuple[Exam, str, str | None] | None = None
        self._free_bytes = 0
        self._looked_at_disk_ns: int | None = None

    # --- what the page and the heartbeat are told

    def boxes(self) -> tuple[BoxState, ...]:
        """For the station's status."""
        box = self._box_now()
        if box is None:
            return ()
        return (
            BoxState(
                name=box.name,
                state=box.state,
                detail=box.detail,
                serial=box.serial,
                battery_percent=box.battery_percent,
                bad_frames=box.bad_frames,
            ),
        )

    def state(self) -> dict[str, object]:
        """For the page: box, heart_rate, lead_quality, recording, disk."""
        box = self._box_now()
        free = self._disk_free()
        return {
            "box": None
            if box is None
            else {
                "name": box.name,
                "state": box.state,
                "detail": box.detail,
                "serial": box.serial,
                "rate_hz": box.rate_hz,
                "battery_percent": box.battery_percent,
                "electrodes_off": sorted(self.live.electrodes_off),
                "bad_frames": box.bad_frames,
            },
            "heart_rate": self.live.heart_rate,
            "lead_quality": self.live.lead_quality,
            "recording": self._progress(),
            "disk": {"free_bytes": free, "low": free < DISK_LOW_BYTES},
        }

    def _progress(self) -> dict[str, object] | None:
        match self._recording:
            case recorder.Armed(start):
                elapsed_s = 0.0
            case recorder.Recording(start) as now:
                elapsed_s = now.written / now.rate_hz
            case _:
                return None
        return {
            "exam_id": start.exam_id,
            "recording_id": start.recording_id,
            "attempt": start.attempt,
            "elapsed_s": round(elapsed_s, 1),
            "planned_s": start.planned_s,
        }

    def _box_now(self) -> Box | None:
        box = self._box
        if box is not None and box.state == "streaming" and self._bad_since_samples:
            silent_s = (self._clock.mono_ns() - self._samples_at_ns) / 1e9
            if silent_s > SILENT_S:
                return replace(box, state="faulted", detail=f"garbage on the line: {self._bad_reason}")
        return box

    def _disk_free(self) -> int:
        now_ns = self._clock.mono_ns()
        if self._looked_at_disk_ns is None or now_ns - self._looked_at_disk_ns > LOOK_AT_DISK_EVERY_S * 1e9:
            self._looked_at_disk_ns = now_ns
            self._free_bytes = shutil.disk_usage(self._data_dir).free
        return self._free_bytes

    # --- what the doctor does

    async def start(self, exam: Exam, operator: str, lead_off_reason: str | None) -> str:
        """Begin an attempt; its recording id. Raises CaptureRefused with the reason as a code."""
        self._refuse_if_not_ready(lead_off_reason)
        recording_id = new_id()
        self._starting = True  # the disk gives the number; meanwhile nobody else may start
        try:
            attempt = await self._room.begin_attempt(exam.exam_id, recording_id, self._clock.wall_ns())
        finally:
            self._starting = False
        try:
            self._refuse_if_not_ready(lead_off_reason)
        except CaptureRefused:  # the box went in that moment
            await self._room.discard_attempt(recording_id)
            raise
        self._wanted = (exam, operator, lead_off_reason)
        await self._step(recorder.Start(recording_id, exam.exam_id, attempt))
        self.changed.ring()
        return recording_id

    async def cancel(self, exam_id: str) -> bool:
        """Take back the attempt being recorded for this exam; False if there is none."""
        progress = self._progress()
        if progress is None or progress["exam_id"] != exam_id:
            return False
        await self._step(recorder.Cancel())
        self.changed.ring()
        return True

    def _refuse_if_not_ready(self, lead_off_reason: str | None) -> None:
        box = self._box_now()
        if self._starting or not isinstance(self._recording, recorder.Idle):
            raise CaptureRefused("busy", "an attempt is being recorded or sealed")
        if box is None:
            raise CaptureRefused("box_gone", "this station has no ECG box in its settings")
        if box.state in ("wrong_serial", "wrong_rate"):
            raise CaptureRefused(box.state, box.detail)
        if box.state != "streaming" or self._info is None or not self._samples_at_ns:
            raise CaptureRefused("box_gone", box.detail or box.state, {"state": box.state})
        if self._disk_free() < DISK_FULL_BYTES:
            raise CaptureRefused("disk_full", "the disk is full", {"free_bytes": self._free_bytes})
        off = leads.leads_off(self.live.electrodes_off)
        if off and not lead_off_reason:
            names = [name for name in leads.LEADS if name in off]
            detail: dict[str, object] = {"leads": names, "electrodes": sorted(self.live.electrodes_off)}
            raise CaptureRefused("lead_off", "leads without contact: " + ", ".join(names), detail)

    # --- what the box does

    async def run_box(self, open_driver: Callable[[BoxSettings], Driver] | None = None) -> None:
        """One connection to the box, from opening to its end. Raises DriverError; keep_alive tries again."""
        settings = self._settings
        assert settings is not None
        opened = drivers.load(settings.driver) if open_driver is None else open_driver
        try:
            async with opened(settings) as driver:
                async for event in driver:
                    await self._take(event)
        except WrongSerial as error:
            # Shown to people of two languages: figures, no sentence.
            await self._lose("wrong_serial", f"{error.expected} ≠ {error.found}", serial=error.found)
            raise
        except WrongRate as error:
            offered = " / ".join(f"{rate} Hz" for rate in error.offered)
            await self._lose("wrong_rate", f"{error.wanted} Hz ≠ {offered}")
            raise
        except DriverError as error:
            await self._lose("gone", str(error))
            raise
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            await self._lose("faulted", f"the driver failed ({type(error).__name__})")
            raise

    async def _take(self, event: Event) -> None:
        assert self._box is not None
        match event:
            case Samples():
                self._samples_at_ns = self._clock.mono_ns()
                self._bad_since_samples = 0
                await self._record(event)
                self.live.feed(event)
            case BoxInfo(serial=serial, rate_hz=rate_hz):
                self._info = event
                self._samples_at_ns = 0
                self._change(replace(self._box, state="streaming", detail="", serial=serial, rate_hz=rate_hz))
            case Battery(percent=percent):
                if percent != self._box.battery_percent:
                    self._change(replace(self._box, battery_percent=percent))
            case BadFrame(reason=reason):
                self._bad_reason = reason
                self._bad_since_samples += 1
                self._change(replace(self._box, bad_frames=self._box.bad_frames + 1))
            case Gone(reason=reason):
                if self._bad_since_samples:
                    await self._lose("faulted", f"garbage on the line: {self._bad_reason}; {reason}")
                else:
                    await self._lose("gone", reason)

    async def _record(self, samples: Samples) -> None:
        try:
            await self._step(samples)
        except OSError as error:
            log.error("the capture cannot be written: %s", error.strerror)  # noqa: TRY400
            await self._step(recorder.Lost("the disk cannot be written"))

    async def _lose(self, state: BoxWord, detail: str, serial: str | None = None) -> None:
        assert self._box is not None
        if (self._box.state, self._box.detail) != (state, detail):
            log.warning("box %s: %s (%s)", self._box.name, state, detail)
        self._info = None
        self._samples_at_ns = 0
        self._bad_since_samples = 0
        self.live.clear()
        self._change(
            replace(
                self._box,
                state=state,
                detail=detail,
                serial=self._box.serial if serial is None else serial,
                battery_percent=None,
            )
        )
        await self._step(recorder.Lost(detail))

    def _change(self, box: Box) -> None:
        if self._box is not None and self._box.state != box.state and box.state == "streaming":
            log.info("box %s: streaming", box.name)
        self._box = box
        self.changed.ring()

    # --- what the recorder says

    async def _step(self, event: recorder.Event) -> None:
        self._recording, actions = recorder.step(self._recording, event)
        for action in actions:
            await self._do(action)

    async def _do(self, action: recorder.Action) -> None:
        match action:
            case recorder.Open():
                self._open(action)
            case recorder.Write(counts):
                assert self._spool is not None
                self._spool.write(counts)
            case recorder.NoteElectrodes(sample, off):
                assert self._spool is not None
                self._spool.note_electrodes(sample, off)
            case recorder.Close(recording_id, interrupted, reason):
                if self._spool is None:  # it could not even be opened: nothing was kept
                    await self._room.discard_attempt(recording_id)
                    self._sealed(recording_id)
                    return
                if interrupted:
                    log.warning("recording %s is cut short: %s", recording_id, reason)
                full, self._spool = self._spool, None
                try:
                    await asyncio.to_thread(full.sync)
                except OSError as error:
                    log.error("recording %s may not be on the disk: %s", recording_id, error.strerror)  # noqa: TRY400
                full.close()
                self._sealer.hand_in(full.folder, self._sealed)
                self.changed.ring()
            case recorder.Discard(recording_id):
                unwanted, self._spool = self._spool, None
                if unwanted is not None:
                    unwanted.close()
                    spool.remove(unwanted.folder)
                await self._room.discard_attempt(recording_id)
                self.changed.ring()

    def _open(self, action: recorder.Open) -> None:
        assert self._wanted is not None
        assert self._info is not None
        exam, operator, lead_off_reason = self._wanted
        start = action.start
        visit = self._room.seal(sealing.pack_visit(exam), start.recording_id)
        self._spool = spool.Spool(
            self._root / start.recording_id,
            spool.Meta(
                recording_id=start.recording_id,
                exam_id=start.exam_id,
                attempt=start.attempt,
                operator=operator,
                lead_off_reason=lead_off_reason,
                started_ns=self._clock.wall_ns(),
                planned_s=start.planned_s,
                rate_hz=action.rate_hz,
                leads=action.leads,
                uv_per_count=action.uv_per_count,
                box_serial=self._info.serial,
                box_first_sample=action.first_sample,
                visit=visit.hex(),
                started_quality=self._clock.quality,
                started_boot=self._clock.boot,
                started_mono_ns=self._clock.mono_ns(),
            ),
        )
        self.changed.ring()

    def _sealed(self, recording_id: str) -> None:
        self._recording, _ = recorder.step(self._recording, recorder.Sealed(recording_id))
        self.changed.ring()

    async def run_spool(self) -> None:
        """While a capture runs: warm the analysis, put its samples on the disk each second. For ever."""
        seen = -1
        while True:
            seen = await self.changed.wait(seen, None if self._spool is None else SYNC_EVERY_S)
            if self._progress() is not None:
                await self._analyser.warm()
            if self._spool is not None:
                await asyncio.to_thread(self._spool.sync)
