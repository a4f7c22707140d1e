"""Seal, measure, triage: a process of its own, so that scipy and wfdb never weigh on the recording.

`python -m edge_agent.analysis` reads one JSON line per job on stdin and answers with one on stdout; it is
started when a capture begins (its imports are done by the capture's end) and leaves after two idle minutes.
`Analyser` is the agent's side of that pipe. Nothing that names a person passes through it: limits and triage
ask for sex, age, complaint and history.

A failing analysis never holds up the record: a job whose arithmetic fails is answered with the sealed files
and the reason; a process that dies or hangs is tried once more with the sealing alone.
"""

import asyncio
import contextlib
import importlib
import json
import logging
import math
import os
import select
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from edge_agent.errors import EdgeError

if TYPE_CHECKING:
    from ecg.record import Recording
    from ecg.study import Finding

log = logging.getLogger(__name__)

IDLE_S = 120.0
"""A process that was asked nothing for so long leaves."""
JOB_TIMEOUT_S = 60.0
BANDS = ("diagnostic", "muscle")
"""The pictures made of each record (bands of ecg.filters)."""
_LINE_BYTES = 1 << 20
WARM = (
    "scipy.signal",
    "wfdb",
    "ecg.electrodes",
    "ecg.rules.morphology",
    "ecg.rules.rhythm",
    "ecg.rules.triage",
)
"""Loaded while the capture still runs."""


class SealFailed(EdgeError):  # noqa: N818 - reads as the fact it states
    """The record could not be written. The spool is kept and tried again."""


