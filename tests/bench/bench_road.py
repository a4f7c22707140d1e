"""The main road in the demo: last sample → open worklist, and sign → station page.

Both ends listen where a browser listens (the worklist's websocket, the station page's websocket or
request), on the machine that runs everything. ROUNDS captures of ten seconds each, on two stations in turn.
"""

import contextlib
import json
import os
import tempfile
import threading
import time
from pathlib import Path

from bench.figures import say, spread
from county import SECOND_STATION, STATION, County
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "10"))
PLANNED_S = 10.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, County(Path(folder) / "home") as county:
        reader = county.reader()
        seen: dict[str, float] = {}
        threading.Thread(target=watch, args=(county, reader, seen), daemon=True).start()
        to_worklist, to_station = [], []
        for i in range(ROUNDS):
            station = county.station((STATION, SECOND_STATION)[i % 2])
            station.until_streaming()
            exam_id = station.new_exam()["exam_id"]
            recording_id = station.start_capture(exam_id)
            last_sample = wait_for_last_sample(station, recording_id)
            while exam_id not in seen:
                time.sleep(0.005)
            to_worklist.append(seen[exam_id] - last_sample)
            reader.call("POST", f"/api/exams/{exam_id}/claim")
            to_station.append(sign_and_wait(reader, station, exam_id))
    say("last sample → open worklist", "p95 ≤ 1 s", **spread(to_worklist))
    say("sign → report on the station page", "p95 ≤ 1 s", **spread(to_station))


def watch(county: County, reader: object, seen: dict[str, float]) -> None:
    """When each exam first appeared on an open worklist."""
    cookie = "; ".join(f"{k}={v}" for k, v in reader.http.cookies.items())  # type: ignore[attr-defined]
    address = county.url("hub").replace("http", "ws") + "/api/worklist/live"
    with (
        contextlib.suppress(ConnectionClosed),  # the county is stopped when all was seen
        connect(address, additional_headers={"Cookie": cookie}, origin=county.url("hub")) as socket,
    ):
        for text in socket:
            now = time.monotonic()
            for item in json.loads(text).get("items", []):
                seen.setdefault(item["exam_id"], now)


def wait_for_last_sample(station: object, recording_id: str) -> float:
    """When the tenth second was full, by the station's own count of samples (polled every 10 ms)."""
    while True:
        recording = station.state()["recording"]  # type: ignore[attr-defined]
        if recording is None or recording["elapsed_s"] >= PLANNED_S:
            return time.monotonic()
        time.sleep(0.01 if recording["elapsed_s"] > PLANNED_S - 0.5 else 0.2)


def sign_and_wait(reader: object, station: object, exam_id: str) -> float:
    newest = max(reader.exam(exam_id)["recordings"], key=lambda r: r["attempt"])  # type: ignore[attr-defined]
    body = {
        "impression": [{"code": "sinus_rhythm", "text": "窦性心律"}],
        "recording_id": newest["recording_id"],
    }
    start = time.monotonic()
    reader.post(f"/api/exams/{exam_id}/sign", {"body": body, "confirm": True})  # type: ignore[attr-defined]
    while station.exam(exam_id)["report"] is None:  # type: ignore[attr-defined]
        time.sleep(0.01)
    return time.monotonic() - start
