"""Slow, half-open, flapping and lossy lines, and a database that is away (F7, F8, F10 to F12, F27)."""

import statistics
import time

import pytest

from tests.county import until
from tests.faults.link import Shape
from tests.faults.lossy import LossyLine, Weather
from tests.faults.network import Kinds, in_short

pytestmark = pytest.mark.faults

STATION = "MT-0001"
MODEM = Shape(rate=8000, delay_s=0.15, jitter_s=0.03)
"""64 kbit/s with a round trip of 300 ms."""
CLEAR = Shape()
ECG_BYTES = 24_000
"""A ten-second twelve-lead ECG, compressed."""


@in_short(Kinds("mosquitto", "postgresql"))
def test_F7_the_database_is_away_and_comes_back(network, findings, scale, database_away):
    """The hub's database goes away under load and comes back; the broker and the stations stay up."""
    county, worst_s = network(), 0.0
    with county.load(every_s=scale(0.1, 0.5)):
        for _ in range(scale(1, 5)):
            time.sleep(1)
            with database_away(county):
                time.sleep(scale(3, 120))
            back, owed = time.monotonic(), set(county.oracle.missing())
            until(
                lambda owed=owed: len(set(county.oracle.missing()) & owed) < max(len(owed), 1),
                60,
                "it drains",
            )
            worst_s = max(worst_s, time.monotonic() - back)
    findings.measured["from back to draining, worst, s"] = round(worst_s, 1)
    findings.settle(county, scale(60, 300))
    assert worst_s <= 30


def test_F8_an_urgent_ecg_passes_three_days_of_backlog(network, findings, scale):
    """At 64 kbit/s with 300 ms round trip and 3 MB of backlog, urgent ECGs of 24 kB are captured."""
    county, took_s = network(), []
    link = county.links[STATION]
    link.down()
    for n in range(scale(20, 120)):
        county.append(f"old-{n}", size=25_000)
    link.shape = MODEM
    link.up()
    until(lambda: not {"old-0"} & set(county.oracle.missing()), 120, "the backlog drains")
    for n in range(scale(1, 12)):
        time.sleep(scale(1, 5))
        began = time.monotonic()
        county.append(f"urgent-{n}", size=ECG_BYTES, lane="urgent")
        until(lambda n=n: county.oracle.holds(f"urgent-{n}"), 120, "the urgent ECG is committed")
        took_s.append(time.monotonic() - began)
        assert county.oracle.missing(), "there is still a backlog to be passed"
    findings.measured["urgent ECG to the hub's commit, worst, s"] = round(max(took_s), 1)
    findings.measured["bytes per second up"] = MODEM.rate
    link.shape = scale(CLEAR, MODEM)
    findings.settle(county, scale(90, 1200))
    assert max(took_s) <= 8


@pytest.mark.parametrize("loss", [0.05, 0.30], ids=["F11", "F10"])
def test_F10_F11_a_lossy_line(network, findings, scale, loss):
    """64 kbit/s, 300 ms round trip, 5 % (F11) or 30 % (F10) lost each way; backlog and urgent records."""
    with LossyLine() as line:
        county, took_s = network(inside=(line.near, line.far)), []
        line.weather = Weather(loss=loss, delay_s=0.15, jitter_s=0.03, rate=8000)
        for n in range(scale(2, 150)):
            county.append(f"old-{n}", size=20_000)
        began, deadline_s = time.monotonic(), scale(0, 300)
        while not took_s or time.monotonic() - began < deadline_s:
            one = time.monotonic()
            county.append(f"urgent-{len(took_s)}", size=2000, lane="urgent")
            until(
                lambda n=len(took_s): county.oracle.holds(f"urgent-{n}"),
                150,
                "the urgent record is committed",
            )
            took_s.append(time.monotonic() - one)
            time.sleep(scale(0, 10))
        findings.measured |= {
            "loss": loss,
            "urgent record of 2 kB to the hub's commit, median and worst, s": (
                round(statistics.median(took_s), 1),
                round(max(took_s), 1),
            ),
            "packets carried and lost": (line.carried, line.lost),
        }
        line.weather = Weather()
        findings.settle(county, scale(90, 600))
        assert line.lost > 0
        assert max(took_s) <= 90


def test_F12_a_half_open_connection_is_noticed(network, findings, scale):
    """The connection carries nothing more and nobody is told, as when a NAT forgets it."""
    county, worst_s = network(), 0.0
    link = county.links[STATION]
    county.append("before")
    for n in range(scale(1, 30)):
        until(lambda: county.stations.state(STATION)["online"], 60, "it is connected")
        until(lambda: not county.oracle.missing(), 60, "all has arrived")
        link.freeze()
        began = time.monotonic()
        county.append(f"meanwhile-{n}", size=4000)
        until(lambda n=n: county.oracle.holds(f"meanwhile-{n}"), 90, "it came over a new connection")
        worst_s = max(worst_s, time.monotonic() - began)
    findings.measured["from the silence to the next commit, worst, s"] = round(worst_s, 1)
    findings.settle(county)
    assert worst_s <= 35


def test_F27_a_flapping_line_makes_progress(network, findings, scale):
    """The line breaks every 7 seconds; records of many parts go on where they were cut off."""
    county, every_s = network(), 7
    link, size, count = county.links[STATION], scale(60_000, 100_000), scale(3, 50)
    link.shape = Shape(rate=scale(16_000, 8000), delay_s=0.05)
    for n in range(count):
        county.append(f"r-{n}", size=size)
    began, least, cuts = time.monotonic(), link.bytes["up"], 0
    while county.oracle.missing() and time.monotonic() - began < scale(60, 3600):
        time.sleep(every_s)
        link.cut()
        cuts += 1
    seconds = time.monotonic() - began
    sent, owed = link.bytes["up"] - least, count * size
    arrived = owed - len(county.oracle.missing()) * size
    share = arrived / (seconds * link.shape.rate)
    findings.measured |= {
        "cuts": cuts,
        "payload, share of what the line could carry": round(share, 2),
        "sent per byte owed": round(sent / max(arrived, 1), 2),
    }
    link.shape = CLEAR
    findings.settle(county, scale(60, 600))
    assert cuts > 1
    assert share >= scale(0.3, 0.5)
    assert sent <= 2 * arrived
