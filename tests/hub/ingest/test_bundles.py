"""What a station exported, at the hub: the same messages, once, by whichever road they came first."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Engine, func
from sqlmodel import select
from wire import INVENTORY, NOW_NS, STRANGER, Said, Sender, recording_closed

from hub import db
from hub.clock import Clock
from hub.domain.message import Quarantine
from hub.domain.recording import Recording
from hub.ingest.bundles import Imported, take_bundle
from hub.ingest.intake import Incoming, take
from hub.services import stations
from protocols import bundle
from protocols.bundle import Entry
from protocols.errors import BundleError

HUB = X25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
def county(engine: Engine) -> Engine:
    with db.transaction(engine) as session:
        stations.import_inventory(session, INVENTORY, now_ns=NOW_NS)
    return engine


def recordings(engine: Engine) -> int:
    with db.reading(engine) as session:
        return session.exec(select(func.count()).select_from(Recording)).one()


def entries(*said: Said) -> Iterator[Entry]:
    return (Entry("clinical", wire) for one in said for wire in one.frames)


def imported(engine: Engine, *said: Said) -> str:
    done = Imported()
    take_bundle(engine, entries(*said), done, clock=Clock())
    return str(done)


def said(how_many: int, *, part_bytes: int = 60_000) -> list[Said]:
    sender = Sender()
    return [
        sender.say(recording_closed(recording_id=f"r{i}", exam_id=f"e{i}"), part_bytes=part_bytes)
        for i in range(how_many)
    ]


def test_a_second_import_doubles_nothing(county: Engine) -> None:
    all_said = said(3, part_bytes=500)
    assert len(all_said[0].frames) > 2
    assert imported(county, *all_said) == "3 committed, 0 duplicate, 0 refused"
    assert imported(county, *all_said) == "0 committed, 3 duplicate, 0 refused"
    assert recordings(county) == 3


def test_by_broker_and_by_stick_is_once_and_the_station_is_told(county: Engine) -> None:
    first, second = said(2, part_bytes=500)
    first_half = [Incoming(first.topic(), wire) for wire in first.frames[:1]]
    take(county, first_half, now_ns=NOW_NS)  # the link broke in the middle
    assert imported(county, first, second) == "2 committed, 0 duplicate, 0 refused"
    outcomes = take(county, [Incoming(second.topic(), wire) for wire in second.frames], now_ns=NOW_NS)
    assert {outcome.receipt.st for outcome in outcomes if outcome.receipt} == {"duplicate"}
    assert recordings(county) == 2


def test_what_cannot_be_taken_is_set_aside_and_the_rest_is_taken(county: Engine) -> None:
    stranger = Sender(STRANGER).say(recording_closed(recording_id="rx", exam_id="ex"))
    done = Imported()
    some = [Entry("bulk", b"no frame"), *entries(stranger, *said(1))]
    take_bundle(county, some, done, clock=Clock())
    assert str(done) == "1 committed, 0 duplicate, 2 refused"
    with db.reading(county) as session:
        codes = {row.code for row in session.exec(select(Quarantine))}
    assert codes == {"bad_topic", "unknown_station"}


def test_a_bundle_cut_off_gives_what_is_sound(county: Engine) -> None:
    whole = b"".join(bundle.write(entries(*said(1)), HUB.public_key()))
    long = b"".join(bundle.write(entries(*said(200)), HUB.public_key()))
    assert len(long) > 2 * bundle.CHUNK_BYTES > len(whole)
    done = Imported()
    with pytest.raises(BundleError):
        take_bundle(county, bundle.read([long[:-20]], HUB), done, clock=Clock())
    kept = recordings(county)
    assert 0 < kept < 200
    assert str(done) == f"{kept} committed, 0 duplicate, 0 refused"


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    config, key, stick = tmp_path / "hub.toml", tmp_path / "hub_bundle.key", tmp_path / "stick"
    config.write_text(f'database_url = "sqlite:///{tmp_path}/hub.db"\n', encoding="utf-8")
    key.write_bytes(
        HUB.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    stick.write_bytes(b"".join(bundle.write(entries(*said(2)), HUB.public_key())))
    (tmp_path / "inventory.json").write_text(INVENTORY, encoding="utf-8")

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "hub", *arguments, "--config", str(config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert run("migrate").returncode == 0
    assert run("import-inventory", str(tmp_path / "inventory.json")).returncode == 0
    first = run("import-bundle", str(stick), "--key", str(key))
    assert (first.returncode, first.stdout) == (0, "2 committed, 0 duplicate, 0 refused\n"), first.stderr
    assert run("import-bundle", str(stick), "--key", str(key)).stdout.startswith("0 committed, 2 duplicate")
    stick.write_bytes(stick.read_bytes()[:-1])
    broken = run("import-bundle", str(stick), "--key", str(key))
    assert broken.returncode == 2
    assert "cut off" in broken.stderr
    assert run("import-bundle", str(stick), "--key", str(stick)).returncode == 2
