"""Stations without a box, as a process: the agent's own files, outbox, inbox and uplink, driven by lines.

    python -m tests.faults.light_station SETTINGS…

Each line on stdin is a JSON map with `ask` (a number), `do` and `station`; each answer on stdout repeats
`ask`. The answer to `append` is written when the agent's `append` has returned, and not before. Ends with
its stdin.
"""

import asyncio
import hashlib
import json
import random
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from edge_agent import app, config, log
from edge_agent.clock import Clock
from protocols.messages import Complaint, RecordFile, Recording, RecordingClosed
from protocols.patient import Patient

LINE_BYTES = 1 << 20
STARTED_NS = 1_777_788_000_000_000_000


def recording_closed(ref: str, size: int, *, poison: bool) -> RecordingClosed:
    """A recording whose bytes all follow from its `ref`, so that saying it again says the same.

    The signal is noise: the hub stores it and does not decode it. With `poison` the seal is wrong, so that
    the hub must refuse it.
    """
    leads = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    lines = [f"{ref} 8 500 5000", *(f"{ref}.dat 516 1000/mV 16 0 0 0 0 {lead}" for lead in leads)]
    header, signal = "".join(f"{line}\n" for line in lines).encode(), random.Random(ref).randbytes(size)
    recording = Recording(
        recording_id=ref,
        started_ns=STARTED_NS,
        rate_hz=500,
        samples=5000,
        leads=leads,
        uv_per_count=(1.0,) * 8,
        box_serial="BOX-0001",
        sha256=bytes(32) if poison else hashlib.sha256(header + signal).digest(),
        files=(RecordFile(name=f"{ref}.hea", data=header), RecordFile(name=f"{ref}.dat", data=signal)),
    )
    return RecordingClosed(
        exam_id=f"e-{ref}",
        attempt=1,
        patient=Patient(patient_id=f"p-{ref}", name="李建国", sex="male", no_id_reason="未带证件"),
        complaint=Complaint(symptoms=("chest_pain",)),
        operator="cunyi1",
        recording=recording,
    )


async def append(station: app.Station, line: dict[str, Any]) -> dict[str, Any]:
    """Hand a recording of `size` bytes to the outbox; its id, and the hashes of message and record."""
    message = recording_closed(line["ref"], line["size"], poison=line.get("poison", False))
    row = await station.outbox.append(message, line["lane"], line["ref"])
    return {"mid": row.mid.hex(), "body": row.sha256.hex(), "record": message.recording.sha256.hex()}


async def state(station: app.Station, _: dict[str, Any]) -> dict[str, Any]:
    """What the queue sheet would show."""
    waiting = await station.outbox.waiting()
    kept = {row.ref: [row.state, row.code] for row in await station.outbox.rows() if row.state != "saved"}
    return {"waiting": waiting.total, "kept": kept, "online": station.uplink.online}


DO = {"append": append, "state": state}


async def answer(station: app.Station, line: dict[str, Any]) -> None:
    try:
        said = await DO[line["do"]](station, line)
    except Exception as error:  # whatever it is, the test that asked is to hear of it
        said = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"ask": line["ask"], **said}), flush=True)


async def main(files: list[str]) -> None:
    log.configure()
    async with AsyncExitStack() as stack:
        stations = {}
        for file in files:
            settings = config.load(Path(file))
            opened = app.opened(settings, Clock())
            stations[settings.station_id] = await stack.enter_async_context(opened)
        lines = asyncio.StreamReader(limit=LINE_BYTES)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        async with asyncio.TaskGroup() as tasks:
            links = [tasks.create_task(station.link.run()) for station in stations.values()]
            print(json.dumps({"ask": 0}), flush=True)
            async for raw in lines:
                line = json.loads(raw)
                tasks.create_task(answer(stations[line["station"]], line))
            for link in links:
                link.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
