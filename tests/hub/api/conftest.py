"""The hub's web application in this process, on each database, with people to log in as."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from fastapi import FastAPI
from hub_county import arrive, closed, person
from sqlalchemy import Engine
from starlette.testclient import TestClient

from fakes import FakeClock
from hub import db
from hub.api.deps import COOKIE
from hub.app import create_app
from hub.clock import Clock
from hub.config import Settings
from hub.errors import RenderFailed
from hub.notices import Notices
from hub.render.fonts import find_font
from hub.services import users

PEOPLE = {
    "ecg_reader": ("yishi", None),
    "village_doctor": ("cunyi", "V1"),
    "network_ops": ("yunwei", None),
    "sys_admin": ("admin", None),
}


class HubClock(FakeClock, Clock):
    """Time of the tests, in the hub's shape."""


@dataclass
class World:
    app: FastAPI
    engine: Engine
    clock: HubClock
    clients: dict[str, TestClient] = field(default_factory=dict)

    def browser(self) -> TestClient:
        """A browser with our page open and nobody logged in."""
        return TestClient(self.app, headers={"X-Maitong": "1"}, raise_server_exceptions=False)

    def log_in(self, username: str) -> TestClient:
        """A browser that is logged in; passwords, which are slow by intent, are for test_auth."""
        now_ns = self.clock.wall_ns()
        with db.transaction(self.engine) as session:
            attempt = users.begin_login(session, username, now_ns=now_ns)
            answer = users.finish_login(session, attempt, right=True, session_minutes=15, now_ns=now_ns)
            assert isinstance(answer, tuple)
        client = self.browser()
        client.cookies.set(COOKIE, answer[1])
        return client

    def as_role(self, role: str) -> TestClient:
        if role not in self.clients:
            self.clients[role] = self.log_in(PEOPLE[role][0])
        return self.clients[role]


@pytest.fixture
def world(county: Engine) -> World:
    """The county with one ECG of each of two stations, and one person of each role."""
    for role, (username, organisation) in PEOPLE.items():
        person(county, username, role, name={"yishi": "医师甲"}.get(username, ""), organisation=organisation)
    arrive(county)
    other = closed().patient.model_copy(update={"patient_id": "p-2", "id_number": None, "id_type": "none",
                                                "no_id_reason": "忘带", "name": "李四"})  # fmt: skip
    arrive(county, closed("exam-2", "rec-2", patient=other), station="MT-0002")
    clock = HubClock()
    settings = Settings(hospital_name="示例县人民医院")
    app = create_app(settings, engine=county, clock=clock, notices=Notices(None, "test"))
    return World(app, county, clock)


@pytest.fixture
def reader(world: World) -> TestClient:
    return world.as_role("ecg_reader")


@pytest.fixture
def body() -> Callable[..., dict[str, object]]:
    """A report's body that can be signed."""

    def make(**changes: object) -> dict[str, object]:
        return {
            "findings": "窦性心律",
            "impression": [{"code": None, "text": "大致正常心电图"}],
            "advice": "随访",
            "conclusion": "borderline",
            "measurements": [{"id": "heart_rate", "value": 72}],
        } | changes

    return make


@pytest.fixture
def printable() -> None:
    """Signing prints: a font with Chinese characters must be there."""
    try:
        find_font()
    except RenderFailed as error:
        pytest.skip(str(error))
