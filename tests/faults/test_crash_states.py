"""A power cut at any moment, whatever the disk had written by then: nothing that was promised is gone.

The states are made from the system calls of a real run of an outbox (see `crashes`). The short form looks at
some hundreds, the campaign at over ten thousand. Run as a program, this file is the run that is recorded.
"""

import asyncio
import hashlib
import os
import random
import shutil
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from crashes import Said, Sync, Write, cuts, record

from edge_agent.clock import Clock
from edge_agent.outbox import FILE_NAME, MIGRATIONS, URGENT_FILE_NAME, Outbox
from edge_agent.store import Quota, Store
from protocols import envelope, parts
from protocols.messages import LANES, ReceiptItem, ReportOpened

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not there: apt-get install strace"),
]

KEY = bytes(range(32))
STATION = "MT-0001"
SHORT, CAMPAIGN = 300, 16_000
"""States looked at; of the campaign's some two in three are different ones."""
OPENS_WITHIN_S = 5.0


def message_of(ref):
    """What is appended under this ref: one to forty thousand bytes that follow from the ref."""
    size = random.Random(ref).choice([1, 500, 5_000, 40_000])
    return ReportOpened(report_id=ref, exam_id="e", opened_by=(ref * size)[:size], opened_ns=1)


@asynccontextmanager
async def opened(folder):
    async with (
        Store.open(folder / FILE_NAME, KEY, MIGRATIONS, Quota("clinical and bulk", 64)) as bulk,
        Store.open(folder / URGENT_FILE_NAME, KEY, MIGRATIONS, Quota("urgent and prompt", 64)) as urgent,
    ):
        yield Outbox(bulk, Clock(), STATION, urgent)


# --- the run that is recorded ---


def say(word, ref):
    os.write(1, f"{word} {ref}\n".encode())


async def append(outbox, ref, lane):
    say("appending", ref)
    await outbox.append(message_of(ref), lane, ref)
    say("saved", ref)


async def drain(outbox, how_many, st):
    for _ in range(how_many):
        row = await outbox.next_to_send(part_bytes=4096)
        if row is None:
            return
        await outbox.mark_sent(row)
        say("answering", row.ref)
        await outbox.apply_receipt(ReceiptItem(mid=row.mid, st=st, h8=row.sha256[:8], have=(0,)))
        if st == "committed":
            say("received", row.ref)


async def run(folder):
    dice = random.Random(5)
    for life in range(3):
        async with opened(folder) as outbox:
            say("open", life)
            for turn in range(12):
                refs = [f"{life}-{turn}-{i}" for i in range(4)]
                await asyncio.gather(*(append(outbox, ref, dice.choice(LANES)) for ref in refs))
                await drain(outbox, 2, "committed")
                await drain(outbox, 1, "parts")
            await outbox.thin(90)


# --- the states ---


@pytest.fixture(autouse=True)
def no_open_client():
    """This test needs no county."""


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    folder, log = tmp_path_factory.mktemp("run") / "data", tmp_path_factory.mktemp("log") / "calls"
    folder.mkdir()
    return record([sys.executable, __file__, str(folder)], folder, log)


@pytest.fixture
def how_many(request):
    return CAMPAIGN if request.config.getoption("--campaign") else SHORT


def promised(events):
    words = {"appending": set(), "saved": set(), "answering": set(), "received": set(), "open": set()}
    for event in events:
        if isinstance(event, Said):
            word, ref = event.text.split()
            words[word].add(ref)
    return words


async def look(folder, said):
    """Open the outbox that is left, and hold it against what had been said before the cut."""
    began = time.monotonic()
    async with opened(folder) as outbox:
        took_s = time.monotonic() - began
        assert not (folder / "quarantine").exists(), "a sound file was set aside"
        fates = await outbox.states_of(said["appending"])
        owed = await outbox.rows(most=-1)
        assert said["saved"] <= fates.keys(), "what was saved is there"
        assert all(fates[ref].state == "received" for ref in said["received"])
        assert {ref for ref, fate in fates.items() if fate.state == "received"} <= said["answering"]
        assert {row.ref for row in owed} <= said["appending"], "nothing is invented"
        assert {row.state for row in owed} <= {"saved"}
        assert len({row.mid for row in owed}) == len(owed)
        for row in owed:
            whole = [envelope.decode(wire) for _, wire in await outbox.frames(_from_the_start(row))]
            body = parts.join({f.k: f.body for f in whole}, row.part_count, row.sha256)
            assert envelope.decode_body(row.type, body) == message_of(row.ref)
        await outbox.append(message_of("after"), "urgent", "after")
    return took_s


def _from_the_start(row):
    return replace(row, parts_held=frozenset())


def test_the_recording_is_of_a_run_that_promised_something(events):
    said = promised(events)
    assert said["open"] == {"0", "1", "2"}
    assert len(said["saved"]) == 144
    assert len(said["received"]) > 60
    writes = [event for event in events if isinstance(event, Write)]
    names = {Path(event.path).name for event in writes}
    assert names >= {"outbox.db", "outbox.db-wal", "urgent.db", "urgent.db-wal"}
    assert len([event for event in events if isinstance(event, Sync)]) > 200


@pytest.mark.timeout(3600)
async def test_every_state_a_power_cut_may_leave_opens_with_all_that_was_promised(events, how_many, tmp_path):
    slowest_s, different = 0.0, set()
    for number, (moment, files) in enumerate(cuts(events, how_many, seed=17)):
        different.add(
            hashlib.sha256(
                b"".join(name.encode() + b"\0" + data for name, data in sorted(files.items()))
            ).digest()
        )
        folder = tmp_path / "data"
        folder.mkdir()
        for path, content in files.items():
            (folder / Path(path).name).write_bytes(content)
        try:
            slowest_s = max(slowest_s, await look(folder, promised(events[:moment])))
        except Exception as error:  # whatever a state does, its files are kept and its number is said
            shutil.copytree(folder, tmp_path / "failed")
            raise AssertionError(f"state {number}, cut after event {moment} of {len(events)}") from error
        shutil.rmtree(folder)
    assert slowest_s < OPENS_WITHIN_S
    assert len(different) > how_many / 2
    told = f"{how_many} states, {len(different)} different, of {len(events)} events"
    print(f"{told}; slowest start {slowest_s:.3f} s")


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
