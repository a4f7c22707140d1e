"""ThingsBoard gateway's storage classes, in their own environment: `peer_gateway.py KIND FOLDER SIZE N`.

Fills one with N messages of SIZE bytes, then drains it as the gateway does, pack by pack. Prints one line of
JSON: seconds until the last `put` said yes, until the rows were on disk, and of the drain; how many came out.
The sqlite storage has the settings its documentation gives, the file storage those of its sample
configuration. The latter never syncs a file: "on disk" is then the page cache.
"""

import contextlib
import json
import logging
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

GIVE_UP_S = 60.0


def storage(kind: str, folder: Path, log: logging.Logger) -> Any:
    stop = threading.Event()
    if kind == "sqlite":
        from thingsboard_gateway.storage.sqlite.sqlite_event_storage import SQLiteEventStorage

        return SQLiteEventStorage({"data_file_path": f"{folder}/"}, log, stop)
    from thingsboard_gateway.storage.file.file_event_storage import FileEventStorage

    settings = {
        "data_folder_path": f"{folder}/",
        "max_file_count": 10,
        "max_records_per_file": 10_000,
        "max_records_between_fsync": 1,
        "max_read_records_count": 10,
    }
    return FileEventStorage(settings, log, stop)


def on_disk(kind: str, folder: Path) -> int:
    """How many another process would find now."""
    if kind == "file":
        return sum(path.read_bytes().count(b"\n") for path in folder.glob("data_*.txt"))
    with contextlib.suppress(sqlite3.OperationalError):
        db = sqlite3.connect(f"file:{folder}/data.db?mode=ro", uri=True)
        with contextlib.closing(db):
            return int(db.execute("SELECT count(*) FROM messages").fetchone()[0])
    return 0


def drained(store: Any, n: int) -> tuple[int, float]:
    """How many different messages come out, and in how many seconds."""
    seen: set[str] = set()
    begun = last = time.perf_counter()
    while len(seen) < n and time.perf_counter() - last < 2.0:
        pack = store.get_event_pack() or []
        if not pack:
            time.sleep(0.005)
            continue
        seen.update(pack)
        store.event_pack_processing_done()
        last = time.perf_counter()
    return len(seen), last - begun


def main() -> None:
    kind, folder, size, n = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    log = logging.getLogger("peer")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    log.setLevel(logging.CRITICAL)
    log.trace = lambda *_, **__: None  # type: ignore[attr-defined]
    store = storage(kind, folder, log)
    texts = [json.dumps({"n": i, "pad": "x" * (size - 24)}) for i in range(n)]
    begun = time.perf_counter()
    for text in texts:
        if store.put(text) is False:
            raise SystemExit(f"{kind}: put refused")
    yes_s = time.perf_counter() - begun
    while on_disk(kind, folder) < n and time.perf_counter() - begun < GIVE_UP_S:
        time.sleep(0.01)
    disk_s = time.perf_counter() - begun
    delivered, drain_s = drained(store, n)
    store.stop()
    print(json.dumps({"yes_s": yes_s, "on_disk_s": disk_s, "delivered": delivered, "drain_s": drain_s}))


if __name__ == "__main__":
    main()
