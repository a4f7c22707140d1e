"""Bad days: each ends in a state or an error in words, on the screen of who can do something about it.

One county with stations whose boxes, settings, records or visitors are wrong. Nothing that was taken is lost.
"""

import asyncio
import hashlib
import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import aiomqtt
import numpy as np
import pytest
import wfdb
from county import (
    ADMIN,
    OPS,
    READER,
    SECOND_STATION,
    County,
    HubClient,
    StationClient,
    Wanted,
    until,
)
from e2e.screens import (
    SAVED_MS,
    log_in,
    open_case,
    open_station,
    register_without_document,
    say_symptom,
)
from playwright.sync_api import expect
from wire import Said, Sender, recording_closed

from ecg.simulate import simulate
from protocols import topics
from protocols.envelope import decode, decode_body
from protocols.patient import Patient

pytestmark = pytest.mark.e2e

NOISY, CUT, SWAPPED, SWAPPED_TOO, TOO_FAST, POOR = (f"MT-00{n}" for n in (11, 12, 13, 14, 15, 16))

SLOW_MS = 30_000
"""For what the station judges once a second, on a machine that does much else."""


@pytest.fixture(scope="module")
def county(tmp_path_factory):
    folder = tmp_path_factory.mktemp("county")
    with County(folder / "home") as running:
        running.added = running.add_stations(
            Wanted(NOISY, "北坡村卫生室", "BOX-0011", box=("--fault", "garbage:0.05", "--seed", "3")),
            Wanted(CUT, "东岭村卫生室", "BOX-0012"),
            Wanted(SWAPPED, "上湾村卫生室", "BOX-0014", expects="BOX-0013"),
            Wanted(SWAPPED_TOO, "下湾村卫生室", "BOX-0013", expects="BOX-0014"),
            Wanted(TOO_FAST, "石桥村卫生室", "BOX-0015", box=("--rates", "1000")),
            Wanted(POOR, "南沟村卫生室", "BOX-0016", box=("--record", str(poor_record(folder)))),
        )
        yield running


def poor_record(folder):
    """A WFDB record as it may come from anywhere: no V3, V4, V6; V2 without data two seconds in ten."""
    heart = simulate("sinus", 60.0, 500, 5)
    kept = ["I", "II", "V1", "V2", "V5"]
    millivolts = heart.samples[[heart.leads.index(lead) for lead in kept]].T / 1000
    at_s = np.arange(len(millivolts)) / 500
    millivolts[(at_s % 10 >= 3) & (at_s % 10 < 5), kept.index("V2")] = np.nan
    wfdb.wrsamp(
        "poor", 500, ["mV"] * 5, kept, p_signal=millivolts, fmt=["16"] * 5,
        adc_gain=[1000.0] * 5, baseline=[0] * 5, write_dir=str(folder),
    )  # fmt: skip
    return folder / "poor.hea"


@pytest.fixture(scope="module")
def noisy_strip(county):
    """A capture through the noise, begun early: ten seconds that other tests need not wait for."""
    station = StationClient(county.url(NOISY))
    try:
        station.log_in(county.doctors[NOISY], county.passwords[county.doctors[NOISY]])
        station.until_streaming()
        exam_id = station.new_exam("噪声甲")["exam_id"]
        return station.start_capture(exam_id)
    finally:
        station.http.close()


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """Each bad day as it looks, for a person to judge; kept where pytest keeps its temporary folders."""
    folder = tmp_path_factory.mktemp("pictures")
    return lambda page, name: page.screenshot(path=folder / f"{name}.png")


@pytest.fixture(scope="module")
def console(county, chromium):
    """Network operations' screen, open all day."""
    page = chromium.new_page(viewport={"width": 1366, "height": 768})
    page.goto(county.url("hub") + "/console")
    log_in(page, OPS, county.passwords[OPS])
    yield page
    page.close()


@pytest.fixture(scope="module")
def reading(county, chromium):
    """The cardiologist's screen, open all day."""
    page = chromium.new_page(viewport={"width": 1366, "height": 768})
    page.goto(county.url("hub"))
    log_in(page, READER, county.passwords[READER])
    yield page
    page.close()


def to_the_capture_screen(open_page, county, name):
    """An emergency: two taps to the place where the trace would be."""
    page = open_page(county.url(name))
    log_in(page, county.doctors[name], county.passwords[county.doctors[name]])
    page.get_by_test_id("emergency").click()
    page.get_by_test_id("sex-male").click()
    return page


def painted(page):
    """Wait for the strip on the paper; lead → what its first cell holds."""
    until(lambda: page.evaluate("window.__ecg?.painted === true"), 15, "the strip is painted")
    cells = page.evaluate("window.__ecg.cells.map(cell => [cell.lead, cell.held])")
    return dict(reversed(cells))


