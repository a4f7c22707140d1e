"""A station's page server in this process: real files, real capture without a box, no broker anywhere."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest
from agent import DOCTOR, OPS, SECRET

from edge_agent import inbox, outbox, room
from edge_agent.analysis import Analyser
from edge_agent.app import Link
from edge_agent.capture import Capture
from edge_agent.capture.sealing import Sealer
from edge_agent.health import Health
from edge_agent.inbox import Inbox
from edge_agent.outbox import Outbox
from edge_agent.room import open_room
from edge_agent.station.app import create_app
from edge_agent.station.desk import Desk
from edge_agent.store import Store
from edge_agent.uplink import Uplink
from fakes import FakeClock
from protocols.station import Account, BrokerSettings, StationSettings

KEY = bytes(32)


@dataclass
class Page:
    desk: Desk
    clock: FakeClock
    client: httpx.AsyncClient
    static: Path

    def browser(self) -> httpx.AsyncClient:
        """Another browser, not logged in."""
        app = create_app(self.desk, self.static)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://s"
        )


def _settings(folder: Path) -> StationSettings:
    return StationSettings(
        station_id="MT-0001",
        station_name="河西村卫生室",
        organisation="HX",
        data_dir=str(folder),
        storage_key_file="k",
        duty_phone="0000-0000",
        broker=BrokerSettings(host="127.0.0.1", port=1, ca_file="c", cert_file="c", key_file="k"),
        accounts=(
            Account(username=DOCTOR, name="村医 甲", role="village_doctor", secret=SECRET),
            Account(username=OPS, name="运维", role="network_ops", secret=SECRET),
        ),
    )


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    settings, clock = _settings(tmp_path), FakeClock()
    static = tmp_path / "static"
    static.mkdir()
    (static / "station.html").write_text("<title>脉通</title>", encoding="utf-8")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        owed = Outbox(await enter(Store.open(tmp_path / "o", KEY, outbox.MIGRATIONS)), clock, "MT-0001")
        told = Inbox(await enter(Store.open(tmp_path / "i", KEY, inbox.MIGRATIONS)), clock)
        here = await open_room(await enter(Store.open(tmp_path / "r", KEY, room.MIGRATIONS)))
        analyser = await enter(Analyser())
        sealer = Sealer(tmp_path / "spool", clock, here, owed, analyser)
        capture = Capture(tmp_path, None, clock, here, sealer, analyser)
        uplink = Uplink(settings, owed, told, clock, Health(owed, clock, capture.boxes).status)
        desk = Desk(settings, clock, here, owed, capture, Link(uplink), "0.1.0")
        app = create_app(desk, static)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = await enter(
            httpx.AsyncClient(transport=transport, base_url="http://s", headers={"X-Maitong": "1"})
        )
        yield Page(desk, clock, client, static)


@pytest.fixture
async def doctor(page: Page) -> httpx.AsyncClient:
    """A browser with the village doctor logged in."""
    from agent import PASSWORD

    answer = await page.client.post("/api/login", json={"username": DOCTOR, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return page.client
