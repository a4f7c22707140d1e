"""Stations: inventory, what they say of themselves, and the fleet list."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from hub_county import INVENTORY, NOW_NS, SECOND_NS, furnish
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from hub import db
from hub.domain import Organisation, Station
from hub.domain.station import STALE_AFTER_S
from hub.errors import InventoryError
from hub.services import messages, stations
from protocols.envelope import Header, Stamp
from protocols.messages import BoxState, Numbers, StationHello, StationStatus


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


EPOCH = b"12345678"


def _hello(engine: Engine, now_ns: int = NOW_NS, *, station_ns: int = NOW_NS, **fields: Any) -> None:
    said = StationHello(epoch=fields.pop("epoch", EPOCH), boot="b", version="1", **fields)
    with db.transaction(engine) as session:
        assert stations.hello(session, "MT-0001", said, now_ns=now_ns, station_ns=station_ns)


def _take(engine: Engine, *numbers: int, epoch: bytes = EPOCH, state: str = "committed") -> None:
    with db.transaction(engine) as session:
        for seq in numbers:
            header = Header("recording.closed", "MT-0001", epoch, seq, Stamp(1), bytes(32))
            messages.remember(session, header, "MT-0001", state=state, now_ns=NOW_NS)


def _missing(engine: Engine) -> tuple[int | None, int | None]:
    with db.reading(engine) as session:
        row = next(r for r in stations.listing(session, now_ns=NOW_NS) if r.station.id == "MT-0001")
        return row.missing, row.missing_oldest_ns


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = db.open_engine(f"sqlite:///{tmp_path_factory.mktemp('counted') / 'hub.db'}")
    db.migrate(engine)
    furnish(engine)
    yield engine
    engine.dispose()


def test_what_has_not_come_is_counted_from_the_first_number_owed_to_the_last(county: Engine) -> None:
    assert _missing(county) == (None, None), "a station that does not say is not said to owe nothing"
    _take(county, *range(1, 5), 7)
    _take(county, 8, state="reject")
    _take(county, 6, 9, epoch=b"another!")
    _hello(county, first_seq=5, last_seq=10, oldest_ns=NOW_NS - 60 * SECOND_NS)
    assert _missing(county) == (4, NOW_NS - 60 * SECOND_NS)  # 5, 6, 9, 10
    _take(county, 5, 6, 9)
    assert _missing(county)[0] == 1
    assert _status(county, StationStatus(online=True, epoch=EPOCH, first_seq=10, last_seq=12))
    assert _missing(county) == (3, None)
    assert _status(county, StationStatus(online=False))
    assert _missing(county)[0] == 3, "its last will takes nothing back"
    _take(county, 10, 11, 12)
    assert _missing(county) == (0, None)
    _hello(county, first_seq=13, last_seq=12)
    assert _missing(county) == (0, None)


def test_the_age_of_the_oldest_is_the_stations_and_its_date_is_ours(county: Engine) -> None:
    in_1970 = 500 * SECOND_NS
    _hello(county, first_seq=1, last_seq=3, oldest_ns=in_1970 - 90 * SECOND_NS, station_ns=in_1970)
    assert _missing(county) == (3, NOW_NS - 90 * SECOND_NS)
    _hello(county, first_seq=1, last_seq=3, oldest_ns=in_1970 + SECOND_NS, station_ns=in_1970)
    assert _missing(county) == (3, NOW_NS), "set back since: no age below none"


def test_what_presses_is_counted_by_its_own_numbers(county: Engine) -> None:
    urgent = Numbers(epoch=b"pressing", first_seq=2, last_seq=4)
    _hello(county, first_seq=8, last_seq=9, urgent=urgent)
    _take(county, 2, 3, 8)  # the same numbers of the other store are no help
    assert _missing(county)[0] == 1 + 3
    _take(county, 2, 4, epoch=b"pressing")
    assert _missing(county)[0] == 1 + 1
    later = Numbers(epoch=b"pressing", first_seq=3, last_seq=6)
    assert _status(county, StationStatus(online=True, epoch=EPOCH, first_seq=9, last_seq=9, urgent=later))
    assert _missing(county)[0] == 1 + 3
    _hello(county, first_seq=9, last_seq=9, urgent=urgent)  # an older word, taken late
    assert _missing(county)[0] == 1 + 3


def test_an_older_word_of_the_same_store_changes_nothing_and_a_new_store_begins_anew(county: Engine) -> None:
    _hello(county, first_seq=4, last_seq=9)
    _hello(county, first_seq=2, last_seq=8)
    assert _missing(county)[0] == 6
    _hello(county)  # of an older version: says no numbers
    assert _missing(county)[0] == 6
    _hello(county, first_seq=3, last_seq=9)
    assert _missing(county)[0] == 7, "what was refused is sent again"
    assert _status(county, StationStatus(online=True, epoch=b"newstore", first_seq=1, last_seq=2))
    assert _missing(county)[0] == 2


@settings(max_examples=40, deadline=None)
@given(
    taken=st.dictionaries(st.integers(1, 40), st.sampled_from(["committed", "reject"]), max_size=30),
    last=st.integers(0, 40),
    data=st.data(),
)
def test_missing_is_what_one_would_count_by_hand(
    counted: Engine, taken: dict[int, str], last: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, last + 1))
    epoch = secrets.token_bytes(8)
    for seq, state in taken.items():
        _take(counted, seq, epoch=epoch, state=state)
    _hello(counted, epoch=epoch, first_seq=first, last_seq=last)
    assert _missing(counted)[0] == len(set(range(first, last + 1)) - taken.keys())


def test_an_empty_database_has_no_fleet(engine: Engine) -> None:
    assert _states(engine) == {}
    furnish(engine)
    assert len(_states(engine)) == 2