def row_of(console, name):
    return console.locator(f'[data-testid="station-row"][data-station="{name}"]')


async def publish(county, name, *turns):
    """As station `name`, past its agent: say each turn once the hub has answered the last; id → answers."""
    place = county.home / "county/stations" / name
    tls = aiomqtt.TLSParameters(
        ca_certs=str(place / "ca.crt"),
        certfile=str(place / "station.crt"),
        keyfile=str(place / "station.key"),
    )
    broker = aiomqtt.Client("127.0.0.1", county.ports["broker"], tls_params=tls)
    heard = defaultdict(list)
    async with asyncio.timeout(20), broker as client:
        await client.subscribe(topics.build("down_receipt", name), qos=1)
        for turn in turns:
            waiting = {said.mid for said in turn}
            for said in turn:
                await client.publish(said.topic("clinical"), said.wire, qos=1)
            while waiting:
                frame = decode((await anext(client.messages)).payload)
                for item in decode_body(frame.header.type, frame.body).items:
                    heard[item.mid].append((item.st, item.code))
                    waiting.discard(item.mid)
        await client.publish(topics.build("up", name, "clinical"), b"not an envelope", qos=1)
    return heard


def refusal_of_a_capture(county, name):
    """What the station says to who presses the button all the same."""
    station = county.station(name)
    exam_id = station.new_exam()["exam_id"]
    answer = station.call("POST", f"/api/exams/{exam_id}/capture", json={})
    assert station.exam(exam_id)["attempts"] == []
    return answer.status_code, answer.json()["code"]


def test_two_boxes_swapped(county, noisy_strip, open_page, console, picture):
    page = to_the_capture_screen(open_page, county, SWAPPED)
    notice = page.get_by_test_id("box-notice")
    expect(notice).to_have_attribute("data-trouble", "wrong_serial", timeout=SLOW_MS)
    expect(notice).to_contain_text("采集盒序列号不符")
    expect(notice).to_contain_text("登记 ≠ 现接：BOX-0013 ≠ BOX-0014")
    expect(page.get_by_test_id("capture-start")).to_be_disabled()
    expect(page.get_by_test_id("heart-rate")).to_have_text("—")
    picture(page, "swapped")

    for name, found in ((SWAPPED, "BOX-0014"), (SWAPPED_TOO, "BOX-0013")):
        expect(row_of(console, name)).to_contain_text("序列号不符", timeout=SLOW_MS)
        expect(row_of(console, name)).to_contain_text(found)
        assert refusal_of_a_capture(county, name) == (409, "wrong_serial")
    picture(console, "console")


def test_a_box_that_does_not_run_at_the_rate_in_the_settings(county, open_page, console, picture):
    page = to_the_capture_screen(open_page, county, TOO_FAST)
    notice = page.get_by_test_id("box-notice")
    expect(notice).to_have_attribute("data-trouble", "wrong_rate", timeout=SLOW_MS)
    expect(notice).to_contain_text("采集盒采样率不符")
    expect(notice).to_contain_text("设置 ≠ 采集盒：500 Hz ≠ 1000 Hz")
    expect(page.get_by_test_id("capture-start")).to_be_disabled()
    picture(page, "rate")

    assert refusal_of_a_capture(county, TOO_FAST) == (409, "wrong_rate")
    expect(row_of(console, TOO_FAST)).to_contain_text("采样率不符", timeout=SLOW_MS)


def test_an_id_number_with_a_wrong_check_digit(county, open_page, picture):
    page = open_station(open_page, county)
    page.get_by_test_id("new-exam").click()
    page.get_by_test_id("patient-name").fill("张三")
    page.get_by_test_id("id-number").fill("110105194912310021")
    expect(page.get_by_test_id("id-check")).to_contain_text("身份证号校验不符，请核对第 18 位")
    expect(page.get_by_test_id("patient-next")).to_be_disabled()
    expect(page.locator("body")).to_contain_text("请先改正身份证号")
    picture(page, "id")
    page.get_by_test_id("id-number").fill("11010519491231002X")
    expect(page.get_by_test_id("patient-next")).to_be_enabled()

    body = {"name": "张三", "id_type": "resident_id", "id_number": "110105194912310021"}
    answer = county.station().call("POST", "/api/patients", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "id_number")
    assert answer.json()["detail"] == {"field": "id_number", "code": "check_digit"}
    found = county.station().post("/api/patients/search", {"q": "110105194912310021"})
    assert found["items"] == []


