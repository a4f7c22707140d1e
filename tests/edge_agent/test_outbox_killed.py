"""kill -9 at random moments: nothing acknowledged is lost, nothing is doubled, nothing is changed.

The child appends and drains as the agent does and tells, after each answer, what it was promised; the
test kills it, opens the same file and looks. Run as a program, this file is the child.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from edge_agent.clock import Clock
from edge_agent.outbox import MIGRATIONS, Outbox
from edge_agent.store import Store
from protocols import envelope, parts
from protocols.messages import LANES, ReceiptItem, ReportOpened

KEY = bytes(range(32))
KILLS = 8


def message_of(ref):
    """What is appended under this ref: one to forty thousand bytes that follow from the ref."""
    size = random.Random(ref).choice([1, 500, 5_000, 40_000])
    return ReportOpened(report_id=ref, exam_id="e", opened_by=(ref * size)[:size], opened_ns=1)


async def child(path, run):
    def tell(word, ref):
        os.write(1, f"{word} {ref}\n".encode())

    async def append(outbox, who):
        for i in range(100_000):
            ref = f"{run}-{who}-{i}"
            await outbox.append(message_of(ref), random.choice(LANES), ref)
            tell("saved", ref)

    async def drain(outbox):
        while True:
            row = await outbox.next_to_send(part_bytes=4096)
            if row is None:
                await asyncio.sleep(0)
                continue
            frames = [envelope.decode(wire) for _, wire in await outbox.frames(row)]
            body = parts.join({f.k: f.body for f in frames}, row.part_count, row.sha256)
            assert envelope.decode_body(row.type, body) == message_of(row.ref)
            await outbox.mark_sent(row)
            tell("sent", row.ref)
            await outbox.apply_receipt(ReceiptItem(mid=row.mid, st="committed", h8=row.sha256[:8]))
            tell("received", row.ref)

    async with Store.open(path, KEY, MIGRATIONS) as store:
        outbox = Outbox(store, Clock(), "MT-0001")
        async with asyncio.TaskGroup() as group:
            for who in range(3):
                group.create_task(append(outbox, who))
            group.create_task(drain(outbox))


def run_and_kill(path, run, chance):
    """One life of the child; the lines it managed to say."""
    command = [sys.executable, str(Path(__file__).resolve()), str(path), str(run)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        # After so many answers, not so many seconds: a busy machine must not make the test an empty one.
        said = b"".join(process.stdout.readline() for _ in range(chance.randint(1, 150)))
        time.sleep(chance.uniform(0.0, 0.02))
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    return [line.split() for line in said.decode().splitlines(keepends=True) if line.endswith("\n")]


async def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(tmp_path):
    path, chance = tmp_path / "outbox.db", random.Random(7)
    promised = {"saved": set(), "sent": set(), "received": set()}
    for run in range(KILLS):
        for word, ref in run_and_kill(path, run, chance):
            assert ref not in promised["received"] or word != "sent", "sent again after its receipt"
            promised[word].add(ref)

        async with Store.open(path, KEY, MIGRATIONS) as store:
            assert store.quarantined is None
            assert await store.run(lambda db: db.execute("PRAGMA integrity_check").fetchone()) == ("ok",)
            outbox = Outbox(store, Clock(), "MT-0001")
            fates = await outbox.states_of(set().union(*promised.values()))
            assert promised["saved"] <= fates.keys()
            assert all(fates[ref].state == "received" for ref in promised["received"])

            owed = await outbox.rows(most=-1)
            gone = await store.run(lambda db: db.execute("SELECT ref, mid FROM received").fetchall())
            mids = [row.mid for row in owed] + [mid for _, mid in gone]
            refs = [row.ref for row in owed] + [ref for ref, _ in gone]
            assert len(set(mids)) == len(mids)
            assert len(set(refs)) == len(refs)
            for ref, _ in gone:  # only what was handed over may have left
                assert ref in promised["sent"]
            for row in owed[:200]:
                frames = [envelope.decode(wire) for _, wire in await outbox.frames(row)]
                body = parts.join({f.k: f.body for f in frames}, row.part_count, row.sha256)
                assert envelope.decode_body(row.type, body) == message_of(row.ref)
    assert len(promised["saved"]) > 100
    assert len(promised["received"]) > 20


if __name__ == "__main__":
    asyncio.run(child(Path(sys.argv[1]), sys.argv[2]))
