"""The operator's queue: shown as it is, checked to the last byte, carried away whole."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge_agent import queue_commands, store
from edge_agent.outbox import FILE_NAME, FILES, MIGRATIONS, URGENT_FILE_NAME, Outbox, describe
from edge_agent.store import Store
from fakes import FakeClock
from protocols import bundle, envelope, parts
from protocols.messages import LANES, ReceiptItem, ReportOpened

KEY = bytes(range(32))
ROOT = Path(__file__).parents[2]
HUB = X25519PrivateKey.from_private_bytes(bytes(range(32)))


OWED_AND_RECEIVED = """
    INSERT INTO received
    SELECT ref, mid, seq, type, lane, size, sha256, wall_ns, 1, 0 FROM message WHERE seq = 2
"""


def opened(name="r1", who="zhang"):
    return ReportOpened(report_id=name, exam_id="e1", opened_by=who, opened_ns=1)


def receipt(row, st="committed", **more):
    return ReceiptItem(**({"mid": row.mid, "st": st, "h8": row.sha256[:8]} | more))


@pytest.fixture
async def outbox(tmp_path):
    async with (
        Store.open(tmp_path / FILE_NAME, KEY, MIGRATIONS) as bulk,
        Store.open(tmp_path / URGENT_FILE_NAME, KEY, MIGRATIONS) as urgent,
    ):
        yield Outbox(bulk, FakeClock(), "MT-0001", urgent)


@pytest.fixture
def files(tmp_path):
    return [tmp_path / name for name in FILES]


@pytest.fixture
def settings(tmp_path):
    """A station's settings.toml whose data folder is the one of `outbox`."""
    (tmp_path / "storage.key").write_bytes(KEY)
    (tmp_path / "hub_bundle.pub").write_bytes(
        HUB.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    file = tmp_path / "settings.toml"
    file.write_text(
        'station_id = "MT-0001"\nstation_name = "河西村"\norganisation = "V1"\ndata_dir = "."\n'
        'storage_key_file = "storage.key"\nbundle_key_file = "hub_bundle.pub"\n'
        '[broker]\nhost = "h"\nport = 1\nca_file = "c"\ncert_file = "c"\nkey_file = "k"\n'
    )
    return file


def queue(settings, *arguments):
    command = [sys.executable, "-m", "edge_agent", "queue", *arguments, "--settings", str(settings)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


async def test_both_files_are_read_beside_a_running_agent_without_the_key(outbox, files):
    for i, lane in enumerate(LANES):
        row = await outbox.append(opened(f"r{i}"), lane, f"m{i}")
    await outbox.apply_receipt(receipt(row))
    assert queue_commands.ls(files) == [describe(r) for r in await outbox.rows()]
    assert [r["ref"] for r in queue_commands.ls(files)] == ["m0", "m1", "m2"]
    urgent, bulk = (queue_commands.stat(path) for path in files)
    assert (urgent["file"], urgent["waiting"], urgent["received"]) == ("urgent.db", 2, 0)
    assert (bulk["file"], bulk["waiting"], bulk["received"]) == ("outbox.db", 1, 1)
    assert bulk["lanes"].keys() == {"clinical"}
    assert bulk["epoch"] == ((await outbox.numbers())[0].epoch).hex() != urgent["epoch"]
    with pytest.raises(FileNotFoundError):
        queue_commands.stat(files[0].with_name("none.db"))


# --- fsck ---


def found(path, key=KEY):
    *findings, summary = queue_commands.fsck(path, key, "MT-0001")
    assert summary["findings"] == len(findings)
    return [finding["finding"] for finding in findings], summary


async def test_a_sound_file_has_no_findings_and_every_body_was_read(outbox, files):
    for i in range(4):
        row = await outbox.append(opened(f"r{i}", who="x" * 5000), "clinical", f"m{i}")
    await outbox.next_to_send(part_bytes=1024)
    await outbox.apply_receipts([receipt(row), receipt(await outbox.next_to_send(), "parts", have=[0, 4])])
    before = files[1].read_bytes()
    names, summary = found(files[1])
    assert names == []
    assert summary["bodies"] == 3
    assert summary["bytes"] > 15_000
    assert files[1].read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("UPDATE body SET sealed = zeroblob(80) WHERE seq = 2", "damaged"),
        ("UPDATE body SET sealed = (SELECT sealed FROM body WHERE seq = 1) WHERE seq = 2", "damaged"),
        ("UPDATE message SET size = size + 1 WHERE seq = 2", "hash"),
        ("DELETE FROM body WHERE seq = 2", "no_body"),
        ("DELETE FROM message WHERE seq = 2", "no_message"),
        ("UPDATE message SET parts_held = '[1]' WHERE seq = 2", "parts_held"),
        ("UPDATE message SET parts_held = '[-1]' WHERE seq = 2", "parts_held"),
        ("UPDATE message SET parts_held = 'no list' WHERE seq = 2", "parts_held"),
        ("UPDATE message SET lane = 9 WHERE seq = 2", "lane"),
        ("UPDATE message SET state = 'lost' WHERE seq = 2", "state"),
        ("UPDATE message SET mid = zeroblob(16) WHERE seq = 2", "mid"),
        ("UPDATE identity SET epoch = zeroblob(8)", "mid"),
        (OWED_AND_RECEIVED, "twice"),
        ("DELETE FROM seal_proof", "key"),
    ],
)
async def test_what_is_wrong_is_found(outbox, files, damage, finding):
    for i in range(3):
        await outbox.append(opened(f"r{i}"), "clinical", f"m{i}")
    assert found(files[1])[0] == []
    with sqlite3.connect(files[1]) as db:
        db.execute(damage)
    db.close()
    names, _ = found(files[1])
    assert set(names) == {finding}