@pytest.mark.parametrize("place", ["station", "hub"])
def test_a_log_in_guessed_ten_times(county, open_page, place, picture):
    if place == "station":
        url, victim, other = county.url(TOO_FAST), county.doctors[TOO_FAST], OPS
        client = StationClient(url)
    else:
        url, victim, other = county.url("hub") + "/console", ADMIN, READER
        client = HubClient(county.url("hub"))
    page = open_page(url)
    for n in range(5):
        expect(page.get_by_test_id("login-submit")).to_be_enabled()
        log_in(page, victim, f"guess-{n}-wrong")
        expect(page.locator("form [role=alert]")).to_contain_text(
            "账号或密码不对" if n < 4 else "尝试次数过多"
        )
        if n in (1, 2, 3):
            expect(page.locator("form [role=alert]")).to_contain_text(f"还可以试 {4 - n} 次")
    expect(page.locator("form [role=alert]")).to_contain_text("s 后再试")
    expect(page.get_by_test_id("login-submit")).to_be_disabled()
    picture(page, f"locked-{place}")
    try:
        for n in range(5):
            guess = county.passwords[victim] if n == 4 else f"guess-{n}-more"
            answer = client.http.post("/api/login", json={"username": victim, "password": guess})
            assert (answer.status_code, answer.json()["code"]) == (429, "locked")
            assert 0 < answer.json()["detail"]["retry_after_s"] <= 60
    finally:
        client.http.close()

    fresh = open_page(url)
    log_in(fresh, victim, county.passwords[victim])
    expect(fresh.locator("form [role=alert]")).to_contain_text("尝试次数过多，请在")
    fresh.reload()
    log_in(fresh, other, county.passwords[other])
    expect(fresh.get_by_test_id("logout")).to_be_visible()


def test_messages_nobody_can_take_and_one_said_three_times(county, console, reading, picture):
    sender = Sender(SECOND_STATION)
    thrice = Patient(patient_id="thrice", name="再三乙", sex="male", no_id_reason="未带证件")
    strip = sender.say(recording_closed(patient=thrice))
    falsified = sender.say(recording_closed())
    falsified = Said(falsified.header, falsified.body + b"\0")
    unheard = sender.say(recording_closed())
    digest = hashlib.sha256(b"\xa0").digest()
    unheard = Said(replace(unheard.header, type="tea.brewed", sha256=digest), b"\xa0")

    with ThreadPoolExecutor(1) as beside:  # Playwright has this thread's loop
        states = beside.submit(
            asyncio.run, publish(county, SECOND_STATION, [unheard, falsified, strip], [strip], [strip])
        ).result(30)

    assert states[unheard.mid] == [("reject", "unknown_type")]
    assert states[falsified.mid] == [("reject", "hash_mismatch")]
    assert states[strip.mid] == [("committed", ""), ("duplicate", ""), ("duplicate", "")]
    reader = county.reader()
    names = [item["patient"]["name"] for item in reader.worklist()]
    assert names.count("再三乙") == 1

    console.get_by_test_id("nav-quarantine").click()
    rows = console.get_by_test_id("quarantine-row")
    expect(rows).to_have_count(3, timeout=SLOW_MS)
    for code in ("unknown_type", "hash_mismatch", "undecodable"):
        expect(rows.filter(has_text=code)).to_contain_text(SECOND_STATION)
    expect(rows.filter(has_text="unknown_type")).to_contain_text("tea.brewed")
    expect(rows.filter(has_text="unknown_type")).to_contain_text("这种消息本版本不认识")
    picture(console, "quarantine")
    console.get_by_test_id("nav-stations").click()
    expect(reading.get_by_test_id("worklist").get_by_text("再三乙")).to_have_count(1)
    state = county.station(SECOND_STATION).state()
    assert state["link"]["online"]
    assert state["queue"]["rejected"] == 0, "the station's own queue is not touched by answers to others"


def test_garbage_on_the_wire_is_counted_and_what_was_sound_is_kept(
    county, noisy_strip, open_page, console, reading, picture, tmp_path
):
    recording_id = noisy_strip
    station, reader = county.station(NOISY), county.reader()
    page = to_the_capture_screen(open_page, county, NOISY)
    expect(page.get_by_text("采集盒数据有误")).to_be_visible()
    picture(page, "garbage-live")
    received = until(lambda: station.received(recording_id), 40, "the county has the strip")
    assert received["missing_samples"] > 0
    assert not received["interrupted"]

    path = reader.files(recording_id, tmp_path)
    record = wfdb.rdrecord(str(path), physical=False)
    comments = dict(c.split("=", 1) for c in record.comments if "=" in c)
    first = int(comments["box_first_sample"])
    sent = np.fromfile(county.added[NOISY].sent_log, dtype="<i4").reshape(-1, 8)[first : first + 5000]
    lost = (record.d_signal != sent).all(axis=1)
    np.testing.assert_array_equal(record.d_signal[~lost], sent[~lost])
    assert lost.sum() == received["missing_samples"], "what a bad frame carried is missing, never made up"

    open_case(reading, "噪声甲")
    expect(reading.locator("header.patient")).to_contain_text(f"缺失 {lost.sum()} 个采样点")
    painted(reading)
    picture(reading, "garbage-reader")
    expect(row_of(console, NOISY)).to_contain_text("坏帧", timeout=SLOW_MS)


