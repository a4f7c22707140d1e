"""Writes <user_version>.db and .json: a full outbox as this release leaves it. Run once for each version.

    python -m tests.vectors.outbox.make

A file that is there is never written again: it is what that release left on disk.
"""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from edge_agent.clock import Clock
from edge_agent.outbox import MIGRATIONS, Outbox
from edge_agent.store import Store
from tests.faults.light_station import recording_closed

HERE = Path(__file__).parent
KEY = bytes(range(32))
SIZES = (400, 9_000, 30_000)
"""Of the signal: less than a part, a few parts, many."""


async def main() -> None:
    file = HERE / f"{len(MIGRATIONS)}.db"
    assert not file.exists(), f"{file} is there already"
    said = []
    async with Store.open(file, KEY, MIGRATIONS) as store:
        outbox = Outbox(store, Clock(), "MT-0001")
        for n, size in enumerate(SIZES):
            message = recording_closed(f"old-{n}", size, poison=False)
            row = await outbox.append(message, "clinical", f"old-{n}")
            if n:  # some were on their way when the release ended
                row = await outbox.next_to_send(skip=range(row.seq), part_bytes=8192) or row
                await outbox.mark_sent(row)
            hashes = {"mid": row.mid, "body": row.sha256, "record": message.recording.sha256}
            said.append({"ref": row.ref} | {name: value.hex() for name, value in hashes.items()})
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    file.with_suffix(".json").write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
