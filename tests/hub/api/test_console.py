"""The console's part of the API, and health: no patient data, no secrets, the truth about what is away."""

import pytest
from hub_county import NOW_NS, PASSWORD

from hub import db
from hub.services import messages, roles, stations
from protocols.messages import BoxState, StationStatus

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_the_fleet_and_the_quarantine_show_no_patient_and_no_content(world) -> None:
    with db.transaction(world.engine) as session:
        box = BoxState(name="ecg", state="streaming", serial="BOX-0001", battery_percent=80)
        stations.status(session, "MT-0001", StationStatus(online=True, boxes=(box,)), now_ns=NOW_NS)
        messages.quarantine(
            session,
            topic="mt/1/MT-0001/up/prompt",
            code="undecodable",
            reason="not CBOR",
            payload="张三".encode(),
            now_ns=NOW_NS,
            station_id="MT-0001",
        )
    ops = world.as_role("network_ops")
    fleet = ops.get("/api/stations")
    assert [(s["id"], s["state"]) for s in fleet.json()["items"]] == [
        ("MT-0002", "offline"),
        ("MT-0001", "online"),
    ]
    assert fleet.json()["items"][1]["boxes"][0]["serial"] == "BOX-0001"
    owing = StationStatus(
        online=True, at_ns=NOW_NS, oldest_ns=NOW_NS - 9, epoch=b"12345678", first_seq=2, last_seq=38
    )
    with db.transaction(world.engine) as session:
        stations.status(session, "MT-0001", owing, now_ns=NOW_NS)
    missing = {
        s["id"]: (s["missing"], s["missing_oldest_ns"]) for s in ops.get("/api/stations").json()["items"]
    }
    assert missing == {"MT-0001": (37, NOW_NS - 9), "MT-0002": (None, None)}
    quarantine = ops.get("/api/quarantine")
    assert quarantine.json()["total"] == 1
    assert quarantine.json()["items"][0]["reason"] == "not CBOR"
    assert "张三" not in fleet.text + quarantine.text


def test_accounts_are_made_changed_and_never_show_a_secret(world) -> None:
    admin = world.as_role("sys_admin")
    new = {"username": "yi", "name": "医师乙", "role": "ecg_reader", "password": PASSWORD}
    made = admin.post("/api/users", json=new)
    assert made.status_code == 201
    assert admin.post("/api/users", json=new).json()["code"] == "taken"
    user_id = made.json()["id"]
    client = world.log_in("yi")
    assert admin.post(f"/api/users/{user_id}/disable").json()["enabled"] is False
    assert client.get("/api/me").status_code == 401
    assert admin.post(f"/api/users/{user_id}/enable").json()["enabled"] is True
    assert (
        admin.post(f"/api/users/{user_id}/password", json={"password": "another password"}).status_code == 200
    )
    listed = admin.get("/api/users")
    assert {u["username"] for u in listed.json()["items"]} == {"yishi", "cunyi", "yunwei", "admin", "yi"}
    assert "argon2" not in listed.text + made.text
    assert admin.post("/api/users/u-admin/disable").status_code == 422


def test_health_says_what_is_away(world) -> None:
    browser = world.browser()
    answer = browser.get("/health").json()
    assert (answer["status"], answer["checks"]["ingest"]) == ("degraded", "away")
    with db.transaction(world.engine) as session:
        for role in ("ingest", "interfaces", "timers"):
            roles.beat(session, role, now_ns=world.clock.wall_ns())
    assert browser.get("/health").json()["checks"]["ingest"] == "ok"
    world.clock.advance(60)
    assert browser.get("/health").json()["checks"]["ingest"] == "away"
    with world.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    down = browser.get("/health")
    assert (down.status_code, down.json()["checks"]["database"]) == (503, "not_migrated")


def test_words_come_in_both_languages(world, reader) -> None:
    words = reader.get("/api/words").json()
    assert {"statements", "measurements", "symptoms", "history", "report_fields"} == set(words)
    assert all(row["zh"] and row["en"] for row in words["statements"])
