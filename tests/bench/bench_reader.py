"""The reading room: click on a case → twelve leads painted, in Chromium, against a whole running demo.

Both times are taken in the page, by its own clock, the second one after the frame with the trace has been
handed over. Warm: every exam has been opened once before; OPENS opens over four captures in turn.
"""

import os
import shutil
import tempfile
from pathlib import Path

from bench.figures import say, spread
from county import READER, SECOND_STATION, STATION, County, until
from playwright.sync_api import Page, sync_playwright

OPENS = int(os.environ.get("BENCH_OPENS", "24"))
CLICK_TO_PAINT = """([caseRow, recordingId]) => new Promise((resolve, reject) => {
    const row = document.querySelector(`[data-testid="${caseRow}"]`)
    const before = window.__ecg
    const begun = performance.now()
    row.click()
    const look = () => {
        const now = window.__ecg
        if (now && now !== before && now.painted && now.name === recordingId) {
            const channel = new MessageChannel()
            channel.port1.onmessage = () => resolve(performance.now() - begun)
            channel.port2.postMessage(null)
        } else if (performance.now() - begun > 10_000) reject(new Error(`${caseRow} was not painted in 10 s`))
        else requestAnimationFrame(look)
    }
    look()
})"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, County(Path(folder) / "home") as county:
        exams = [*captures(county), *captures(county)]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            log_in(page, county)
            first = [opened(page, *exam) for exam in exams]
            warm = [opened(page, *exams[n % len(exams)]) for n in range(OPENS)]
            browser.close()
    say("reader: click → painted 12 leads, first open", "≤ 300 ms when warm", **spread(first))
    say("reader: click → painted 12 leads, warm", "≤ 300 ms", **spread(warm))


def captures(county: County) -> list[tuple[str, str]]:
    """One at each station at the same time; (exam id, recording id) once the county has them."""
    stations = [county.station(name) for name in (STATION, SECOND_STATION)]
    taken = []
    for station in stations:
        station.until_streaming()
        exam_id = station.new_exam()["exam_id"]
        taken.append((exam_id, station.start_capture(exam_id)))
    for station, (_, recording_id) in zip(stations, taken, strict=True):
        until(lambda s=station, r=recording_id: s.received(r), 60, "the county has it")
    return taken


def log_in(page: Page, county: County) -> None:
    page.goto(county.url("hub"))
    page.get_by_test_id("login-user").fill(READER)
    page.get_by_test_id("login-password").fill(county.passwords[READER])
    page.get_by_test_id("login-submit").click()


def opened(page: Page, exam_id: str, recording_id: str) -> float:
    """Seconds from the click on this case to its trace; then all that follows it is let through."""
    page.get_by_test_id(f"case-{exam_id}").wait_for()
    took_ms = float(page.evaluate(CLICK_TO_PAINT, [f"case-{exam_id}", recording_id]))
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)
    return took_ms / 1000
