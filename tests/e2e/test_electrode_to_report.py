"""From the electrode to the signed report and back, in a real browser, at both ends, on both pairs."""

import hashlib
import re
import shutil
import subprocess

import numpy as np
import pytest
import wfdb
from county import SECOND_STATION, STATION, english, until
from e2e.screens import (
    capture,
    choose_statement,
    log_in,
    open_case,
    open_reading,
    open_station,
    register_without_document,
    say_symptom,
    sign,
    switch_language,
    wait_for_twelve_leads,
)
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_one_ecg_from_the_electrode_to_the_signed_report_and_back(county, open_page, language, tmp_path):
    name = f"测试{'甲' if language == 'zh-CN' else '乙'}"
    station = open_station(open_page, county)
    if language == "en":
        switch_language(station)
    register_without_document(station, name)
    say_symptom(station)
    wait_for_twelve_leads(station)
    capture(station)

    reading = open_reading(open_page, county)
    if language == "en":
        switch_language(reading)
    open_case(reading, name)
    expect(reading.get_by_test_id("measure-table")).to_contain_text(re.compile(r"\d\d"))
    expect(reading.get_by_test_id("machine-box")).to_contain_text(
        "机器分析，未经医师确认" if language == "zh-CN" else "not confirmed by a physician"
    )
    ink = painted_pixels(reading)
    assert ink > 1500, "there is a trace on the paper"
    choose_statement(reading, "dx")
    reading.get_by_test_id("advice").fill("一周后复查")
    expect(reading.get_by_test_id("draft-saved")).to_contain_text(re.compile(r"\d\d:\d\d:\d\d"))
    sign(reading)

    expect(station.get_by_test_id("report-panel")).to_be_visible(timeout=15_000)
    station.get_by_test_id("report-open").click()
    expect(station.get_by_test_id("promise-delivered")).to_have_attribute("data-done", "true")
    expect(station.get_by_test_id("report-panel")).to_contain_text("一周后复查")
    pdf = the_pdf(station, tmp_path)
    assert name in pdf
    assert "一周后复查" in pdf
    assert "25 mm/s" in pdf
    station_words = station.locator("body").inner_text()
    if language == "en":
        shown = [line for line in station_words.splitlines() if not english(line)]
        allowed = re.compile(r"测试|河西|示例|复查|窦性|语言|中文|村医")
        assert [line for line in shown if not allowed.search(line)] == []
    county_says = county.reader().call("GET", "/api/worklist").json()["items"]
    assert all(item["patient"]["name"] != name for item in county_says), "it has left the list"
    assert unexpected(station.errors) == []
    assert unexpected(reading.errors) == []


def test_the_record_in_the_hub_is_what_the_box_sent_sample_for_sample(county, tmp_path):
    station, reader = county.station(), county.reader()
    station.until_streaming()
    exam_id = station.new_exam()["exam_id"]
    recording_id = station.start_capture(exam_id)
    until(lambda: station.received(recording_id), 60, "the county has it")

    path = reader.files(recording_id, tmp_path)

    record = wfdb.rdrecord(str(path), physical=False)
    sent = np.fromfile(county.home / "BOX-0001.i32", dtype="<i4").reshape(-1, 8)
    comments = dict(c.split("=", 1) for c in record.comments if "=" in c)
    first = int(comments["box_first_sample"])
    assert record.fs == 500
    assert record.sig_len == 5000
    assert record.sig_name == ["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"]
    np.testing.assert_array_equal(record.d_signal, sent[first : first + 5000])
    header = path.with_suffix(".hea").read_text()
    assert "测试" not in header
    assert "1968" not in header


def test_the_station_works_with_the_hub_and_the_broker_switched_off(county, open_page):
    page = open_station(open_page, county)
    county.process("broker").suspend()
    county.process("hub").suspend()
    try:
        register_without_document(page, "断网甲")
        say_symptom(page)
        wait_for_twelve_leads(page)
        page.get_by_test_id("capture-start").click()
        expect(page.get_by_test_id("promise-saved")).to_have_attribute("data-done", "true", timeout=30_000)
        expect(page.get_by_test_id("promise-sent")).to_have_attribute("data-done", "false")
    finally:
        county.process("broker").resume()
        county.process("hub").resume()
    expect(page.get_by_test_id("promise-sent")).to_have_attribute("data-done", "true", timeout=60_000)
    names = [item["patient"]["name"] for item in county.reader().worklist()]
    assert names.count("断网甲") == 1


def test_a_reload_comes_back_to_the_same_place_and_log_out_leaves_nothing(county, open_page):
    page = open_station(open_page, county)
    page.reload()
    expect(page.get_by_test_id("new-exam")).to_be_visible()
    page.get_by_test_id("logout").click()
    expect(page.get_by_test_id("login-user")).to_be_visible()
    assert page.request.get(f"{county.url(STATION)}/api/exams?day=today").status == 401

    reading = open_reading(open_page, county)
    reading.get_by_test_id("logout").click()
    expect(reading.get_by_test_id("login-user")).to_be_visible()
    assert reading.request.get(f"{county.url('hub')}/api/worklist").status == 401


def test_health_of_both_servers_needs_no_log_in(county):
    import httpx2 as httpx

    assert httpx.get(county.url(STATION) + "/health").json()["status"] == "ok"
    assert httpx.get(county.url("hub") + "/health").json()["status"] == "ok"


def test_network_ops_see_stations_and_no_patient(county, open_page):
    page = open_page(county.url("hub") + "/console")
    log_in(page, "yunwei", county.passwords["yunwei"])
    expect(page.get_by_test_id("station-row")).to_have_count(2)
    expect(page.get_by_test_id("station-row").first).to_contain_text("MT-0001")
    assert "测试" not in page.locator("body").inner_text()
    assert page.request.get(f"{county.url('hub')}/api/worklist").status == 403


@pytest.mark.parametrize("county", ["sqlite+embedded"], indirect=True)
def test_pictures_of_the_main_screens(county, open_page, request, tmp_path):
    """The pictures of the documentation: taken at each run, kept where --pictures says (make docs)."""
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


def unexpected(errors):
    """Chromium reports the first question, "who am I", as an error: nobody yet (401)."""
    return [error for error in errors if "401" not in error]


def painted_pixels(page):
    """Dark pixels on the paper: the trace and its labels."""
    return page.get_by_test_id("ecg-paper").evaluate(
        """paper => {
            const canvases = paper.tagName === 'CANVAS' ? [paper] : [...paper.querySelectorAll('canvas')];
            let dark = 0;
            for (const canvas of canvases) {
                const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
                for (let i = 0; i < data.length; i += 4)
                    if (data[i + 3] > 128 && data[i] + data[i + 1] + data[i + 2] < 420) dark += 1;
            }
            return dark;
        }"""
    )


def the_pdf(page, folder):
    """The text of the report's PDF, as another program reads it."""
    href = page.get_by_test_id("report-pdf").get_attribute("href")
    answer = page.request.get(page.url.rstrip("/") + href if href.startswith("/") else href)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/pdf"
    file = folder / f"{hashlib.sha256(answer.body()).hexdigest()[:8]}.pdf"
    file.write_bytes(answer.body())
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (apt-get install poppler-utils)")
    return subprocess.run(
        ["pdftotext", "-layout", file, "-"], capture_output=True, text=True, check=True
    ).stdout
