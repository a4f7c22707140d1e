"""The live worklist: a change is on every screen within a second, and with no notices within two."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hub_county import arrive, closed

from hub import db
from hub.notices import POLL_S
from hub.services import users

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@contextmanager
def _notices_running(world) -> Iterator[None]:
    """The app's notices in a loop of their own would wake nobody: they run in the app's loop."""
    with world.as_role("ecg_reader") as client:  # keeps one loop for the app
        future = client.portal.start_task_soon(world.app.state.hub.notices.run)
        try:
            yield
        finally:
            future.cancel()


def _until_snapshot(socket) -> tuple[dict, float]:
    begun = time.monotonic()
    while True:
        said = socket.receive_json()
        if said["type"] == "snapshot":
            return said, time.monotonic() - begun
        assert set(said) == {"type", "now_ns"}


def _drain(socket) -> None:
    while True:
        socket.receive_json()


def test_a_change_is_pushed_within_a_second_of_its_notice(world) -> None:
    with (
        _notices_running(world),
        world.as_role("ecg_reader").websocket_connect("/api/worklist/live") as socket,
    ):
        first, _ = _until_snapshot(socket)
        assert {item["exam_id"] for item in first["items"]} == {"exam-1", "exam-2"}

        def store() -> None:
            arrive(world.engine, closed("exam-3", "rec-3", level=0), lane="urgent")
            world.app.state.hub.notices.publish("worklist", "exam-3")

        threading.Timer(0.2, store).start()
        second, took_s = _until_snapshot(socket)
        assert second["items"][0]["exam_id"] == "exam-3"
        assert took_s < 1.2  # 0.2 s of it is the timer


def test_without_a_notice_it_looks_by_itself(world) -> None:
    with world.as_role("ecg_reader").websocket_connect("/api/worklist/live") as socket:
        _until_snapshot(socket)
        arrive(world.engine, closed("exam-3", "rec-3"))
        second, took_s = _until_snapshot(socket)
        assert len(second["items"]) == 3
        assert took_s < POLL_S + 1


def test_it_closes_when_the_log_in_ends(world) -> None:
    from starlette.websockets import WebSocketDisconnect

    client = world.as_role("ecg_reader")
    with client.websocket_connect("/api/worklist/live") as socket:
        _until_snapshot(socket)
        with db.transaction(world.engine) as session:
            user = users.find(session, "yishi")
            assert user is not None
            users.log_out(session, client.cookies["maitong_hub"], user, now_ns=world.clock.wall_ns())
        with pytest.raises(WebSocketDisconnect) as closing:
            _drain(socket)
        assert closing.value.code == 4401