def test_a_record_with_leads_and_samples_missing(county, open_page, reading, picture):
    assert '"missing_leads": ["V3", "V4", "V6"]' in county.added[POOR].printed_by_box()
    page = open_page(county.url(POOR))
    log_in(page, county.doctors[POOR], county.passwords[county.doctors[POOR]])
    register_without_document(page, "缺联丙")
    say_symptom(page)
    for lead in ("V3", "V4", "V6"):
        expect(page.get_by_test_id(f"lead-{lead}")).to_contain_text("脱落", timeout=SLOW_MS)
    expect(page.get_by_test_id("lead-V5")).to_contain_text("✓")
    start = page.get_by_test_id("capture-start")
    expect(start).to_contain_text("仍要采集")
    picture(page, "leads-live")
    start.click()
    expect(page.get_by_test_id("lead-off-reason-broken")).to_be_visible()
    picture(page, "leads-reason")
    assert county.station(POOR).state()["recording"] is None
    page.get_by_test_id("lead-off-reason-broken").click()
    expect(page.get_by_test_id("promise-sent")).to_have_attribute("data-done", "true", timeout=SAVED_MS)
    assert painted(page)["V3"] == "off"
    picture(page, "leads-report")

    open_case(reading, "缺联丙")
    expect(reading.get_by_test_id("leads-off")).to_contain_text("V2 V3 V4 V6 脱落")
    expect(reading.get_by_test_id("leads-off")).to_contain_text("电极或导线损坏")
    held = painted(reading)
    assert {lead for lead, word in held.items() if word == "off"} == {"V3", "V4", "V6"}, (
        "no flat line is drawn"
    )
    assert held["V2"] in ("doubtful", "off")
    assert {held[lead] for lead in ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V5")} == {"trace"}
    picture(reading, "leads-reader")


def test_a_cable_cut_while_it_records_and_a_box_that_speaks_nonsense(
    county, open_page, console, reading, picture
):
    box = county.added[CUT]
    page = open_page(county.url(CUT))
    log_in(page, county.doctors[CUT], county.passwords[county.doctors[CUT]])
    register_without_document(page, "断线丁")
    say_symptom(page)
    expect(page.get_by_test_id("lead-V6")).to_contain_text("✓", timeout=SLOW_MS)
    page.get_by_test_id("capture-start").click()
    expect(page.get_by_test_id("capture-progress")).to_contain_text(re.compile(r"[3-8] /"), timeout=SLOW_MS)
    box.unplug()
    expect(page.get_by_test_id("promise-sent")).to_have_attribute("data-done", "true", timeout=SAVED_MS)
    expect(page.locator("body")).to_contain_text("中断")
    painted(page)
    picture(page, "cut-report")
    page.get_by_test_id("capture-again").click()
    expect(page.get_by_test_id("box-notice")).to_contain_text(
        "采集盒已断开 · 已采数据不受影响", timeout=SLOW_MS
    )
    picture(page, "cut-notice")

    open_case(reading, "断线丁")
    expect(reading.locator("header.patient")).to_contain_text("采集中断")
    held = painted(reading)
    assert len(held) == 12
    assert set(held.values()) == {"trace"}, "no lead is left out because the strip is short"
    picture(reading, "cut-reader")
    (attempt,) = county.station(CUT).attempts().values()
    assert attempt["interrupted"]
    assert 2.5 < attempt["duration_s"] < 10
    (held,) = county.reader().exam(attempt["exam_id"])["recordings"]
    assert (held["recording_id"], held["interrupted"]) == (attempt["recording_id"], True)
    assert held["duration_s"] == attempt["duration_s"]

    box.plug_in("--fault", "garbage:1")
    expect(page.get_by_test_id("box-notice")).to_have_attribute("data-trouble", "faulted", timeout=SLOW_MS)
    expect(page.get_by_test_id("box-notice")).to_contain_text("采集盒故障")
    picture(page, "nonsense")
    expect(row_of(console, CUT)).to_contain_text("故障", timeout=SLOW_MS)
    box.unplug()
    box.plug_in()
    expect(page.get_by_test_id("lead-V6")).to_contain_text("✓", timeout=SLOW_MS)
    expect(page.get_by_test_id("capture-start")).to_be_enabled()
