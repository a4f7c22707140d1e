"""Each record once, whatever is killed and whatever becomes of single packets (F2, F6, F13 to F16)."""

import random
import threading
import time
from collections import Counter

import pytest

from tests.county import until
from tests.faults.link import PUBACK, pass_on
from tests.faults.network import Kinds, in_short

pytestmark = pytest.mark.faults

STATION = "MT-0001"
DUP = 0x08
"""MQTT 3.1.1 §3.3.1.1."""


def test_F2_the_station_is_killed_under_load(network, findings, scale):
    """The station is killed (kill -9) at random instants while it accepts and sends."""
    county, dice = network(), random.Random(2)
    with county.load(every_s=0.02) as load:
        for _ in range(scale(6, 500)):
            time.sleep(dice.uniform(0, 0.6))
            county.stations.kill()
            county.stations.start()
    findings.measured["start to accepting, worst, s"] = round(max(county.stations.took_s), 2)
    findings.settle(county)
    assert load.count > county.stations.kills, "there was load between the kills"


@in_short(Kinds("mosquitto"), Kinds("embedded"))
def test_F6_the_broker_is_killed_and_its_data_deleted(network, findings, scale):
    """The broker is killed and everything it had on disk deleted, again and again under load."""
    county, dice = network(), random.Random(6)
    with county.load():
        for _ in range(scale(2, 30)):
            time.sleep(dice.uniform(0.5, scale(2, 60)))
            county.broker.kill()
            county.broker.forget()
            county.broker.start()
    findings.settle(county)


def test_F13_receipts_are_lost_delayed_reordered_and_doubled(network, findings, scale):
    """Of the receipts a quarter is lost, a quarter delayed past others, a quarter doubled."""
    county, dice = network(sees_packets=True), random.Random(13)
    link, sent = county.links[STATION], Counter()

    def unkind(packet):
        if not packet.is_on("/down/receipt"):
            return pass_on(packet)
        fates = ((), ((dice.uniform(0, 3), packet.raw),), ((0, packet.raw), (0.5, packet.raw)))
        return dice.choice((*fates, pass_on(packet)))

    def count(packet):
        if packet.is_on("/up/"):
            sent[packet.topic] += 1
        return pass_on(packet)

    link.judges.update(up=count, down=unkind)
    with county.load(sizes=(500, 4000), most=scale(30, 2000), every_s=0.1) as load:
        until(lambda: load.count >= load.most, scale(30, 1200), "all are accepted")
    until(lambda: county.stations.state(STATION)["waiting"] == 0, scale(60, 300), "all receipts came at last")
    ratio = sum(sent.values()) / load.count
    findings.measured["times sent per record"] = round(ratio, 2)
    link.judges["down"] = pass_on
    findings.settle(county)
    assert ratio <= 2


def test_F14_every_message_comes_twice_and_again_later(network, findings, scale):
    """Every message up is delivered twice, and all of them once more after everything was committed."""
    county = network(sees_packets=True)
    link, copies, kept = county.links[STATION], Counter(), []
    lock = threading.Lock()

    def again(raw, id_):
        """The broker answers both with one id; the station is told once."""
        with lock:
            copies[id_] += 1
        return bytes([raw[0] | DUP]) + raw[1:]

    def twice(packet):
        if not (packet.is_on("/up/") and packet.qos == 1):
            return pass_on(packet)
        kept.append(packet)
        return (0, packet.raw), (0, again(packet.raw, packet.id))

    def once(packet):
        with lock:
            if packet.type == PUBACK and copies[packet.id] > 0:
                copies[packet.id] -= 1
                return ()
        return pass_on(packet)

    link.judges.update(up=twice, down=once)
    with county.load(most=scale(25, 2000)) as load:
        until(lambda: load.count >= load.most, scale(30, 1200), "all are accepted")
    until(lambda: county.stations.state(STATION)["waiting"] == 0, scale(40, 600), "all is receipted")
    county.hub.kill()
    county.hub.start()
    for packet in kept:
        link.inject("up", again(packet.raw, packet.id))
    findings.measured["messages repeated"] = 2 * len(kept)
    until(lambda: not +copies, scale(20, 120), "the broker has taken every repetition")
    findings.settle(county)
    assert county.oracle.quarantined() == {}


@pytest.mark.parametrize("held", ["commit", "puback"])
def test_F15_the_hub_dies_between_commit_and_receipt(network, findings, scale, held):
    """The hub is killed when it has committed: before the broker hears of it, and before the station does."""
    county, stopped = network(sees_packets=True), threading.Event()
    link = county.links["hub"]

    def hold(packet):
        is_ours = packet.is_on("/down/receipt") or (packet.type == PUBACK and held == "commit")
        return () if is_ours and stopped.is_set() else pass_on(packet)

    link.judges["up"] = hold
    county.append("before")  # the greetings are over: what is held from here on is a recording's receipt
    until(lambda: county.stations.state(STATION)["waiting"] == 0, 60, "all is receipted")
    for n in range(scale(1, 30)):
        stopped.set()
        county.append(f"r-{n}", size=4000)
        until(lambda n=n: county.oracle.holds(f"r-{n}"), 40, "the hub has committed it")
        assert county.stations.state(STATION)["waiting"] == 1, "without a receipt it stays"
        county.hub.kill()
        stopped.clear()
        county.hub.start()
        until(lambda: county.stations.state(STATION)["waiting"] == 0, 60, "the receipt came at last")
    findings.settle(county)


def test_F16_a_poison_record_does_not_stop_its_lane(network, findings, scale):
    """Some records carry a seal that is wrong: the hub refuses them, the others of their lane go on."""
    county = network()
    poison = [f"r-{n}" for n in range(scale(20, 500)) if n % 5 == 1]
    for n in range(scale(20, 500)):
        ref = f"r-{n}"
        if ref in poison:
            county.oracle.excuse(ref)
        county.append(ref, size=3000 if n % 2 else 30_000, poison=ref in poison)
    findings.settle(county)
    kept = until(
        lambda: (now := county.stations.state(STATION)["kept"]).keys() == set(poison) and now,
        20,
        "the station has been told of each refusal, and of no other",
    )
    assert {tuple(fate) for fate in kept.values()} == {("rejected", "record_hash")}
    assert county.oracle.quarantined() == {"record_hash": len(poison)}
    until(lambda: county.stations.state(STATION)["waiting"] == 0, 20, "all others are receipted")
