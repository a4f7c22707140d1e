"""The pictures of the documentation: the running product, simulated signals, invented people."""

import re

import pytest
from county import SECOND_STATION
from e2e.screens import (
    choose_statement,
    log_in,
    open_case,
    open_reading,
    open_station,
    register_without_document,
    sign,
    wait_for_twelve_leads,
)
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e


def test_pictures_of_the_main_screens(county, open_page, request, tmp_path):
    """Taken at each run; kept in docs/ only when asked for (make docs)."""
    folder = request.config.getoption("--pictures") or tmp_path
    folder.mkdir(parents=True, exist_ok=True)

    station = open_station(open_page, county, SECOND_STATION)
    station.screenshot(path=folder / "station-home.png")
    register_without_document(station, "张三")
    station.get_by_test_id("symptom-chest_pain").click()
    station.get_by_test_id("onset-1h").click()
    station.get_by_test_id("present-yes").click()
    station.get_by_test_id("complaint-next").click()
    wait_for_twelve_leads(station)
    station.wait_for_timeout(4000)
    station.screenshot(path=folder / "station-capture.png")
    station.get_by_test_id("capture-start").click()
    expect(station.get_by_test_id("promise-sent")).to_have_attribute("data-done", "true", timeout=40_000)

    reading = open_reading(open_page, county, width=1920, height=1080)
    open_case(reading, "张三")
    expect(reading.get_by_test_id("measure-table")).to_contain_text(re.compile(r"\d\d"))
    choose_statement(reading, "jxxb")
    reading.get_by_test_id("advice").fill("立即转诊(120)")
    reading.wait_for_timeout(800)
    reading.screenshot(path=folder / "reading.png")
    sign(reading)

    expect(station.get_by_test_id("report-panel")).to_be_visible(timeout=15_000)
    station.get_by_test_id("report-open").click()
    expect(station.get_by_test_id("promise-delivered")).to_have_attribute("data-done", "true")
    station.screenshot(path=folder / "station-report.png")

    console = open_page(county.url("hub") + "/console", width=1366, height=768)
    log_in(console, "yunwei", county.passwords["yunwei"])
    expect(console.get_by_test_id("station-row").first).to_be_visible()
    console.screenshot(path=folder / "console.png")