async def test_another_key_is_one_finding(outbox, files):
    await outbox.append(opened(), "clinical", "a")
    assert found(files[1], bytes(32))[0] == ["key"]


async def test_bad_pages_and_files_that_are_none_are_findings(tmp_path, files):
    async with Store.open(files[1], KEY, MIGRATIONS) as bulk:
        outbox = Outbox(bulk, FakeClock(), "MT-0001")
        for i in range(40):
            await outbox.append(opened(who="x" * 2000), "clinical", f"m{i}")
    whole = bytearray(files[1].read_bytes())
    page = len(whole) // 4096 // 2
    whole[page * 4096 : (page + 1) * 4096] = b"\xff" * 4096
    files[1].write_bytes(bytes(whole))
    assert found(files[1])[0]
    files[1].write_bytes(b"no database at all" * 1000)
    assert found(files[1])[0] == ["unreadable"]


async def test_fsck_tells_by_its_status(outbox, files, settings):
    await outbox.append(opened(), "urgent", "a")
    await outbox.append(opened(), "bulk", "b")
    fine = queue(settings, "fsck")
    assert (fine.returncode, fine.stderr) == (0, "")
    assert [json.loads(line)["file"] for line in fine.stdout.splitlines()] == ["urgent.db", "outbox.db"]
    with sqlite3.connect(files[0]) as db:
        db.execute("DELETE FROM body")
    db.close()
    broken = queue(settings, "fsck")
    assert broken.returncode == 1
    assert json.loads(broken.stdout.splitlines()[0]) == {
        "file": "urgent.db", "finding": "no_body", "ref": "a", "detail": "row 1 has no body"
    }  # fmt: skip


# --- requeue ---


async def test_the_running_agent_notices_what_was_put_back(outbox, settings, monkeypatch):
    for lane in ("urgent", "clinical", "bulk"):
        row = await outbox.append(opened(), lane, lane)
        await outbox.apply_receipt(receipt(row, "reject", code="bad_body"))
    seen = outbox.changed.rung
    assert await outbox.next_to_send() is None
    done = queue(settings, "requeue", "urgent", "bulk")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"requeued": 2})
    assert await outbox.changed.wait(seen, 3 * store.LOOK_S) > seen
    assert (await outbox.next_to_send()).ref == "urgent"
    assert [r.state for r in await outbox.rows()] == ["saved", "rejected", "saved"]
    assert json.loads(queue(settings, "requeue").stdout) == {"requeued": 1}
    assert queue(settings, "requeue", "none-of-that-name").returncode == 1


async def test_rows_are_put_back_with_no_agent_running(tmp_path, files, settings):
    async with Store.open(files[1], KEY, MIGRATIONS) as bulk:
        outbox = Outbox(bulk, FakeClock(), "MT-0001")
        await outbox.apply_receipt(receipt(await outbox.append(opened(), "clinical", "a"), "reject"))
    assert json.loads(queue(settings, "requeue", "a").stdout) == {"requeued": 1}  # urgent.db is not there
    async with Store.open(files[1], KEY, MIGRATIONS) as bulk:
        assert (await Outbox(bulk, FakeClock(), "MT-0001").next_to_send()).ref == "a"


# --- export ---