@dataclass(frozen=True, slots=True)
class Job:
    """One spool to seal."""

    name: str
    """The recording's id, also the WFDB record's name."""
    samples: str
    """Path of the spooled samples: little-endian int32, sample by sample."""
    folder: str
    """Where a folder for the results is made."""
    n: int
    rate_hz: int
    leads: tuple[str, ...]
    uv_per_count: float
    start_ns: int
    comments: tuple[str, ...] = ()
    """`name=value` lines for the header: which box, which sample; nothing about the patient."""
    electrodes_off: tuple[str, ...] = ()
    sex: str | None = None
    age_years: int | None = None
    symptoms: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    analyse: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a job."""

    files: tuple[Path, ...]
    """The WFDB record, header first."""
    sha256: bytes
    missing_samples: int
    blocks: dict[str, Path]
    """Band → protocols.live block of twelve leads."""
    analysis: dict[str, Any] | None
    """Fields of protocols.messages.Analysis."""
    error: str | None
    """Why there is no analysis."""


class Analyser:
    """The agent's side: at most one process, started when wanted. `async with` ends it."""

    def __init__(self, *, timeout_s: float = JOB_TIMEOUT_S, command: Sequence[str] | None = None) -> None:
        self._timeout_s = timeout_s
        self._command = tuple(command or (sys.executable, "-m", "edge_agent.analysis"))
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def warm(self) -> None:
        """Have a process ready, its imports under way."""
        if self._turn.locked():  # at work, so it is there
            return
        async with self._turn:
            await self._running()

    async def seal(self, job: Job) -> Answer:
        """Do the job; with the arithmetic if that is possible. Raises SealFailed."""
        async with self._turn:
            try:
                return await self._ask(job)
            except SealFailed as first:
                if not job.analyse:
                    raise
                log.warning("analysis failed (%s), sealing without it", first)
                answer = await self._ask(replace(job, analyse=False))
                return Answer(
                    answer.files, answer.sha256, answer.missing_samples, answer.blocks, None, str(first)
                )

    async def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LINE_BYTES,
            )
        return self._process

    async def _ask(self, job: Job) -> Answer:
        line = json.dumps(asdict(job)).encode() + b"\n"
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await self._exchange(line)
        except TimeoutError:
            await self._end()
            raise SealFailed(f"the analysis process gave no answer in {self._timeout_s:g} s") from None
        except (OSError, ValueError) as error:  # ValueError: a line longer than the limit
            await self._end()
            raise SealFailed(f"the analysis process cannot be used: {type(error).__name__}") from error
        try:
            said = json.loads(reply)
        except ValueError:
            code = await self._end()
            raise SealFailed(f"the analysis process ended (status {code})") from None
        if "failed" in said:
            raise SealFailed(str(said["failed"]))
        return Answer(
            files=tuple(Path(path) for path in said["files"]),
            sha256=bytes.fromhex(said["sha256"]),
            missing_samples=said["missing_samples"],
            blocks={band: Path(path) for band, path in said["blocks"].items()},
            analysis=said["analysis"],
            error=said["error"],
        )

    async def _exchange(self, line: bytes) -> bytes:
        while True:
            before = self._process
            process = await self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            reply = b""
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                process.stdin.write(line)
                await process.stdin.drain()
                reply = await process.stdout.readline()
            # An old process may have left, idle, in the moment it was asked; a fresh one has not.
            if reply or process is not before:
                return reply
            await self._end()

    async def _end(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        return await process.wait()


def work(job: Job) -> dict[str, Any]:
    """Seal one spool and, if asked, measure it; the answer as JSON. Loads wfdb and scipy.

    Raises ecg.record.RecordError or OSError if the record cannot be written; arithmetic that fails is told
    in "error".
    """
    import numpy as np

    from ecg import record
    from ecg.record import Recording

    raw = np.fromfile(job.samples, dtype="<i4", count=job.n * len(job.leads)).reshape(-1, len(job.leads))
    recording = Recording(
        name=job.name,
        rate_hz=job.rate_hz,
        leads=job.leads,
        counts=np.ascontiguousarray(raw.T.astype(np.int32, copy=False)),
        uv_per_count=(job.uv_per_count,) * len(job.leads),
        start_ns=job.start_ns,
        comments=job.comments,
    )
    out = Path(tempfile.mkdtemp(prefix="out-", dir=job.folder))
    files = record.write(recording, out)
    analysis, blocks, error = None, {}, None
    if job.analyse:
        try:
            blocks = _pictures(recording, out)
            analysis = _analyse(recording, job)
        except (ValueError, ArithmeticError, LookupError, TypeError, RuntimeError) as failure:
            error = f"{type(failure).__name__} in the analysis"
            log.exception("analysis of %s failed", job.name)
    return {
        "files": [str(path) for path in files],
        "sha256": record.digest(record.contents(files)).hex(),
        "missing_samples": int(recording.missing.all(axis=0).sum()),
        "blocks": {band: str(path) for band, path in blocks.items()},
        "analysis": analysis,
        "error": error,
    }


def _pictures(recording: "Recording", out: Path) -> dict[str, Path]:
    from ecg import filters, leads
    from protocols import live

    twelve = leads.derive(recording.microvolts(), recording.leads)
    paths: dict[str, Path] = {}
    for name in BANDS:
        band = filters.BANDS[name]
        shown = filters.stored(twelve, recording.rate_hz, band.highpass_hz, band.lowpass_hz, band.notch_hz)
        block = live.Block(leads.LEADS, round(recording.rate_hz), 1.0, 0, live.to_counts(shown))
        paths[name] = out / f"{name}.mtb"
        paths[name].write_bytes(live.pack(block))
    return paths


def _analyse(recording: "Recording", job: Job) -> dict[str, Any]:
    from ecg import electrodes, leads
    from ecg.rules import morphology, rhythm, triage
    from ecg.study import Person, study
    from ecg.version import VERSION

    twelve = leads.derive(recording.microvolts(), recording.leads)
    sexes: dict[str | None, Literal["male", "female"]] = {"male": "male", "female": "female"}
    person = Person(sexes.get(job.sex), job.age_years)
    seen = study(twelve, recording.rate_hz, job.electrodes_off, person)
    found = rhythm.statements(seen, person)
    swapped = electrodes.reversals(twelve, recording.rate_hz, leads.LEADS, seen.quality.usable)
    found += morphology.statements(seen, person, found, electrodes.disturbed(swapped.found))
    verdict = triage.judge(seen, found, person, job.symptoms, history=job.history)
    levels = {reason.finding.code: reason.level for reason in reversed(verdict.reasons)}
    said = {finding.code for finding in found}
    found += [reason.finding for reason in verdict.reasons if reason.finding.code not in said]
    return {
        "version": VERSION,
        "measurements": seen.measurements,
        "statements": [_statement(finding, levels.get(finding.code)) for finding in found],
        "quality": seen.quality.verdict,
        "quality_reasons": list(seen.quality.reasons),
        "lead_quality": dict(seen.quality.per_lead),
        "level": verdict.level,
        "escalated_by": list(verdict.escalated_by),
        "wants_longer": verdict.wants_longer,
        "profile": verdict.profile,
        "swaps": list(swapped.found),
        "swaps_not_excluded": list(swapped.not_excludable) if swapped.judged else [],
    }


def _statement(finding: "Finding", level: int | None) -> dict[str, Any]:
    numbers = {name: float(value) for name, value in finding.numbers.items() if math.isfinite(value)}
    words = [finding.rule, *finding.leads, *(f"{name} {value:g}" for name, value in numbers.items())]
    return {
        "code": finding.code,
        "evidence": " · ".join(words)[:500],
        "rule": finding.rule,
        "leads": list(finding.leads),
        "numbers": numbers,
        "start": None if finding.start is None else int(finding.start),
        "end": None if finding.end is None else int(finding.end),
        "level": level,
    }


def serve(idle_s: float = IDLE_S) -> None:
    """Answer jobs until stdin ends or nothing was asked for `idle_s`."""
    for name in WARM:
        importlib.import_module(name)
    source = sys.stdin.fileno()
    waiting = b""
    while True:
        ready, _, _ = select.select([source], [], [], idle_s)
        read = os.read(source, 1 << 16) if ready else b""
        if not read:
            return
        *lines, waiting = (waiting + read).split(b"\n")
        for line in lines:
            sys.stdout.write(json.dumps(_answer(line)) + "\n")
            sys.stdout.flush()


def _answer(line: bytes) -> dict[str, Any]:
    from ecg.record import RecordError

    fields = json.loads(line)
    for name in ("leads", "comments", "electrodes_off", "symptoms", "history"):
        fields[name] = tuple(fields[name])
    job = Job(**fields)
    try:
        return work(job)
    except (RecordError, OSError) as error:
        log.exception("record %s cannot be written", job.name)
        return {"failed": f"{type(error).__name__}: the record cannot be written"}


if __name__ == "__main__":
    from edge_agent.log import configure

    os.nice(5)  # the recording comes first
    configure()
    serve()
