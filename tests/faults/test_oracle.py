"""The oracle sees what it is there to see, and the line knows the packets it is unkind to."""

import hashlib
import secrets
import sqlite3
from contextlib import closing

import pytest

from tests.faults import results
from tests.faults.link import PUBACK, Packet
from tests.faults.oracle import Obligation, Oracle
from tests.faults.results import Result

TABLES = """
CREATE TABLE received_message (mid BLOB PRIMARY KEY, sha256 BLOB, state TEXT, type TEXT);
CREATE TABLE recording (id TEXT PRIMARY KEY, sha256 BLOB, received_ns INTEGER);
CREATE TABLE recording_file (recording_id TEXT, position INTEGER, data BLOB);
CREATE TABLE exam (id TEXT PRIMARY KEY);
CREATE TABLE quarantine (code TEXT, payload BLOB);
"""
DATA = b"samples"


@pytest.fixture
def db(tmp_path):
    with closing(sqlite3.connect(tmp_path / "hub.db", isolation_level=None)) as db:
        db.executescript(TABLES)
        yield db


@pytest.fixture
def oracle(db, tmp_path):
    watching = Oracle(f"sqlite:///{tmp_path / 'hub.db'}")
    yield watching
    watching.close()


def accept(oracle, ref):
    record = hashlib.sha256(DATA).digest()
    obligation = Obligation("MT-0001", ref, secrets.token_bytes(16), secrets.token_bytes(32), record, 0)
    oracle.ask(ref)
    oracle.accepted(obligation)
    return obligation


def arrive(db, o, *, data=DATA, body=None):
    db.execute(
        "INSERT INTO received_message VALUES (?, ?, 'committed', 'recording.closed')", (o.mid, body or o.body)
    )
    db.execute("INSERT INTO recording VALUES (?, ?, 1)", (o.ref, o.record))
    db.execute("INSERT INTO recording_file VALUES (?, 0, ?)", (o.ref, data))
    db.execute("INSERT INTO exam VALUES (?)", (o.ref,))


def test_what_arrived_once_as_it_was_is_sound(oracle, db):
    arrive(db, accept(oracle, "r1"))
    verdict = oracle.settle(0)
    assert verdict.sound
    assert verdict.obligations == 1


def test_what_did_not_arrive_is_lost(oracle, db):
    accept(oracle, "r1")
    assert oracle.missing() == ["r1"]
    assert oracle.settle(0).lost == ("r1",)


def test_a_message_without_its_recording_is_lost(oracle, db):
    o = accept(oracle, "r1")
    db.execute("INSERT INTO received_message VALUES (?, ?, 'committed', 'recording.closed')", (o.mid, o.body))
    assert oracle.verdict().lost == ("r1",)


@pytest.mark.parametrize("change", [{"data": b"other"}, {"body": bytes(32)}])
def test_other_bytes_are_altered(oracle, db, change):
    arrive(db, accept(oracle, "r1"), **change)
    assert oracle.verdict().altered == ("r1",)


def test_a_second_message_of_one_recording_is_a_double(oracle, db):
    o = accept(oracle, "r1")
    arrive(db, o)
    db.execute(
        "INSERT INTO received_message VALUES (?, ?, 'committed', 'recording.closed')", (bytes(16), o.body)
    )
    assert oracle.verdict().doubled == ("1 more messages than recordings",)


def test_what_nobody_asked_for_and_what_was_excused_is_a_double(oracle, db):
    arrive(db, Obligation("MT-0001", "r0", bytes(16), bytes(32), hashlib.sha256(DATA).digest(), 0))
    arrive(db, accept(oracle, "poison"))
    oracle.excuse("poison")
    assert sorted(oracle.verdict().doubled) == ["poison", "r0"]
    assert oracle.verdict().obligations == 0


def test_a_station_that_numbers_one_record_twice_is_found_out(oracle, db):
    arrive(db, accept(oracle, "r1"))
    accept(oracle, "r1")
    assert oracle.verdict().doubled == ("r1",)


def test_packets_are_read_as_mqtt_says():
    topic, payload = b"mt/1/MT-0001/up/clinical", b"x" * 200
    rest = len(topic).to_bytes(2, "big") + topic + b"\x01\x02" + payload
    assert len(rest) == 228
    packet = Packet(bytes([0x32, 228 % 128 | 0x80, 1]) + rest)
    assert (packet.qos, packet.topic, packet.id) == (1, topic.decode(), 0x0102)
    assert packet.is_on("/up/")
    assert not packet.is_on("/down/receipt")
    receipt = Packet(bytes([0x40, 2, 0x01, 0x02]))
    assert (receipt.type, receipt.id) == (PUBACK, 0x0102)


def test_the_page_holds_every_result_and_their_sums(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "faults")
    monkeypatch.setattr(results, "PAGE", tmp_path / "FAULTS.md")
    one = {"obligations": 3, "kills": 2, "outcome": "passed", "commit": "abc"}
    results.save("test_F10_b[x-y]", Result("F10 b", "done", **one))
    results.save("test_F2_a", Result("F2 a", "done", lost=1, measured={"worst, s": 1.5}, **one))
    results.write_page()
    rows = [line for line in results.PAGE.read_text().splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[1:]] == ["| F2 a", "| F10 b", "| **All**"]
    assert "worst, s 1.5" in rows[1]
    assert rows[-1].startswith("| **All** | | | **6** | **1** | **0** | **0** | **4** |")


def test_a_result_counts_for_its_commit_only_and_only_if_it_passed(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    results.save("test_F2_a", Result("F2 a", "", outcome="passed", commit="abc"))
    results.save("test_F6_b", Result("F6 b", "", outcome="failed", commit="abc"))
    assert results.is_done("test_F2_a", "abc")
    assert not results.is_done("test_F2_a", "abd")
    assert not results.is_done("test_F6_b", "abc")
    assert not results.is_done("test_F7_c", "abc")
