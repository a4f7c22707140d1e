"""Stations: inventory, what they say of themselves, and the fleet list."""

import json

import pytest
from hub_county import INVENTORY, NOW_NS, SECOND_NS, furnish
from sqlalchemy import Engine

from hub import db
from hub.domain import Organisation, Station
from hub.domain.station import STALE_AFTER_S
from hub.errors import InventoryError
from hub.services import stations
from protocols.messages import BoxState, StationHello, StationStatus


def _status(engine: Engine, message: StationStatus, now_ns: int = NOW_NS) -> bool:
    with db.transaction(engine) as session:
        return stations.status(session, "MT-0001", message, now_ns=now_ns)


def _states(engine: Engine, now_ns: int = NOW_NS) -> dict[str, str]:
    with db.reading(engine) as session:
        return {row.station.id: row.state for row in stations.listing(session, now_ns=now_ns)}


def test_the_inventory_is_imported_children_first_or_not_and_again(county: Engine) -> None:
    changed = json.loads(INVENTORY)
    changed["stations"][0]["organisation"] = "V2"
    with db.transaction(county) as session:
        assert stations.import_inventory(session, json.dumps(changed), now_ns=NOW_NS) == stations.Imported(
            3, 2
        )
    with db.reading(county) as session:
        assert session.get_one(Station, "MT-0001").organisation_id == "V2"
        assert session.get_one(Organisation, "V1").parent_id == "H"


@pytest.mark.parametrize(
    "inventory",
    [
        "{",
        '{"county": "x", "stations": [{"id": "MT-0001", "name": "n", "organisation": "nowhere"}]}',
        '{"county": "x", "stations": [{"id": "mt/1", "name": "n", "organisation": "H"}]}',
        '{"county": "x", "organisations": [{"code": "A", "name": "a", "kind": "k", "parent": "A"}]}',
    ],
)
def test_a_wrong_inventory_is_refused_with_its_place(engine: Engine, inventory: str) -> None:
    with pytest.raises(InventoryError), db.transaction(engine) as session:
        stations.import_inventory(session, inventory, now_ns=NOW_NS)


def test_a_station_is_online_until_its_will_or_silence_says_otherwise(county: Engine) -> None:
    box = BoxState(name="ecg", state="streaming", serial="BOX-0001")
    assert _status(county, StationStatus(online=True, version="0.1.0", waiting=3, oldest_ns=5, boxes=(box,)))
    assert _states(county) == {"MT-0002": "offline", "MT-0001": "online"}
    assert _states(county, NOW_NS + (STALE_AFTER_S + 1) * SECOND_NS)["MT-0001"] == "offline"
    assert _status(county, StationStatus(online=False), NOW_NS + SECOND_NS)
    with db.reading(county) as session:
        row = session.get_one(Station, "MT-0001")
    assert (row.online, row.waiting, row.oldest_ns, row.last_seen_ns) == (False, 3, 5, NOW_NS)
    assert row.boxes[0]["serial"] == "BOX-0001"


def test_hello_says_which_store_and_what_waits(county: Engine) -> None:
    hello = StationHello(epoch=b"12345678", boot="b", version="0.1.0", waiting={"urgent": 1, "bulk": 2})
    with db.transaction(county) as session:
        assert stations.hello(session, "MT-0002", hello, now_ns=NOW_NS)
        assert not stations.hello(session, "MT-0099", hello, now_ns=NOW_NS)
    with db.reading(county) as session:
        row = session.get_one(Station, "MT-0002")
    assert (row.online, row.waiting, row.epoch) == (True, 3, b"12345678")


def test_an_empty_database_has_no_fleet(engine: Engine) -> None:
    assert _states(engine) == {}
    furnish(engine)
    assert len(_states(engine)) == 2
