"""What a person does on the screens, in the order they would: used by the end-to-end tests."""

import re

from county import READER, STATION, VILLAGE_DOCTOR
from playwright.sync_api import Page, expect

SAVED_MS = 30_000
"""Ten seconds of capture, the seal, and room for a busy machine."""


def log_in(page: Page, username: str, password: str) -> None:
    page.get_by_test_id("login-user").fill(username)
    page.get_by_test_id("login-password").fill(password)
    page.get_by_test_id("login-submit").click()


def open_station(open_page, county, station: str = STATION, **more) -> Page:
    page = open_page(county.url(station), **more)
    log_in(page, VILLAGE_DOCTOR[station], county.passwords[VILLAGE_DOCTOR[station]])
    expect(page.get_by_test_id("new-exam")).to_be_visible()
    return page


def open_reading(open_page, county, username: str = READER, **more) -> Page:
    page = open_page(county.url("hub"), **({"width": 1366, "height": 768} | more))
    log_in(page, username, county.passwords[username])
    expect(page.get_by_test_id("worklist")).to_be_visible()
    return page


def switch_language(page: Page) -> None:
    page.get_by_test_id("lang-switch").first.click()


def register_without_document(page: Page, name: str) -> None:
    page.get_by_test_id("new-exam").click()
    page.get_by_test_id("no-document").click()
    page.get_by_test_id("no-document-reason").fill("未带证件")
    page.get_by_test_id("patient-name").fill(name)
    page.get_by_test_id("sex-male").click()
    page.get_by_test_id("birth-date").fill("1968-03-12")
    page.get_by_test_id("patient-next").click()


def say_symptom(page: Page, symptom: str = "palpitation") -> None:
    page.get_by_test_id(f"symptom-{symptom}").click()
    page.get_by_test_id("complaint-next").click()


def wait_for_twelve_leads(page: Page) -> None:
    for lead in ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"):
        expect(page.get_by_test_id(f"lead-{lead}")).to_contain_text("✓", timeout=30_000)
    expect(page.get_by_test_id("heart-rate")).to_have_text(re.compile(r"\d+"), timeout=30_000)


def capture(page: Page) -> None:
    """Press once; the ten seconds pass; the strip is saved and at the county."""
    page.get_by_test_id("capture-start").click()
    expect(page.get_by_test_id("capture-progress")).to_be_visible()
    expect(page.get_by_test_id("promise-saved")).to_have_attribute("data-done", "true", timeout=SAVED_MS)
    expect(page.get_by_test_id("promise-sent")).to_have_attribute("data-done", "true", timeout=SAVED_MS)


def open_case(page: Page, name: str) -> None:
    page.get_by_test_id("worklist").get_by_text(name).first.click()
    expect(page.get_by_test_id("patient-name")).to_contain_text(name)
    expect(page.get_by_test_id("ecg-paper")).to_be_visible()


def choose_statement(page: Page, query: str) -> None:
    page.get_by_test_id("statement-search").fill(query)
    page.get_by_test_id("statement-option").first.click()


def sign(page: Page) -> None:
    """Sign, and confirm: two acts."""
    expect(page.get_by_test_id("sign")).to_be_enabled(timeout=15_000)
    page.get_by_test_id("sign").click()
    page.get_by_test_id("sign-confirm").click()
    expect(page.get_by_test_id("signed-note")).to_be_visible(timeout=15_000)