def joined(entries):
    """What a hub would make of the frames: lane and message by id."""
    pieces, headers = {}, {}
    for lane, frame in entries:
        part = envelope.peek(frame)
        pieces.setdefault(part.header.mid, {})[part.k] = part.body
        headers[part.header.mid] = (lane, part.header, part.n)
    return {
        mid: (lane, envelope.decode_body(header.type, parts.join(pieces[mid], n, header.sha256)))
        for mid, (lane, header, n) in headers.items()
    }


async def test_all_that_is_owed_is_carried_away_whole_and_stays_owed(outbox, files, settings, tmp_path):
    messages = {lane: opened(lane, who=lane * 4000) for lane in LANES}
    sent = {lane: await outbox.append(message, lane, lane) for lane, message in messages.items()}
    gone = await outbox.append(opened("gone"), "prompt", "gone")
    await outbox.apply_receipt(receipt(gone))
    row = await outbox.next_to_send(lanes=("clinical",), part_bytes=1024)
    await outbox.apply_receipts([
        receipt(row, "parts", have=[0, 1]),  # a hub forgets parts: all of them are carried
        receipt(sent["bulk"], "reject", code="bad_body"),
    ])  # fmt: skip
    before = await outbox.rows()

    done = queue(settings, "export", "--to", str(tmp_path / "stick"))

    assert (done.returncode, done.stderr) == (0, "")
    whole = (tmp_path / "stick").read_bytes()
    assert b"clinicalclinical" not in whole
    entries = list(bundle.read([whole], HUB))
    assert joined(entries) == {sent[lane].mid: (lane, messages[lane]) for lane in LANES}
    said = json.loads(done.stdout)
    assert (said["messages"], said["frames"], said["damaged"]) == (4, len(entries), 0)
    assert await outbox.rows() == before
    one_lane = queue(settings, "export", "--to", str(tmp_path / "stick"), "--lane", "urgent")
    assert json.loads(one_lane.stdout)["messages"] == 1
    assert not (tmp_path / "stick.new").exists()


async def test_frames_are_byte_for_byte_what_the_sender_publishes(outbox, files):
    await outbox.append(opened(who="x" * 50_000), "bulk", "a")
    published = [wire for _, wire in await outbox.frames(await outbox.next_to_send())]
    count = queue_commands.Exported()
    carried = queue_commands.owed(files, KEY, "MT-0001", LANES, count)
    assert [entry.frame for entry in carried] == published
    assert (count.messages, count.frames, count.bytes) == (1, len(published), sum(map(len, published)))


async def test_a_damaged_body_is_told_and_the_others_are_carried(outbox, files, settings, tmp_path):
    await outbox.append(opened("r1"), "clinical", "bad")
    good = await outbox.append(opened("r2"), "clinical", "good")
    with sqlite3.connect(files[1]) as db:
        db.execute("UPDATE body SET sealed = zeroblob(80) WHERE seq = 1")
    db.close()
    done = queue(settings, "export", "--to", str(tmp_path / "stick"))
    assert done.returncode == 1
    assert "1 messages could not be opened" in done.stderr
    assert joined(bundle.read([(tmp_path / "stick").read_bytes()], HUB)).keys() == {good.mid}


async def test_without_the_countys_key_it_says_what_to_do(outbox, settings, tmp_path):
    settings.write_text(settings.read_text().replace('bundle_key_file = "hub_bundle.pub"\n', ""))
    done = queue(settings, "export", "--to", str(tmp_path / "stick"))
    assert done.returncode == 1
    assert "hub_bundle.pub" in done.stderr
    assert str(settings) in done.stderr
    settings.write_text(settings.read_text().replace("data_dir", 'bundle_key_file = "none"\ndata_dir'))
    assert "bundle_key_file" in queue(settings, "export", "--to", str(tmp_path / "stick")).stderr
    (tmp_path / "none").write_text("no key")
    assert "no public key" in queue(settings, "export", "--to", str(tmp_path / "stick")).stderr
    assert not (tmp_path / "stick").exists()


@pytest.mark.parametrize("wrong", [["export"], ["ls", "--to", "x"], ["fsck", "REF"]])
def test_commands_that_cannot_be_meant(settings, wrong):
    assert queue(settings, *wrong).returncode == 2


def test_a_stick_that_is_full_leaves_no_half_file(tmp_path):
    def pieces():
        yield b"x"
        raise OSError(28, os.strerror(28))

    with pytest.raises(OSError, match="No space"):
        queue_commands.save(pieces(), tmp_path / "stick")
    assert not list(tmp_path.iterdir())
