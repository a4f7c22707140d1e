"""The station's core process, 12 leads × 500 Hz with a page open: CPU of one core, resident memory."""

import os
import tempfile
import threading
import time
from pathlib import Path

from bench.figures import say
from county import STATION, County, until
from websockets.sync.client import connect

SECONDS = float(os.environ.get("BENCH_SECONDS", "30"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, County(Path(folder) / "home") as county:
        station = county.station()
        station.until_streaming()
        stop = threading.Event()
        frames = [0]
        page = threading.Thread(target=open_page, args=(county, station, frames, stop))
        page.start()
        process = until(lambda: county.process(STATION), 10, "the station runs")
        time.sleep(3)
        before, begun = process.cpu_times(), time.monotonic()
        time.sleep(SECONDS)
        after, took = process.cpu_times(), time.monotonic() - begun
        resident = process.memory_info().rss
        stop.set()
        page.join(5)
    used = (after.user + after.system) - (before.user + before.system)
    say(
        "station core, 12 leads × 500 Hz, page open",
        "≤ 15 % of one core, ≤ 120 MB",
        cpu_percent=round(100 * used / took, 1),
        resident_mb=round(resident / 1e6, 1),
        live_frames_per_s=round(frames[0] / (SECONDS + 3), 1),
    )


def open_page(county: County, station: object, frames: list[int], stop: threading.Event) -> None:
    """Take the live lane as the page does."""
    cookie = "; ".join(f"{k}={v}" for k, v in station.http.cookies.items())  # type: ignore[attr-defined]
    address = county.url(STATION).replace("http", "ws") + "/api/live"
    with connect(address, additional_headers={"Cookie": cookie}, origin=county.url(STATION)) as socket:
        while not stop.is_set():
            frames[0] += isinstance(socket.recv(timeout=5), bytes)
