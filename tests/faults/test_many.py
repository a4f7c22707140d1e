"""Clones, old stores, a whole county coming back, and everything killed (F25, F26, F36)."""

import itertools
import json
import random
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from protocols import envelope
from tests.county import until
from tests.faults.network import Kinds, in_short
from tests.faults.oracle import Obligation

pytestmark = pytest.mark.faults

STATION = "MT-0001"
ALL_STATIONS = tuple(f"MT-{n:04d}" for n in range(1, 31))
OLD_STORES = Path(__file__).parent.parent / "vectors" / "outbox"
"""Outbox files as earlier releases left them, sealed with the storage key 00 01 … 1f, and what is in them."""


def test_F25_a_cloned_disk_shows_itself_as_a_conflict(network, findings, scale):
    """A station's disk is copied; original and clone both record under the same numbers."""
    county, count = network(), scale(4, 200)
    link = county.links[STATION]
    link.down()
    for n in range(count):
        county.append(f"common-{n}")
    county.stations.stop()
    shutil.copytree(county.folder / "data" / STATION, county.folder / "data/clone")
    link.up()
    county.stations.start()
    for n in range(count):
        county.append(f"original-{n}")
    findings.settle(county)
    county.stations.stop()

    county.stations = county.make_stations([STATION], data="clone")
    county.stations.start()
    # What presses has numbers of its own, and the original's fresh record had one of them.
    lanes = {f"clone-{n}": "clinical" for n in range(count)} | {"clone-urgent": "urgent"}
    for ref in lanes:
        county.oracle.excuse(ref)
    bodies = {county.append(ref, lane=lane)["body"] for ref, lane in lanes.items()}
    kept = until(
        lambda: (now := county.stations.state(STATION)["kept"]).keys() >= lanes.keys() and now,
        60,
        "the clone has been told of each conflict",
    )
    findings.settle(county)
    assert {state for state, _ in kept.values()} == {"conflict"}, "the clone's records stay at the station"
    others = {ref for ref in kept if ref not in lanes}
    assert all(ref.startswith("time-") for ref in others), (
        "and what it says of its clock, if it says it twice"
    )
    at_hub = {envelope.decode(wire).header.sha256.hex() for wire in county.oracle.set_aside("conflict")}
    assert at_hub >= bodies, "and the hub keeps them beside the original's"
    assert len(at_hub - bodies) == len(others)


def test_F26_a_whole_county_reconnects(network, findings, scale):
    """The broker is away; thirty stations record and come back all at once."""
    county = network(names=ALL_STATIONS)
    for turn in range(scale(1, 10)):
        county.broker.kill()
        for name, n in itertools.product(ALL_STATIONS, range(scale(2, 10))):
            county.stations.append(name, f"away-{turn}-{name}-{n}")
        time.sleep(scale(1, 60))
        back = time.monotonic()
        county.broker.start()
        until(lambda: not county.oracle.missing(), 120, "what was recorded meanwhile has arrived")
        arrived_s = time.monotonic() - back
        tried = [at for name in ALL_STATIONS for at in county.links[name].opened_at if at > back]
        assert len(tried) >= len(ALL_STATIONS)
    waits = [county.stations.append(name, f"now-{name}", lane="urgent") for name in ALL_STATIONS]
    accepted = {}
    for name, wait in zip(ALL_STATIONS, waits, strict=True):
        assert "mid" in wait.result(30)
        accepted[f"now-{name}"] = time.time_ns()
    until(lambda: not county.oracle.missing(), 60, "and what was recorded then")
    ack_s = sorted((county.oracle.arrived_ns(ref) - ns) / 1e9 for ref, ns in accepted.items())
    findings.measured |= {
        "stations": len(ALL_STATIONS),
        "reconnections spread over, s": round(max(tried) - min(tried), 1),
        "all arrived after, s": round(arrived_s, 1),
        "accepted to committed afterwards, worst, s": round(max(ack_s[-1], 0.0), 2),
    }
    findings.settle(county)
    assert ack_s[-1] <= 10


@pytest.mark.parametrize("version", [int(f.stem) for f in sorted(OLD_STORES.glob("*.db"))])
def test_F36_an_outbox_of_an_earlier_release_drains(network, findings, version):
    """The agent is updated over a full queue: the file is of an earlier release."""
    county = network(idle=True)
    data = county.folder / "data" / STATION
    data.mkdir(parents=True)
    shutil.copyfile(OLD_STORES / f"{version}.db", data / "outbox.db")
    db = sqlite3.connect(data / "outbox.db")
    assert db.execute("PRAGMA user_version").fetchone() == (version,)
    db.close()
    for row in json.loads((OLD_STORES / f"{version}.json").read_text()):
        hashes = (bytes.fromhex(row[key]) for key in ("mid", "body", "record"))
        county.oracle.ask(row["ref"])
        county.oracle.accepted(Obligation(STATION, row["ref"], *hashes, time.time_ns()))
    county.stations.start()
    findings.measured["user_version of the file"] = version
    findings.settle(county)


@in_short(Kinds("mosquitto", "postgresql"))
def test_all_parts_are_killed_in_turn_and_together(network, findings, scale, database_away):
    """Station, hub and broker are killed, one after another and all at once; the database goes away too."""
    county, dice = network(), random.Random(0)
    parts = {"station": county.stations, "hub": county.hub, "broker": county.broker}
    with county.load():
        for _ in range(scale(1, 30)):
            for chosen in (*((name,) for name in parts), tuple(parts)):
                time.sleep(dice.uniform(0, 1))
                for name in chosen:
                    parts[name].kill()
                for name in dice.sample(chosen, len(chosen)):
                    parts[name].start(**({"wait": False} if name == "hub" else {}))
                until(lambda: county.hub.is_connected, 60, "the hub is connected")
            with database_away(county):
                time.sleep(scale(1, 5))
    findings.settle(county)
