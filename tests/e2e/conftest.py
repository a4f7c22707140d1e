"""A real browser, and a county on each of the two pairs: SQLite + embedded broker, PostgreSQL + Mosquitto."""

import shutil
from pathlib import Path

import postgres
import pytest
from county import County
from playwright.sync_api import sync_playwright

PAIRS = ("sqlite+embedded", "postgresql+mosquitto")


def pytest_addoption(parser):
    parser.addoption("--pictures", type=Path, help="folder that takes the pictures of the documentation")


@pytest.fixture(scope="module")  # its event loop must be gone before another module's tests run theirs
def chromium():
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=PAIRS)
def county(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("county")
    if request.param == "sqlite+embedded":
        with County(folder / "home", "--broker", "embedded", "--sent-log") as running:
            yield running
        return
    if shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin") is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    with (
        postgres.cluster() as cluster,
        County(
            folder / "home", "--broker", "mosquitto", "--database-url", postgres.url(cluster), "--sent-log"
        ) as running,
    ):
        yield running


@pytest.fixture
def open_page(chromium):
    """open_page(url, width, height) → a page in a context of its own that keeps its errors."""
    contexts = []

    def open_one(url, width=1280, height=800, **more):
        context = chromium.new_context(viewport={"width": width, "height": height}, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on(
            "console",
            lambda message: page.errors.append(message.text) if message.type == "error" else None,
        )
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture(autouse=True)
def no_open_client(county):
    yield
    county.close_clients()
