"""What the station owes: saved when said, sent by urgency, gone only on a receipt that fits."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from edge_agent import outbox as module
from edge_agent import outbox_rows
from edge_agent.errors import MessageTooLarge, StoreFull
from edge_agent.outbox import MIGRATIONS, Outbox, OutboxRow
from edge_agent.store import Quota, Store
from fakes import FakeClock
from protocols import envelope, parts
from protocols.messages import (
    LANES,
    ReceiptItem,
    ReportOpened,
    ReportShow,
    StationStatus,
)

KEY = bytes(range(32))


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
async def store(tmp_path):
    async with Store.open(tmp_path / "outbox.db", KEY, MIGRATIONS) as opened:
        yield opened


@pytest.fixture
def outbox(store, clock):
    return Outbox(store, clock, "MT-0001")


def opened(name="r1", who="zhang"):
    return ReportOpened(report_id=name, exam_id="e1", opened_by=who, opened_ns=1)


def receipt(row, st="committed", **more):
    return ReceiptItem(**({"mid": row.mid, "st": st, "h8": row.sha256[:8]} | more))


async def test_what_was_appended_is_sent_as_it_was_said(outbox, clock):
    message = opened()
    row = await outbox.append(message, "prompt", "opened-r1")
    assert (row.state, row.lane, row.type, row.ref) == ("saved", "prompt", "report.opened", "opened-r1")
    due = await outbox.next_to_send()
    ((k, wire),) = await outbox.frames(due)
    frame = envelope.decode(wire)
    assert (k, frame.k, frame.n) == (0, 0, 1)
    assert frame.header.mid == row.mid
    assert frame.header.sender == "MT-0001"
    assert frame.header.epoch == (await outbox.numbers())[0].epoch
    assert frame.header.stamp == envelope.Stamp(clock.wall_ns(), "ntp", "boot-1", clock.mono_ns())
    assert envelope.decode_body(frame.header.type, frame.body) == message


async def test_the_body_lies_sealed_on_the_disk(outbox, store, tmp_path):
    await outbox.append(opened(who="a-name-to-look-for"), "prompt", "a")
    assert not any(b"a-name-to-look-for" in p.read_bytes() for p in tmp_path.iterdir())


async def test_the_same_ref_is_appended_once(outbox):
    first = await outbox.append(opened(), "prompt", "a")
    assert await outbox.append(opened("r2"), "urgent", "a") == first
    await outbox.apply_receipt(receipt(first))
    again = await outbox.append(opened(), "prompt", "a")
    assert (again.state, again.mid, again.sha256) == ("received", first.mid, first.sha256)
    assert await outbox.next_to_send() is None


async def test_only_what_has_a_receipt_goes_through_the_outbox(outbox):
    for message in (StationStatus(online=True), ReportShow.model_construct()):
        with pytest.raises(ValueError, match="does not go through the outbox"):
            await outbox.append(message, "prompt", "a")


async def test_a_message_no_hub_would_take_is_refused(outbox, monkeypatch):
    monkeypatch.setattr(envelope, "MAX_BODY_BYTES", 10)
    with pytest.raises(MessageTooLarge):
        await outbox.append(opened(), "prompt", "a")
    assert (await outbox.waiting()).total == 0


async def test_by_lane_then_by_age_never_by_the_clock(outbox, clock):
    for i, lane in enumerate(["bulk", "clinical", "prompt", "clinical", "urgent"]):
        await outbox.append(opened(f"r{i}"), lane, f"m{i}")
        clock.set_wall(clock.wall_ns() - 86_400 * 10**9)  # and each a day before the last
    order, skip = [], []
    while (row := await outbox.next_to_send(skip=skip)) is not None:
        order.append(row.ref)
        skip.append(row.seq)
    assert order == ["m4", "m2", "m1", "m3", "m0"]
    assert (await outbox.next_to_send(lanes=("clinical",))).ref == "m1"


async def test_a_receipt_lets_the_row_go_and_keeps_the_fact(outbox, store, clock):
    row = await outbox.append(opened(), "prompt", "a")
    await outbox.mark_sent(row)
    saved_ns = clock.wall_ns()
    assert await outbox.state_of("a") == module.Fate("saved", saved_ns, None, 1, "")
    clock.advance(5)
    assert [r.ref for r in await outbox.apply_receipts([receipt(row)])] == ["a"]
    assert await outbox.state_of("a") == module.Fate("received", saved_ns, clock.wall_ns(), 1, "")
    assert await outbox.rows() == []
    assert await outbox.frames(row) == []
    assert await store.run(lambda db: db.execute("SELECT count(*) FROM body").fetchone()) == (0,)
    clock.advance(5)
    assert await outbox.apply_receipts([receipt(row, "duplicate")]) == []  # repeated: nothing more happens
    assert (await outbox.state_of("a")).received_ns == clock.wall_ns() - 5 * 10**9


async def test_duplicate_is_as_good_as_committed(outbox):
    row = await outbox.append(opened(), "prompt", "a")
    await outbox.apply_receipt(receipt(row, "duplicate"))
    assert (await outbox.state_of("a")).state == "received"


@pytest.mark.parametrize("st", ["committed", "duplicate", "reject", "parts"])
async def test_a_receipt_for_other_content_deletes_nothing(outbox, st):
    row = await outbox.append(opened(), "prompt", "a")
    await outbox.apply_receipt(receipt(row, st, h8=bytes(8)))
    assert (await outbox.state_of("a")).state == "conflict"
    await outbox.apply_receipt(receipt(row))
    assert (await outbox.state_of("a")).state == "conflict"
    assert (await outbox.waiting()).rejected == 1
    assert await outbox.requeue() == 0


async def test_a_rejected_row_is_kept_and_blocks_nobody(outbox):
    bad = await outbox.append(opened("r1"), "prompt", "bad")
    await outbox.append(opened("r2"), "prompt", "good")
    await outbox.apply_receipt(receipt(bad, "reject", code="bad_body"))
    assert (await outbox.next_to_send()).ref == "good"
    assert [(r.ref, r.state, r.code) for r in await outbox.rows()] == [
        ("bad", "rejected", "bad_body"),
        ("good", "saved", ""),
    ]
    waiting = await outbox.waiting()
    assert (waiting.total, waiting.rejected) == (1, 1)
    assert await outbox.requeue({"other"}) == 0
    assert await outbox.requeue() == 1
    assert (await outbox.next_to_send()).ref == "bad"


async def test_the_hub_has_it_after_all(outbox):
    row = await outbox.append(opened(), "prompt", "a")
    await outbox.apply_receipt(receipt(row, "reject", code="unknown_station"))
    await outbox.apply_receipt(receipt(row, "duplicate"))
    assert (await outbox.state_of("a")).state == "received"


async def test_a_row_asked_for_later_waits_by_monotonic_time(outbox, clock):
    row = await outbox.append(opened(), "prompt", "a")
    await outbox.apply_receipt(receipt(row, "retry", after_s=30))
    assert await outbox.next_to_send() is None
    assert outbox.next_due_s() == 30
    clock.set_wall(clock.wall_ns() + 3600 * 10**9)
    assert await outbox.next_to_send() is None
    clock.advance(30)
    assert (await outbox.next_to_send()).ref == "a"
    assert outbox.next_due_s() is None


async def test_unknown_ids_are_passed_over(outbox):
    assert await outbox.apply_receipts([ReceiptItem(mid=bytes(16), st="committed", h8=bytes(8))]) == []


# --- parts ---


async def test_a_large_message_goes_on_where_the_hub_left_it(outbox):
    row = await outbox.append(opened(who="x" * 5000), "clinical", "a")
    row = await outbox.next_to_send(part_bytes=1024)
    assert (row.part_bytes, row.part_count) == (1024, 5)
    assert [k for k, _ in await outbox.frames(row)] == [0, 1, 2, 3, 4]
    await outbox.apply_receipt(receipt(row, "parts", have=[0, 1, 3, 77]))
    row = await outbox.next_to_send(part_bytes=4096)  # the cut stays as it was first sent
    frames = [envelope.decode(wire) for _, wire in await outbox.frames(row)]
    assert [(frame.k, frame.n, len(frame.body)) for frame in frames] == [
        (2, 5, 1024),
        (4, 5, row.size - 4096),
    ]


async def test_parts_join_to_what_was_appended(outbox):
    message = opened(who="y" * 9000)
    await outbox.append(message, "clinical", "a")
    row = await outbox.next_to_send(part_bytes=1000)
    assert row.part_bytes == parts.SMALLEST_PART_BYTES
    frames = [envelope.decode(wire) for _, wire in await outbox.frames(row)]
    body = parts.join({f.k: f.body for f in frames}, row.part_count, row.sha256)
    assert envelope.decode_body(row.type, body) == message


async def test_a_hub_that_has_all_parts_and_did_not_commit_gets_them_again(outbox):
    row = await outbox.append(opened(who="z" * 3000), "clinical", "a")
    row = await outbox.next_to_send(part_bytes=1024)
    await outbox.apply_receipt(receipt(row, "parts", have=list(range(row.part_count))))
    assert len(await outbox.frames(await outbox.next_to_send())) == row.part_count


async def test_the_largest_message_still_fits_the_number_of_parts(outbox, monkeypatch):
    monkeypatch.setattr(envelope, "MAX_PARTS", 3)
    await outbox.append(opened(who="z" * 9000), "bulk", "a")
    row = await outbox.next_to_send(part_bytes=1024)
    assert row.part_count == 3


async def test_a_body_changed_on_disk_cannot_block_its_lane(outbox, store):
    await outbox.append(opened("r1"), "prompt", "bad")
    await outbox.append(opened("r2"), "prompt", "good")
    await store.run(lambda db: db.execute("UPDATE body SET sealed = zeroblob(100) WHERE seq = 1"))
    assert await outbox.frames(await outbox.next_to_send()) == []
    assert (await outbox.state_of("bad")).code == "damaged"
    assert (await outbox.next_to_send()).ref == "good"
    assert await outbox.requeue() == 0


# --- after a restart ---


async def test_everything_owed_is_owed_after_a_restart(tmp_path, clock):
    path = tmp_path / "outbox.db"
    async with Store.open(path, KEY, MIGRATIONS) as store:
        outbox = Outbox(store, clock, "MT-0001")
        epoch = (await outbox.numbers())[0].epoch
        for i in range(5):
            await outbox.append(opened(f"r{i}"), "prompt", f"m{i}")
        last = (await outbox.rows())[-1]
        await outbox.apply_receipt(receipt(last))
    async with Store.open(path, KEY, MIGRATIONS) as store:
        outbox = Outbox(store, clock, "MT-0001")
        assert (await outbox.numbers())[0].epoch == epoch
        assert [row.ref for row in await outbox.rows()] == ["m0", "m1", "m2", "m3"]
        # A number that was receipted and has left is never given again: its id would be a duplicate.
        assert (await outbox.append(opened("r5"), "prompt", "m5")).seq == last.seq + 1


async def test_a_new_file_has_a_new_epoch(tmp_path, clock):
    mids = set()
    for name in ("a", "b"):
        async with Store.open(tmp_path / name / "outbox.db", KEY, MIGRATIONS) as store:
            mids.add((await Outbox(store, clock, "MT-0001").append(opened(), "prompt", "x")).mid)
    assert len(mids) == 2


# --- two files ---


@pytest.fixture
async def two(tmp_path, clock):
    """An outbox of two small files, and their paths."""
    urgent, bulk = tmp_path / "urgent.db", tmp_path / "outbox.db"
    async with (
        Store.open(bulk, KEY, MIGRATIONS, Quota("clinical and bulk", 1)) as bulk_store,
        Store.open(urgent, KEY, MIGRATIONS, Quota("urgent and prompt", 1)) as urgent_store,
    ):
        yield Outbox(bulk_store, clock, "MT-0001", urgent_store)


async def fill(outbox, lane, size=9000):
    """Append, some at a time, until no more goes in; the rows that did."""
    rows = []
    while True:
        refs = [f"{lane}-{len(rows) + i}" for i in range(16)]
        appending = [outbox.append(opened(ref, who="x" * size), lane, ref) for ref in refs]
        answers = await asyncio.gather(*appending, return_exceptions=True)
        rows += [answer for answer in answers if isinstance(answer, OutboxRow)]
        refused = [answer for answer in answers if not isinstance(answer, OutboxRow)]
        assert all(isinstance(answer, StoreFull) for answer in refused)
        if refused:
            return rows


async def drain(outbox):
    """Send and receive everything, in order, as the hub would; what came, by lane and ref."""
    came = []
    while (row := await outbox.next_to_send(part_bytes=16_384)) is not None:
        frames = [envelope.decode(wire) for _, wire in await outbox.frames(row)]
        assert {frame.header.mid for frame in frames} == {row.mid}
        body = parts.join({f.k: f.body for f in frames}, row.part_count, row.sha256)
        came.append((row.lane, row.ref, envelope.decode_body(row.type, body)))
        await outbox.apply_receipt(receipt(row))
    return came


async def test_order_is_by_lane_over_both_files_and_no_two_rows_share_a_name(two, tmp_path):
    for lane in reversed(LANES):
        for i in range(2):
            await two.append(opened(f"{lane}{i}"), lane, f"{lane}{i}")
    shown = await two.rows()
    assert [row.ref for row in shown] == [f"{lane}{i}" for lane in LANES for i in range(2)]
    assert len({row.seq for row in shown}) == len({row.mid for row in shown}) == 8
    assert [row.number for row in shown] == [3, 4, 1, 2, 3, 4, 1, 2]
    assert [row.ref for row in await two.rows(most=3)] == ["urgent0", "urgent1", "prompt0"]
    assert (await two.waiting()).total == 8
    order, skip = [], []
    while (row := await two.next_to_send(skip=skip)) is not None:
        order.append(row.ref)
        skip.append(row.seq)
    assert order == [row.ref for row in shown]
    assert [(lane, ref) for lane, ref, _ in await drain(two)] == [(row.lane, row.ref) for row in shown]
    assert {ref: fate.state for ref, fate in (await two.states_of(order)).items()} == dict.fromkeys(
        order, "received"
    )
    with closing(sqlite3.connect(tmp_path / "urgent.db")) as db:
        assert db.execute("SELECT count(*) FROM received").fetchone() == (4,)


async def test_each_file_has_its_epoch_and_the_outbox_tells_that_of_its_first(two):
    urgent = await two.append(opened(), "urgent", "u")
    bulk = await two.append(opened(), "bulk", "b")
    epochs = []
    for row in (urgent, bulk):
        ((_, wire),) = await two.frames(row)
        header = envelope.decode(wire).header
        assert (header.mid, header.seq) == (row.mid, 1)
        epochs.append(header.epoch)
    assert epochs[0] != epochs[1] == (await two.numbers())[0].epoch


@pytest.mark.parametrize(
    ("lane", "holds"),
    [("urgent", "urgent and prompt"), ("prompt", "urgent and prompt"), ("bulk", "clinical and bulk")],
)
async def test_a_full_file_says_in_words_what_it_holds(two, lane, holds):
    await fill(two, lane, size=200_000)
    with pytest.raises(StoreFull, match=f"no room left for {holds} messages .their 1 MB") as caught:
        await two.append(opened(who="x" * 900_000), lane, "too much")
    assert caught.value.holds == holds
    assert await two.state_of("too much") is None


async def test_a_full_bulk_file_refuses_no_urgent_ecg_and_takes_receipts(two):
    refs = [row.ref for row in await fill(two, "bulk")]
    assert 50 < len(refs) < 120
    for i in range(5):
        await two.append(opened(f"u{i}", who="x" * 20_000), "urgent", f"u{i}")
    came = await drain(two)
    assert [ref for _, ref, _ in came] == [f"u{i}" for i in range(5)] + refs
    again = await fill(two, "clinical")
    assert len(refs) - len(again) <= 2  # what was received has made its room again


async def test_a_full_urgent_file_goes_on_too(two):
    refs = [row.ref for row in await fill(two, "urgent")]
    await two.append(opened(), "clinical", "c")
    assert [ref for _, ref, _ in await drain(two)] == [*refs, "c"]
    assert await fill(two, "prompt")


async def test_a_file_full_of_small_rows_takes_the_facts_of_their_receipts(two):
    """Deleting a small row frees no page; the fact of its receipt may need one."""
    rows = await fill(two, "bulk", size=1)
    for start in range(0, len(rows), 64):
        said = [receipt(row) for row in rows[start : start + 64]]
        assert len(await two.apply_receipts(said)) == len(said)
    assert (await two.waiting()).total == 0


async def test_a_receipt_in_the_same_commit_as_an_append_without_room_is_applied(two):
    rows = await fill(two, "bulk")
    due = await two.next_to_send()
    refused, applied = await asyncio.gather(
        two.append(opened(who="x" * 900_000), "bulk", "too much"),
        two.apply_receipts([receipt(due)]),
        return_exceptions=True,
    )
    assert isinstance(refused, StoreFull)
    assert [row.ref for row in applied] == [rows[0].ref]
    assert (await two.state_of(rows[0].ref)).state == "received"
    assert await two.state_of("too much") is None


async def test_urgent_rows_of_an_earlier_version_are_sent_in_their_lane(tmp_path, clock):
    async with Store.open(tmp_path / "outbox.db", KEY, MIGRATIONS) as old:
        before = Outbox(old, clock, "MT-0001")
        for lane in LANES:
            await before.append(opened(), lane, f"old {lane}")
        epoch = (await before.numbers())[0].epoch
    async with (
        Store.open(tmp_path / "outbox.db", KEY, MIGRATIONS) as bulk,
        Store.open(tmp_path / "urgent.db", KEY, MIGRATIONS) as urgent,
    ):
        now = Outbox(bulk, clock, "MT-0001", urgent)
        assert (await now.numbers())[0].epoch == epoch
        for lane in LANES:
            await now.append(opened(), lane, f"new {lane}")
        again = await now.append(opened("other"), "urgent", "old clinical")  # the same ref, another file
        assert (again.lane, again.mid) == ("clinical", (await now.rows())[4].mid)
        assert [ref for _, ref, _ in await drain(now)] == [
            f"{age} {lane}" for lane in LANES for age in ("old", "new")
        ]


async def test_retry_later_and_reject_are_of_the_row_that_was_meant(two, clock):
    urgent = await two.append(opened(), "urgent", "u")
    bulk = await two.append(opened(), "bulk", "b")
    assert urgent.number == bulk.number
    await two.apply_receipt(receipt(urgent, "retry", after_s=30))
    assert (await two.next_to_send()).ref == "b"
    await two.apply_receipt(receipt(bulk, "reject", code="bad_body"))
    assert await two.next_to_send() is None
    clock.advance(30)
    assert (await two.next_to_send()).ref == "u"
    await two.mark_sent(urgent)
    assert [row.attempts for row in await two.rows()] == [1, 0]
    assert await two.requeue() == 1
    assert (await two.waiting()).total == 2


async def test_a_change_in_either_file_wakes_the_sender(two):
    for lane in ("urgent", "bulk"):
        seen = two.changed.rung
        await two.append(opened(), lane, lane)
        assert await two.changed.wait(seen, 5) > seen


@pytest.mark.parametrize("damaged", ["urgent.db", "outbox.db"])
async def test_one_damaged_file_is_set_aside_and_the_other_goes_on(tmp_path, clock, damaged):
    async def both(use):
        async with (
            Store.open(tmp_path / "outbox.db", KEY, MIGRATIONS) as bulk,
            Store.open(tmp_path / "urgent.db", KEY, MIGRATIONS) as urgent,
        ):
            return await use(Outbox(bulk, clock, "MT-0001", urgent))

    async def say(outbox):
        return [await outbox.append(opened(), lane, lane) for lane in ("urgent", "bulk")]

    await both(say)
    (tmp_path / damaged).write_bytes(b"no database at all" * 1000)
    kept = await both(lambda outbox: outbox.rows())
    assert [row.ref for row in kept] == (["bulk"] if damaged == "urgent.db" else ["urgent"])
    assert [path.name for path in (tmp_path / "quarantine").iterdir()] == [f"{damaged}.1"]
    first, second = await both(say)
    assert {first.ref, second.ref} == {"urgent", "bulk"}


@pytest.mark.parametrize(("lane", "broken"), [("urgent", "_store"), ("bulk", "_urgent")])
async def test_a_file_that_fails_at_work_refuses_nothing_to_the_other(two, lane, broken):
    await getattr(two, broken).run(lambda db: db.execute("DROP TABLE received"))
    row = await two.append(opened(), lane, "a")
    assert len(await two.frames(row)) == 1


# --- retention ---

DAY_S = 86_400


async def test_old_facts_are_forgotten_and_their_pages_given_back(outbox, store, clock):
    for i in range(300):
        await outbox.append(opened(f"r{i}"), "prompt", f"old {i}" + "x" * 200)
    kept = [await outbox.append(opened(), "prompt", ref) for ref in ("rejected", "conflict")]
    await outbox.apply_receipts([
        receipt(kept[0], "reject", code="bad_body"),
        receipt(kept[1], "conflict"),
        *(receipt(row) for row in (await outbox.rows()) if row.ref.startswith("old")),
    ])  # fmt: skip
    clock.advance(200 * DAY_S)
    await outbox.apply_receipt(receipt(await outbox.append(opened(), "prompt", "new")))
    await outbox.append(opened(), "prompt", "owed")
    clock.advance(DAY_S)

    assert await outbox.thin(365) == 0
    assert await outbox.thin(150) == 300

    assert [row.state for row in await outbox.rows()] == ["rejected", "conflict", "saved"]
    assert (await outbox.state_of("new")).state == "received"
    assert await outbox.state_of("old 1" + "x" * 200) is None
    assert await store.run(lambda db: db.execute("PRAGMA freelist_count").fetchone()) == (0,)


async def test_nothing_younger_than_the_floor_is_forgotten(outbox, clock):
    await outbox.apply_receipt(receipt(await outbox.append(opened(), "prompt", "a")))
    clock.advance(89 * DAY_S)
    await outbox.apply_receipt(receipt(await outbox.append(opened(), "prompt", "b")))
    assert await outbox.thin(0) == 0
    clock.advance(2 * DAY_S)
    assert await outbox.thin(0) == 0  # nothing came since: a clock that only runs forgets nothing
    await outbox.apply_receipt(receipt(await outbox.append(opened(), "prompt", "c")))
    assert await outbox.thin(0) == 1


async def test_a_clock_that_jumped_forgets_nothing(outbox, clock):
    await outbox.apply_receipt(receipt(await outbox.append(opened(), "prompt", "a")))
    clock.set_wall(clock.wall_ns() + 4000 * DAY_S * 10**9)
    assert await outbox.thin(90) == 0
    clock.set_wall(0)
    assert await outbox.thin(90) == 0


# --- what is shown ---


async def test_waiting_per_lane(outbox, clock):
    first_ns = clock.wall_ns()
    for i in range(3):
        await outbox.append(opened(f"r{i}"), "prompt", f"m{i}")
        clock.advance(10)
    await outbox.append(opened("r9"), "urgent", "m9")
    waiting = await outbox.waiting()
    assert waiting.total == 4
    assert waiting.oldest_ns == first_ns
    assert waiting.lanes["prompt"] == module.LaneWaiting(3, first_ns)
    assert waiting.lanes["urgent"] == module.LaneWaiting(1, clock.wall_ns())
    assert set(waiting.lanes) == {"prompt", "urgent"}


async def test_many_fates_at_once(outbox):
    await outbox.append(opened(), "prompt", "a")
    assert set(await outbox.states_of(["a", "b"])) == {"a"}
    assert await outbox.state_of("b") is None


# --- query plans ---


@pytest.mark.parametrize(
    ("sql", "arguments", "plan"),
    [
        (
            outbox_rows.SQL_DUE,
            (0, 0),
            "SEARCH message USING INDEX message_due (state=? AND lane=? AND seq>?)",
        ),
        (outbox_rows.SQL_BY_MID, (b"",), "SEARCH message USING INDEX sqlite_autoindex_message_1 (mid=?)"),
        (outbox_rows.SQL_BY_REF, ("",), "SEARCH message USING INDEX sqlite_autoindex_message_2 (ref=?)"),
        (outbox_rows.SQL_WAITING, (), "SEARCH message USING COVERING INDEX message_due (state=?)"),
        (outbox_rows.SQL_KEPT, (), "SEARCH message USING COVERING INDEX message_due (state=?)"),
        (outbox_rows.SQL_RECEIVED, ("",), "SEARCH received USING PRIMARY KEY (ref=?)"),
        (outbox_rows.SQL_BODY, (1,), "SEARCH message USING INTEGER PRIMARY KEY (rowid=?)"),
    ],
)
async def test_the_hot_queries_search_and_never_scan_or_sort(store, sql, arguments, plan):
    text = "EXPLAIN QUERY PLAN " + sql.format(columns=outbox_rows.COLUMNS)
    steps = [row[3] for row in await store.run(lambda db: db.execute(text, arguments).fetchall())]
    assert steps[0] == plan
    assert all("SCAN" not in step and "TEMP B-TREE" not in step for step in steps)


async def test_marking_a_row_does_not_write_its_body_again(outbox, store, tmp_path):
    row = await outbox.append(opened(who="x" * 500_000), "clinical", "a")
    await store.run(lambda db: None)
    wal = tmp_path / "outbox.db-wal"
    with sqlite3.connect(store.path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    await outbox.mark_sent(row)
    assert 0 < wal.stat().st_size < 20_000


def test_lanes_are_stored_by_their_place():
    assert LANES == ("urgent", "prompt", "clinical", "bulk")  # outboxes in the field hold these numbers
