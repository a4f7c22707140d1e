"""What the station owes: saved when said, sent by urgency, gone only on a receipt that fits."""

import sqlite3

import pytest

from edge_agent import outbox as module
from edge_agent import outbox_rows
from edge_agent.errors import MessageTooLarge
from edge_agent.outbox import MIGRATIONS, Outbox
from edge_agent.store import Store
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
    assert frame.header.epoch == await outbox.epoch()
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
        epoch = await outbox.epoch()
        for i in range(5):
            await outbox.append(opened(f"r{i}"), "prompt", f"m{i}")
        last = (await outbox.rows())[-1]
        await outbox.apply_receipt(receipt(last))
    async with Store.open(path, KEY, MIGRATIONS) as store:
        outbox = Outbox(store, clock, "MT-0001")
        assert await outbox.epoch() == epoch
        assert [row.ref for row in await outbox.rows()] == ["m0", "m1", "m2", "m3"]
        # A number that was receipted and has left is never given again: its id would be a duplicate.
        assert (await outbox.append(opened("r5"), "prompt", "m5")).seq == last.seq + 1


async def test_a_new_file_has_a_new_epoch(tmp_path, clock):
    mids = set()
    for name in ("a", "b"):
        async with Store.open(tmp_path / name / "outbox.db", KEY, MIGRATIONS) as store:
            mids.add((await Outbox(store, clock, "MT-0001").append(opened(), "prompt", "x")).mid)
    assert len(mids) == 2


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
