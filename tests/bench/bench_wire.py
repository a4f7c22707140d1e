"""Bytes on the wire of every real twelve-lead record: sealed, appended and framed as a station does it.

The first ten seconds at 500 Hz and 1 µV a count, the eight leads a box samples, with the analysis. Counted
are the MQTT payloads of all parts; each message is put together again and its samples must be the ones that
went in. LUDB is taken in its counts (see bench_statements).
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cbor2
import numpy as np
from bench.figures import say
from numpy.typing import NDArray

from fakes import FakeClock

if TYPE_CHECKING:
    from edge_agent.outbox import Outbox
    from edge_agent.room import Room

SETS = ("ludb", "cinc12", "ptbdb")
RATE_HZ = 500
SECONDS = 10
MOST_BYTES = 32 * 1024
KEY = bytes(32)


class Sent(NamedTuple):
    """What one record's message is made of, bytes."""

    record: str
    wire: int
    """All MQTT payloads."""
    signal: int
    header: int
    """The WFDB header."""
    analysis: int
    other: int
    """The rest of the body: who, why, how it was taken."""
    envelope: int
    parts: int
    uncompressed: int
    """The samples at 16 bits each."""


def records(folder: Path) -> Iterator[tuple[str, NDArray[np.int32]]]:
    """(name, (8, n) counts) of every twelve-lead record."""
    from ecg import record
    from ecg.leads import BOX_LEADS
    from edge_agent.simulator.scenarios import from_record

    for archive in sorted(path for name in SETS for path in (folder / name).glob("*.tar.xz")):
        name = f"{archive.parent.name}/{archive.name.split('.')[0]}"
        if archive.parent.name != "ludb":
            strip, _ = from_record(archive, RATE_HZ, 1.0)
            yield name, strip.counts[:, : SECONDS * RATE_HZ]
            continue
        with tempfile.TemporaryDirectory() as scratch, record.wfdb_library() as wfdb:
            record.unpack(archive, Path(scratch))
            read = wfdb.rdrecord(str(next(Path(scratch).rglob("*.hea")).with_suffix("")), physical=False)
        rows = [read.sig_name.index(lead.lower()) for lead in BOX_LEADS]
        assert read.fs == RATE_HZ, name
        yield name, read.d_signal.T[rows, : SECONDS * RATE_HZ].astype(np.int32)


async def send(folder: Path) -> list[Sent]:
    """Every record through spool, seal, outbox and frames."""
    from edge_agent import outbox, room
    from edge_agent.analysis import Analyser
    from edge_agent.capture.sealing import Sealer
    from edge_agent.store import Store
    from protocols.messages import Complaint
    from protocols.patient import Patient

    sent = []
    with tempfile.TemporaryDirectory() as scratch:
        root, clock = Path(scratch), FakeClock()
        async with (
            Store.open(root / room.FILE_NAME, KEY, room.MIGRATIONS) as room_store,
            Store.open(root / outbox.FILE_NAME, KEY, outbox.MIGRATIONS) as outbox_store,
            Analyser() as analyser,
        ):
            desk = await room.open_room(room_store)
            owed = outbox.Outbox(outbox_store, clock, "MT-0001")
            sealer = Sealer(root / "spool", clock, desk, owed, analyser)
            patient = Patient(
                patient_id=room.new_id(),
                name="欧阳建国",
                sex="male",
                birth_date="1949-12-31",
                id_type="resident_id",
                id_number="11010519491231002X",  # the example in GB 11643-1999
                phone="13812345678",
            )
            await desk.register(patient)
            complaint = Complaint(symptoms=("chest_pain", "palpitations"), present=True, note="活动后加重")
            for name, counts in records(folder):
                exam = await desk.new_exam(patient, complaint, clock.wall_ns())
                spool_folder = await captured(desk, exam.exam_id, root / "spool", counts, clock.wall_ns())
                await sealer.seal(spool_folder)
                sent.append(await taken_off(owed, name, counts))
    return sent


async def captured(desk: "Room", exam_id: str, root: Path, counts: NDArray[np.int32], now_ns: int) -> Path:
    """A spool that holds these samples."""
    from ecg.leads import BOX_LEADS
    from edge_agent.capture.spool import Meta, Spool
    from edge_agent.room import new_id

    recording_id = new_id()
    attempt = await desk.begin_attempt(exam_id, recording_id, now_ns)
    meta = Meta(
        recording_id=recording_id,
        exam_id=exam_id,
        attempt=attempt,
        operator="cunyi1",
        lead_off_reason=None,
        started_ns=now_ns,
        planned_s=SECONDS,
        rate_hz=RATE_HZ,
        leads=BOX_LEADS,
        uv_per_count=1.0,
        box_serial="BOX-0001",
        box_first_sample=123_456_789,
        visit="",
    )
    with Spool(root / recording_id, meta) as spool:
        spool.write(counts)
    return root / recording_id


async def taken_off(owed: "Outbox", name: str, counts: NDArray[np.int32]) -> Sent:
    """The frames of the one message owed, read back; then the hub's yes."""
    from ecg import record
    from protocols import parts
    from protocols.envelope import decode, decode_body
    from protocols.messages import ReceiptItem, RecordingClosed

    row = await owed.next_to_send()
    wires = [wire for _, wire in await owed.frames(row)]
    frames = [decode(wire) for wire in wires]
    body = parts.join({f.k: f.body for f in frames}, frames[0].n, frames[0].header.sha256)
    message = decode_body(row.type, body)
    assert isinstance(message, RecordingClosed)
    assert message.analysis is not None, f"{name}: {message.analysis_error}"
    files = {file.name: file.data for file in message.recording.files}
    assert record.digest(files) == message.recording.sha256, name
    assert np.array_equal(record.read_files(files).counts, counts), f"{name}: the samples are others"
    await owed.apply_receipt(ReceiptItem(mid=row.mid, st="committed", h8=row.sha256[:8]))
    header = sum(len(data) for file, data in files.items() if file.endswith(".hea"))
    signal = sum(map(len, files.values())) - header
    analysis = len(cbor2.dumps(cbor2.loads(body)["analysis"], canonical=True))
    wire = sum(map(len, wires))
    return Sent(
        name,
        wire,
        signal,
        header,
        analysis,
        len(body) - signal - header - analysis,
        wire - len(body),
        len(wires),
        2 * counts.size,
    )


def main() -> None:
    what = "bytes on the wire of a 10 s twelve-lead ECG, 500 Hz, 1 µV a count"
    reach = f"≤ {MOST_BYTES} each, lossless"
    if not os.environ.get("MAITONG_ECG_DATA"):
        say(what, reach, left_out="MAITONG_ECG_DATA names no folder of records")
        return
    begun = time.perf_counter()
    sent = asyncio.run(send(Path(os.environ["MAITONG_ECG_DATA"])))
    largest = max(sent, key=lambda s: s.wire)
    sizes = np.array([s.wire for s in sent])
    median = {
        part: int(np.median([getattr(s, part) for s in sent]))
        for part in Sent._fields
        if part not in ("record", "wire", "parts", "uncompressed")
    }
    say(
        what,
        reach,
        records=len(sent),
        median=int(np.median(sizes)),
        p95=int(np.percentile(sizes, 95)),
        max=largest.wire,
        largest=largest._asdict(),
        over={s.record: s._asdict() for s in sent if s.wire > MOST_BYTES},
        median_of_each_part=median,
        share_of_16_bit=round(float(np.median([s.wire / s.uncompressed for s in sent])), 3),
        seconds=round(time.perf_counter() - begun, 1),
    )
