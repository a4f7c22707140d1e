"""What the hub has told the station: each message once, whole, kept until it was acted on."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.inbox import MIGRATIONS, SQL_KNOWN, SQL_PENDING, Inbox
from edge_agent.store import Store
from fakes import FakeClock
from protocols import envelope, parts
from protocols.envelope import HUB, Frame, Stamp
from protocols.messages import ReportShow
from protocols.report import Report

KEY = bytes(range(32))
EPOCH = bytes(8)


@pytest.fixture
async def store(tmp_path):
    async with Store.open(tmp_path / "inbox.db", KEY, MIGRATIONS) as opened:
        yield opened


@pytest.fixture
def inbox(store):
    return Inbox(store, FakeClock())


def report(pdf=b"%PDF"):
    return ReportShow(
        report_id="r1",
        exam_id="e1",
        version=1,
        report=Report.model_construct(),
        signed_by="李医生",
        signed_ns=1,
        pdf=pdf,
    )


def frames(message, seq=1, part_bytes=1024, type_name=None, body=None):
    body = envelope.encode_body(message) if body is None else body
    header = envelope.header_for(message, body, sender=HUB, epoch=EPOCH, seq=seq, stamp=Stamp(1))
    if type_name is not None:
        header = envelope.Header(type_name, HUB, EPOCH, seq, header.stamp, header.sha256)
    n = parts.count(len(body), part_bytes)
    return [Frame(header, k, n, parts.cut(body, k, part_bytes)) for k in range(n)]


async def test_a_message_in_one_part(inbox):
    (frame,) = frames(report(), part_bytes=100_000)
    item = await inbox.accept(frame)
    assert (item.mid, item.st, item.h8) == (frame.header.mid, "committed", frame.header.sha256[:8])
    (received,) = await inbox.pending()
    assert (received.mid, received.type, received.message.pdf) == (frame.header.mid, "report.show", b"%PDF")


async def test_parts_in_any_order_and_twice(inbox):
    pdf = random.Random(1).randbytes(10_000)
    pieces = frames(report(pdf))
    shuffled = random.Random(2).sample(pieces * 2, len(pieces) * 2)
    answers = [await inbox.accept(piece) for piece in shuffled]
    done = [a.st for a in answers if a is not None and a.st != "parts"]
    assert done[0] == "committed"
    assert set(done[1:]) <= {"duplicate"}
    (received,) = await inbox.pending()
    assert received.message.pdf == pdf


async def test_the_last_part_asks_for_what_is_lacking(inbox):
    pieces = frames(report(bytes(5_000)))
    for k in (0, 2):
        assert await inbox.accept(pieces[k]) is None
    item = await inbox.accept(pieces[-1])
    assert (item.st, item.have) == ("parts", (0, 2, len(pieces) - 1))


async def test_parts_survive_a_restart(tmp_path):
    pieces = frames(report(bytes(5_000)))
    for piece in pieces[:-1]:
        async with Store.open(tmp_path / "inbox.db", KEY, MIGRATIONS) as store:
            assert await Inbox(store, FakeClock()).accept(piece) is None
    async with Store.open(tmp_path / "inbox.db", KEY, MIGRATIONS) as store:
        inbox = Inbox(store, FakeClock())
        assert (await inbox.accept(pieces[-1])).st == "committed"
        assert len(await inbox.pending()) == 1


async def test_once_each(inbox):
    (frame,) = frames(report(), part_bytes=100_000)
    await inbox.accept(frame)
    assert (await inbox.accept(frame)).st == "duplicate"
    await inbox.done(frame.header.mid)
    assert await inbox.pending() == []
    assert (await inbox.accept(frame)).st == "duplicate"  # also long after it was done
    assert await inbox.pending() == []


async def test_the_same_id_with_other_content_is_a_conflict(inbox):
    (first,), (other,) = (frames(report(pdf), part_bytes=100_000) for pdf in (b"a", b"b"))
    assert first.header.mid == other.header.mid
    await inbox.accept(first)
    assert (await inbox.accept(other)).st == "conflict"
    assert await inbox.refused() == 1
    assert [r.message.pdf for r in await inbox.pending()] == [b"a"]


async def test_a_message_cut_anew_begins_anew(inbox):
    pdf = random.Random(3).randbytes(4_000)
    old, new = frames(report(pdf), part_bytes=1024), frames(report(pdf), part_bytes=2048)
    for piece in old[:-1]:
        await inbox.accept(piece)
    answers = [await inbox.accept(piece) for piece in new]
    assert answers[-1].st == "committed"


async def test_two_cuts_with_as_many_parts_are_asked_for_again(inbox, caplog):
    pdf = random.Random(4).randbytes(3_000)
    old, new = frames(report(pdf), part_bytes=2000), frames(report(pdf), part_bytes=2500)
    assert len(old) == len(new) == 2
    await inbox.accept(old[0])
    item = await inbox.accept(new[1])
    assert (item.st, item.have) == ("parts", ())
    assert "asking for all again" in caplog.text
    assert [(await inbox.accept(piece)) is None for piece in new] == [True, False]
    assert len(await inbox.pending()) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type_name": "kettle.boil"}, "unknown_type"),
        ({"body": b"\xa1aa\x01"}, "bad_body"),
        ({"body": b"no cbor"}, "bad_body"),
        ({"type_name": "receipt", "body": envelope.cbor2.dumps({"items": [], "wall_ns": 1})}, "message"),
    ],
)
async def test_what_cannot_be_acted_on_is_kept_and_rejected(inbox, change, code):
    (frame,) = frames(report(), part_bytes=100_000, **change)
    for _ in range(2):
        item = await inbox.accept(frame)
        assert (item.st, item.code) == ("reject", code)
    assert await inbox.pending() == []
    assert await inbox.refused() == 1


async def test_a_body_changed_on_disk_blocks_nobody(inbox, store):
    for seq in (1, 2):
        await inbox.accept(frames(report(), seq=seq, part_bytes=100_000)[0])
    await store.run(lambda db: db.execute("UPDATE body SET sealed = zeroblob(50) WHERE id = 1"))
    assert len(await inbox.pending()) == 1
    assert await inbox.refused() == 1


async def test_garbage_is_kept_for_a_person_but_not_for_ever(inbox):
    for i in range(120):
        await inbox.quarantine(b"garbage %d" % i, "undecodable")
    assert await inbox.refused() == 100


async def test_nothing_readable_lies_on_the_disk(inbox, tmp_path):
    await inbox.accept(frames(report(), part_bytes=100_000)[0])
    await inbox.accept(frames(report(b"x" * 5000), seq=2)[0])
    written = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert "李医生".encode() not in written
    assert b"xxxxxxxx" not in written


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200), cut=st.integers(1, 64), seed=st.integers(0, 9))
async def test_any_bytes_are_answered_and_kept(tmp_path_factory, body, cut, seed):
    async with Store.open(tmp_path_factory.mktemp("fuzz") / "inbox.db", KEY, MIGRATIONS) as store:
        inbox = Inbox(store, FakeClock())
        pieces = frames(report(), body=body, part_bytes=cut)
        answers = [await inbox.accept(p) for p in random.Random(seed).sample(pieces, len(pieces))]
        assert answers[-1].st == "reject"
        assert await inbox.refused() == 1


async def test_the_queries_search(store):
    for sql, arguments in ((SQL_KNOWN, (b"",)), (SQL_PENDING, ())):
        plan = await store.run(
            lambda db, s=sql, a=arguments: db.execute("EXPLAIN QUERY PLAN " + s, a).fetchall()
        )
        assert not any("TEMP B-TREE" in row[3] for row in plan)
        assert "INDEX" in plan[0][3]
