"""The station's outbox beside plain SQLite, persist-queue and ThingsBoard gateway's storage.

A yes counts when it is said; ours, plain SQLite's and persist-queue's are said after the commit reached the
disk, the gateway's sqlite storage says it before and its file storage never syncs. ROUNDS rounds with fresh
files, all stores in turn in each; a ratio is the median of those of the rounds, ours to theirs of the same
round. Nothing is deleted before the end: a file system that has just freed much is slower for a while.
"""

import asyncio
import itertools
import json
import os
import queue
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from bench.figures import say

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = ROOT / ".tools" / "gateway" / "bin" / "python"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
BACKLOG = int(os.environ.get("BENCH_BACKLOG", "14000"))
SIZES = {"1 KB": 1024, "32 KB": 32 * 1024}
ALONE = {"1 KB": 1500, "32 KB": 500}
"""Messages appended one after the other; thrice as many by several at once."""
APPENDERS = 16
WINDOW = 128
"""Messages of 1 KB under way at once, as on a good line."""
RECEIPT = 64
"""Items in a receipt (protocols.messages.Receipt)."""
KEY = bytes(32)

Rates = dict[str, float]
"""What was done → how many a second."""


def message_of(size: int, number: int) -> Any:
    """A message whose body has about `size` bytes."""
    from protocols.messages import ReportOpened

    who = f"{number:08d}".ljust(size - 60, "x")
    return ReportOpened(report_id="r1", exam_id="e1", opened_by=who, opened_ns=1)


def ours(folder: Path) -> Rates:
    return asyncio.run(_ours(folder))


async def _ours(folder: Path) -> Rates:
    from edge_agent.clock import Clock
    from edge_agent.outbox import MIGRATIONS, Outbox
    from edge_agent.store import Store

    rates: Rates = {}
    for name, size in SIZES.items():
        async with Store.open(folder / f"alone-{size}.db", KEY, MIGRATIONS) as store:
            outbox, n = Outbox(store, Clock(), "MT-0001"), ALONE[name]
            messages = [message_of(size, i) for i in range(n)]
            begun = time.perf_counter()
            for i, message in enumerate(messages):
                await outbox.append(message, "clinical", f"m{i}")
            rates[f"append {name}"] = n / (time.perf_counter() - begun)
        async with Store.open(folder / f"together-{size}.db", KEY, MIGRATIONS) as store:
            outbox, n = Outbox(store, Clock(), "MT-0001"), 3 * ALONE[name]
            rates[f"append {name}, {APPENDERS} at once"] = await _together(outbox, size, n)
    for name, drain in (("drain", _drain), ("drain as sent", _drain_as_sent)):
        async with Store.open(folder / f"{name}.db", KEY, MIGRATIONS) as store:
            outbox = Outbox(store, Clock(), "MT-0001")
            await _together(outbox, 1024, BACKLOG)
            begun = time.perf_counter()
            await drain(outbox)
            rates[name] = BACKLOG / (time.perf_counter() - begun)
            assert (await outbox.waiting()).total == 0
    return rates


async def _together(outbox: Any, size: int, n: int) -> float:
    numbers = iter([(i, message_of(size, i)) for i in range(n)])

    async def appender() -> None:
        for i, message in numbers:
            await outbox.append(message, "clinical", f"m{i}")

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(APPENDERS):
            tasks.create_task(appender())
    return n / (time.perf_counter() - begun)


async def _drain(outbox: Any, sent: Callable[[Any], Awaitable[None]] | None = None) -> None:
    """The next one, and the next, a window long; then receipts for all of it."""
    from protocols.messages import ReceiptItem

    on_the_way: dict[int, Any] = {}
    while True:
        row = None
        if len(on_the_way) < WINDOW:
            row = await outbox.next_to_send(skip=on_the_way.keys())
        if row is not None:
            on_the_way[row.seq] = row
            if sent is not None:
                await sent(row)
            continue
        if not on_the_way:
            return
        confirmed = list(itertools.islice(on_the_way.values(), RECEIPT))
        await outbox.apply_receipts(
            ReceiptItem(mid=one.mid, st="committed", h8=one.sha256[:8]) for one in confirmed
        )
        for one in confirmed:
            del on_the_way[one.seq]


async def _drain_as_sent(outbox: Any) -> None:
    """The same with what the uplink does besides: the frames are made, and it is noted that they went."""

    async def sent(row: Any) -> None:
        assert await outbox.frames(row)
        await outbox.mark_sent(row)

    await _drain(outbox, sent)


class PlainSqlite:
    """The limit: one table, WAL, synchronous FULL, nothing but the statement."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "plain.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE q (id INTEGER PRIMARY KEY, body BLOB)")

    def put(self, body: bytes) -> None:
        self._db.execute("INSERT INTO q (body) VALUES (?)", (body,))

    def put_many(self, bodies: list[bytes]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO q (body) VALUES (?)", [(body,) for body in bodies])
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()


def plain(folder: Path) -> Rates:
    rates: Rates = {}
    for name, size in SIZES.items():
        store, body, n = PlainSqlite(_made(folder / f"plain-{size}")), os.urandom(size), ALONE[name]
        rates[f"append {name}"] = _rate(lambda s=store, b=body: s.put(b), n)
        rates[f"append {name}, {APPENDERS} at once"] = APPENDERS * _rate(
            lambda s=store, b=body: s.put_many([b] * APPENDERS), 3 * n // APPENDERS
        )
        store.close()
    return rates


def persist_queue(kind: str, folder: Path) -> Rates:
    """Of both kinds a put is one committed row; from the first a `get` is acknowledged, the other deletes."""
    import persistqueue

    made: Callable[..., Any] = getattr(persistqueue, kind)
    rates: Rates = {}
    for name, size in SIZES.items():
        text, n = "x" * size, ALONE[name]
        store = made(str(_made(folder / f"{kind}-{size}")), multithreading=True)
        rates[f"append {name}"] = _rate(lambda s=store, t=text: s.put(t), n)
        numbers: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        for i in range(3 * n):
            numbers.put(i)
        for _ in range(APPENDERS):
            numbers.put(None)

        def appender(s: Any = store, t: str = text, numbers: Any = numbers) -> None:
            while numbers.get() is not None:
                s.put(t)

        threads = [threading.Thread(target=appender) for _ in range(APPENDERS)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rates[f"append {name}, {APPENDERS} at once"] = 3 * n / (time.perf_counter() - begun)
    store = made(str(_made(folder / f"{kind}-drain")), multithreading=True)
    for i in range(BACKLOG):
        store.put(f"{i:08d}".ljust(1024, "x"))
    begun = time.perf_counter()
    for _ in range(BACKLOG):
        item = store.get(block=False)
        if kind == "SQLiteAckQueue":
            store.ack(item)
    rates["drain"] = BACKLOG / (time.perf_counter() - begun)
    return rates


def gateway(kind: str, folder: Path) -> Rates:
    rates: Rates = {}
    for name, size in SIZES.items():
        n = BACKLOG if name == "1 KB" else ALONE[name]
        own = _made(folder / f"gateway-{kind}-{size}")
        command = [str(GATEWAY), str(Path(__file__).with_name("peer_gateway.py")), kind, str(own)]
        done = subprocess.run([*command, str(size), str(n)], capture_output=True, text=True, check=True)
        seen = json.loads(done.stdout)
        rates[f"append {name}, yes"] = n / seen["yes_s"]
        rates[f"append {name}, on disk"] = n / seen["on_disk_s"]
        if name == "1 KB":
            rates["drain"] = seen["delivered"] / seen["drain_s"]
            rates["delivered of the backlog"] = seen["delivered"]
    return rates


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _rate(work: Callable[[], None], n: int) -> float:
    begun = time.perf_counter()
    for _ in range(n):
        work()
    return n / (time.perf_counter() - begun)


def stores() -> Iterator[tuple[str, Callable[[Path], Rates]]]:
    yield "ours", ours
    yield "plain SQLite", plain
    for kind in ("SQLiteAckQueue", "FIFOSQLiteQueue"):
        yield f"persist-queue {kind}", lambda folder, kind=kind: persist_queue(kind, folder)
    for kind in ("sqlite", "file"):
        if GATEWAY.exists():
            yield f"thingsboard-gateway {kind}", lambda folder, kind=kind: gateway(kind, folder)


def main() -> None:
    seen: dict[str, defaultdict[str, list[float]]] = {name: defaultdict(list) for name, _ in stores()}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(-1, ROUNDS):  # the first round warms up
            for name, work in stores():
                rates = work(_made(Path(folder) / f"{number} {name}"))
                for what, rate in rates.items() if number >= 0 else ():
                    seen[name][what].append(rate)
    own = seen.pop("ours")
    ratios = {
        name: {what: _ratio(own[what], rates[what]) for what in own if what in rates}
        for name, rates in seen.items()
    }
    acked, together = seen["persist-queue SQLiteAckQueue"], f"append 1 KB, {APPENDERS} at once"
    say(
        "station's outbox, yes after the commit, messages a second",
        "≥ 0.8 of plain SQLite and ≥ persist-queue alone; 16 at once ≥ 4 × and drain ≥ 5 × persist-queue",
        rounds=ROUNDS,
        ours=_medians(own),
        ours_16_at_once_to_persist_queue_alone=_ratio(own[together], acked["append 1 KB"]),
        ours_to=ratios,
        peers={name: _medians(rates) for name, rates in seen.items()},
        left_out=None
        if GATEWAY.exists()
        else "thingsboard-gateway: no .tools/gateway (make bench sets it up)",
        load_at_start=round(load, 2),
    )


def _ratio(own: list[float], other: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(own, other, strict=True)), 2)


def _medians(rates: dict[str, list[float]]) -> dict[str, int]:
    return {what: round(statistics.median(values)) for what, values in rates.items()}
