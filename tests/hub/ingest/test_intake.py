"""Whatever arrives has exactly one outcome, and what was said to be committed is in the database once."""

import hashlib
import math
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, SQLModel, col, select
from wire import INVENTORY, NOW_NS, OTHER_STATION, STATION, STRANGER, Said, Sender, recording_closed

from hub import db
from hub.domain.exam import Exam
from hub.domain.message import MessagePart, Quarantine, ReceivedMessage
from hub.domain.recording import Recording, RecordingFile
from hub.domain.station import Station
from hub.ingest.handlers import HANDLERS, Arrival, Notice
from hub.ingest.intake import Incoming, Outcome, take
from hub.services import deliveries, messages, stations
from protocols import topics
from protocols.envelope import Frame, Header, Stamp, encode, encode_body, header_for, peek
from protocols.messages import (
    MESSAGES,
    Analysis,
    Message,
    Owed,
    Receipt,
    ReceiptItem,
    ReportOpened,
    ReportShow,
    StationHello,
    StationStatus,
)
from protocols.report import Report

Take = Callable[..., list[Outcome]]


@pytest.fixture
def county(engine: Engine) -> Engine:
    with db.transaction(engine) as session:
        stations.import_inventory(session, INVENTORY, now_ns=NOW_NS)
    return engine


@pytest.fixture(scope="module")
def sqlite_county(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = db.open_engine(f"sqlite:///{tmp_path_factory.mktemp('fuzz') / 'hub.db'}")
    db.migrate(engine)
    with db.transaction(engine) as session:
        stations.import_inventory(session, INVENTORY, now_ns=NOW_NS)
    yield engine
    engine.dispose()


def up(said: Said, *, lane: str = "clinical", frames: list[bytes] | None = None) -> list[Incoming]:
    return [Incoming(said.topic(lane), wire) for wire in (frames or said.frames)]  # type: ignore[arg-type]


def count(engine: Engine, table: type[SQLModel]) -> int:
    with db.reading(engine) as session:
        return session.exec(select(func.count()).select_from(table)).one()


def only_quarantined(engine: Engine) -> Quarantine:
    with db.reading(engine) as session:
        return session.exec(select(Quarantine)).one()


def quarantined(engine: Engine) -> list[Quarantine]:
    with db.reading(engine) as session:
        return list(session.exec(select(Quarantine).order_by(col(Quarantine.id))))


def states(outcomes: list[Outcome]) -> list[str | None]:
    return [o.receipt.st if o.receipt else None for o in outcomes]


def test_every_upward_type_has_a_handler_and_no_other() -> None:
    assert set(HANDLERS) == {name for name, row in MESSAGES.items() if row.direction in ("up", "both")}


def test_recording_is_committed_with_its_bytes_and_wakes_the_worklist(county: Engine) -> None:
    message = recording_closed()
    said = Sender().say(message)
    (outcome,) = take(county, up(said, lane="urgent"), now_ns=NOW_NS)
    assert outcome.receipt == ReceiptItem(mid=said.mid, st="committed", h8=said.header.sha256[:8])
    assert set(outcome.notices) == {("worklist", message.exam_id), ("exam", message.exam_id)}
    assert outcome.station_id == STATION
    with db.reading(county) as session:
        exam = session.get_one(Exam, message.exam_id)
        assert (exam.status, exam.lane, exam.level, exam.organisation_id) == (
            "pending_read",
            "urgent",
            1,
            "V1",
        )
        held = session.exec(select(RecordingFile).order_by(RecordingFile.position)).all()  # type: ignore[arg-type]
        assert [(f.name, f.data) for f in held] == [(f.name, f.data) for f in message.recording.files]
        assert session.get_one(ReceivedMessage, said.mid).state == "committed"
        assert session.get_one(Station, STATION).last_seen_ns == NOW_NS


def test_the_same_again_is_a_duplicate_in_one_batch_and_later(county: Engine) -> None:
    said = Sender().say(recording_closed())
    assert states(take(county, up(said) * 3, now_ns=NOW_NS)) == ["committed", "duplicate", "duplicate"]
    assert states(take(county, up(said), now_ns=NOW_NS + 10**18)) == ["duplicate"]
    assert count(county, Recording) == 1


def test_same_id_with_another_hash_is_a_conflict_and_both_are_kept(county: Engine) -> None:
    sender = Sender()
    first = sender.say(recording_closed())
    sender.seq -= 1
    clone = sender.say(recording_closed())
    assert first.mid == clone.mid
    assert states(take(county, up(first) + up(clone), now_ns=NOW_NS)) == ["committed", "conflict"]
    row = only_quarantined(county)
    assert (row.code, row.payload) == ("conflict", clone.wire)
    assert count(county, Recording) == 1
    assert states(take(county, up(first), now_ns=NOW_NS)) == ["duplicate"]


def test_a_second_attempt_replaces_the_shown_one_and_keeps_both(county: Engine) -> None:
    sender, first = Sender(), recording_closed()
    second = recording_closed(exam_id=first.exam_id, attempt=2, patient=first.patient)
    take(county, up(sender.say(first)) + up(sender.say(second)), now_ns=NOW_NS)
    with db.reading(county) as session:
        exam = session.get_one(Exam, first.exam_id)
        assert (exam.attempt, exam.recording_id) == (2, second.recording.recording_id)
    assert count(county, Recording) == 2


def _unknown_type() -> Said:
    said = Sender().say(recording_closed())
    return Said(replace(said.header, type="blood.drawn"), said.body)


def _false_hash() -> Said:
    said = Sender().say(recording_closed())
    return Said(replace(said.header, sha256=bytes(32)), said.body)


def _bad_body() -> Said:
    said = Sender().say(recording_closed())
    body = cbor2.dumps({"exam_id": "not / an id"})
    header = header_for(recording_closed(), body, sender=STATION, epoch=bytes(8), seq=1, stamp=Stamp(1))
    return replace(said, header=header, body=body)


def _broken_seal() -> Said:
    return Sender().say(recording_closed(sha256=bytes(32)))


def _too_big_a_number() -> Said:
    return Sender().say(recording_closed(started_ns=2**80))


def _downward() -> Said:
    return Sender().say(
        ReportShow(
            report_id="x", exam_id="x", version=1, report=Report(), signed_by="x", signed_ns=1, pdf=b""
        )
    )


def _opened_what_is_not_there() -> Said:
    return Sender().say(ReportOpened(report_id="no", exam_id="no", opened_by="x", opened_ns=1))


REFUSED: tuple[tuple[Callable[[], Said], str], ...] = (
    (_unknown_type, "unknown_type"),
    (_false_hash, "hash_mismatch"),
    (_bad_body, "bad_body"),
    (_broken_seal, "record_hash"),
    (_too_big_a_number, "bad_body"),
    (_downward, "wrong_topic"),
    (_opened_what_is_not_there, "not_found"),
    (lambda: Sender().say(StationHello(epoch=bytes(8), boot="b", version="1")), "wrong_topic"),
    (lambda: Sender(STRANGER).say(recording_closed()), "unknown_station"),
)


def test_what_cannot_be_taken_is_set_aside_and_refused(county: Engine) -> None:
    said = [make() for make, _ in REFUSED]
    good = Sender()
    incoming = [m for bad in said for m in (*up(bad), *up(good.say(recording_closed())))]
    outcomes = take(county, incoming, now_ns=NOW_NS)
    assert states(outcomes[1::2]) == ["committed"] * len(REFUSED), "poison must not spoil its neighbours"
    for bad, (_, code), outcome, row in zip(said, REFUSED, outcomes[::2], quarantined(county), strict=True):
        h8 = bad.header.sha256[:8]
        assert outcome.receipt == ReceiptItem(mid=bad.mid, st="reject", code=code, h8=h8)
        assert (row.code, row.payload, row.type) == (code, bad.wire, bad.header.type)
        assert row.station_id == bad.header.sender
        assert "李建国" not in row.reason


FALSE: tuple[tuple[str, bytes | None, str, bool], ...] = (
    (f"mt/1/{STATION}/up/clinical", b"", "undecodable", False),
    (f"mt/1/{STATION}/up/clinical", b"\xff\x00 garbage", "undecodable", False),
    (f"mt/1/{STATION}/up/clinical", bytes(70_000), "undecodable", False),
    (f"mt/1/{STATION}/up/nowhere", b"x", "bad_topic", False),
    ("elsewhere/\x00\udcff", b"x", "bad_topic", False),
    (f"mt/1/{STATION}/status", b"x", "undecodable", False),
    (f"mt/1/{OTHER_STATION}/up/clinical", None, "wrong_sender", True),
    (f"mt/1/{STATION}/hello", None, "wrong_topic", False),
    (f"mt/1/{STATION}/up/receipt", None, "wrong_topic", False),
    (f"mt/1/{STATION}/down/clinical", None, "wrong_topic", False),
)


def test_garbage_and_false_addresses_are_set_aside(county: Engine) -> None:
    wires = [Sender().say(recording_closed()).wire if p is None else p for _, p, _, _ in FALSE]
    incoming = [Incoming(topic, wire) for (topic, *_), wire in zip(FALSE, wires, strict=True)]
    outcomes = take(county, incoming, now_ns=NOW_NS)
    for (_, _, code, answered), wire, outcome, row in zip(
        FALSE, wires, outcomes, quarantined(county), strict=True
    ):
        assert (outcome.set_aside, outcome.receipt is not None) == (code, answered)
        assert (row.code, row.payload, row.size) == (code, wire, len(wire))


def test_refused_once_it_can_be_taken_later_and_is_not_set_aside_twice(county: Engine) -> None:
    said = Sender(STRANGER).say(recording_closed())
    take(county, up(said), now_ns=NOW_NS)
    with db.transaction(county) as session:
        stations.import_inventory(session, INVENTORY.replace(OTHER_STATION, STRANGER), now_ns=NOW_NS)
    assert states(take(county, up(said), now_ns=NOW_NS)) == ["committed"]
    broken = Sender().say(recording_closed(sha256=bytes(32)))
    assert states(take(county, up(broken) + up(broken), now_ns=NOW_NS)) == ["reject", "reject"]
    with db.reading(county) as session:
        assert [q.code for q in session.exec(select(Quarantine))] == ["unknown_station", "record_hash"]


def _broken_handler(session: Session, _arrival: Arrival, _message: Message) -> list[Notice]:
    session.execute(text("SELECT * FROM no_such_table"))
    return []


def test_a_handler_that_fails_sets_its_message_aside_and_its_neighbours_are_stored(
    county: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite calls it an operational error, as it calls a database that is away; PostgreSQL knows better."""
    monkeypatch.setitem(HANDLERS, "report.opened", _broken_handler)
    sender = Sender()
    said = [sender.say(recording_closed()) for _ in range(3)]
    said.insert(1, _opened_what_is_not_there())
    incoming = [m for s in said for m in up(s)]
    assert states(take(county, incoming, now_ns=NOW_NS)) == ["committed", "reject", "committed", "committed"]
    row = only_quarantined(county)
    assert (row.code, row.payload) == ("handler_error", said[1].wire)
    assert count(county, Recording) == 3


def test_a_false_hash_does_not_use_up_the_id(county: Engine) -> None:
    said = Sender().say(recording_closed())
    damaged = bytearray(said.body)
    damaged[-100] ^= 1
    assert states(take(county, up(said, frames=[encode(said.header, bytes(damaged))]), now_ns=NOW_NS)) == [
        "reject"
    ]
    assert states(take(county, up(said), now_ns=NOW_NS)) == ["committed"]


def test_parts_in_any_order_make_the_whole(county: Engine) -> None:
    message = recording_closed(size=9_000)
    said = Sender().say(message, part_bytes=2_000)
    frames = said.frames
    assert len(frames) == 6
    shuffled = [frames[k] for k in (3, 0, 0, 5, 1)]
    outcomes = take(county, up(said, frames=shuffled), now_ns=NOW_NS)
    assert states(outcomes) == ["parts"] * 5
    assert [o.receipt.have for o in outcomes if o.receipt] == [(3,), (0, 3), (0, 3), (0, 3, 5), (0, 1, 3, 5)]
    assert count(county, Recording) == 0
    assert states(take(county, up(said, frames=[frames[4], frames[2], frames[2]]), now_ns=NOW_NS)) == [
        "parts",
        "committed",
        "duplicate",
    ]
    assert count(county, MessagePart) == 0
    with db.reading(county) as session:
        held = session.get_one(
            RecordingFile, (message.recording.recording_id, message.recording.files[1].name)
        )
        assert held.data == message.recording.files[1].data


def test_parts_that_make_another_whole_are_set_aside_whole_and_may_come_again(county: Engine) -> None:
    said = Sender().say(recording_closed(size=5_000), part_bytes=3_000)
    false = [encode(said.header, bytes(len(peek(f).body)), k, 3) for k, f in enumerate(said.frames)]
    assert len(false) == 3
    assert states(take(county, up(said, frames=false), now_ns=NOW_NS)) == ["parts", "parts", "reject"]
    row = only_quarantined(county)
    assert row.code == "hash_mismatch"
    assert peek(row.payload).body == bytes(len(said.body))
    assert count(county, MessagePart) == 0
    assert states(take(county, up(said), now_ns=NOW_NS)) == ["parts", "parts", "committed"]


def test_an_unknown_type_in_parts_is_set_aside_whole(county: Engine) -> None:
    said = replace(_unknown_type(), part_bytes=500)
    assert states(take(county, up(said), now_ns=NOW_NS))[-1] == "reject"
    assert peek(only_quarantined(county).payload).body == said.body
    assert count(county, MessagePart) == 0


def test_measurements_nobody_could_compute_do_not_hold_up_an_ecg(county: Engine) -> None:
    odd = Analysis(version="0.1.0", measurements={"heart_rate": math.nan, "rr_ms": math.inf, "pr_ms": 160.0})
    message = recording_closed(analysis=odd)
    assert states(take(county, up(Sender().say(message)), now_ns=NOW_NS)) == ["committed"]
    with db.reading(county) as session:
        stored = session.get_one(Recording, message.recording.recording_id).analysis
    assert stored is not None
    assert stored["measurements"] == {"heart_rate": None, "rr_ms": None, "pr_ms": 160.0}


def say(kind: topics.Kind, message: object, station: str = STATION, *, retained: bool = False) -> Incoming:
    body = encode_body(message)  # type: ignore[arg-type]
    header = header_for(message, body, sender=station, epoch=bytes(8), seq=1, stamp=Stamp(NOW_NS))  # type: ignore[arg-type]
    return Incoming(topics.build(kind, station), encode(header, body), retained)


def test_hello_and_status_are_noted(county: Engine) -> None:
    hello = StationHello(epoch=b"12345678", boot="b", version="0.1.0", waiting={"urgent": 2, "clinical": 5})
    said = say("hello", hello)
    (outcome,) = take(county, [said], now_ns=NOW_NS)
    hello_mid = peek(said.payload).header.mid
    assert outcome == Outcome(STATION, None, (("station", STATION),), hello_mid=hello_mid)
    with db.reading(county) as session:
        row = session.get_one(Station, STATION)
        assert (row.online, row.waiting, row.epoch, row.last_seen_ns) == (True, 7, b"12345678", NOW_NS)
    take(county, [say("status", StationStatus(online=False))], now_ns=NOW_NS)
    with db.reading(county) as session:
        row = session.get_one(Station, STATION)
        assert (row.online, row.waiting) == (False, 7)


def test_what_a_station_has_saved_and_not_sent_is_missing(county: Engine) -> None:
    sender = Sender()
    said = [sender.say(recording_closed()) for _ in range(4)]
    take(county, [m for one in (said[0], said[2]) for m in up(one)], now_ns=NOW_NS)
    hello = StationHello(epoch=sender.epoch, boot="b", version="1", first_seq=2, last_seq=4, oldest_ns=5)
    take(county, [say("hello", hello)], now_ns=NOW_NS)
    with db.reading(county) as session:
        row = next(r for r in stations.listing(session, now_ns=NOW_NS) if r.station.id == STATION)
        assert (row.missing, row.missing_oldest_ns) == (2, 5)


def owed(said: Said, h8: bytes | None = None) -> Owed:
    return Owed(mid=said.mid, h8=h8 or said.header.sha256[:8])


def ask(engine: Engine, *asked: Owed, station: str = STATION) -> list[tuple[bytes, str, tuple[int, ...]]]:
    hello = StationHello(epoch=bytes(8), boot="b", version="1", owed=asked)
    (outcome,) = take(engine, [say("hello", hello, station)], now_ns=NOW_NS)
    assert (outcome.receipt, bool(outcome.hello_mid), outcome.set_aside) == (None, True, "")
    return [(item.mid, item.st, item.have) for item in outcome.held]


def test_a_hello_is_told_what_is_here_of_what_was_begun(county: Engine) -> None:
    sender = Sender()
    whole, unknown, refused = (
        sender.say(recording_closed(**changes)) for changes in ({}, {}, {"sha256": bytes(32)})
    )
    large = sender.say(recording_closed(size=60_000), part_bytes=9_000)
    take(county, [*up(whole), *up(refused), *up(large, frames=large.frames[:2])], now_ns=NOW_NS)
    asked = [owed(said) for said in (unknown, large, whole, refused)]
    assert ask(county, *asked) == [(large.mid, "parts", (0, 1)), (whole.mid, "duplicate", ())]
    assert ask(county, *asked, station=OTHER_STATION) == [], "nobody hears of another station's messages"
    assert ask(county, owed(whole, bytes(8)), owed(large, bytes(8))) == [], "another body under that id"
    take(county, up(large, frames=large.frames[2:]), now_ns=NOW_NS)
    assert ask(county, *asked)[0] == (large.mid, "duplicate", ())


FATES = st.sampled_from(["unknown", "committed", "reject", "parts", "other hash", "other station"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fates=st.lists(st.tuples(FATES, st.booleans()), min_size=1, max_size=12))
def test_what_a_station_would_delete_for_the_answer_is_committed_here(
    sqlite_county: Engine, fates: list[tuple[str, bool]]
) -> None:
    """Whatever is held or not, and whatever the station believes its messages are."""
    epoch = secrets.token_bytes(8)
    asked, rightly = [], set()
    with db.transaction(sqlite_county) as session:
        for seq, (fate, honest) in enumerate(fates, 1):
            sha256 = hashlib.sha256(epoch + bytes([seq])).digest()
            kept = bytes(32) if fate == "other hash" else sha256
            station = OTHER_STATION if fate == "other station" else STATION
            header = Header("report.opened", STATION, epoch, seq, Stamp(1), kept)
            if fate == "parts":
                messages.keep_part(session, Frame(header, 1, 3, b"b"), station, now_ns=NOW_NS)
            elif fate != "unknown":
                state = "reject" if fate == "reject" else "committed"
                messages.remember(session, header, station, state=state, now_ns=NOW_NS)
            asked.append(Owed(mid=header.mid, h8=sha256[:8] if honest else b"mistaken"))
            if fate == "committed" and honest:
                rightly.add(header.mid)
    answer = ask(sqlite_county, *asked)
    assert {mid for mid, state, _ in answer if state in ("committed", "duplicate")} == rightly
    assert {state for _, state, _ in answer} <= {"duplicate", "parts"}


def test_a_retained_status_does_not_make_an_old_word_new(county: Engine) -> None:
    old_ns = NOW_NS - 3_600 * 10**9
    old = say("status", StationStatus(online=True, at_ns=old_ns), retained=True)
    take(county, [old], now_ns=NOW_NS)
    with db.reading(county) as session:
        row = session.get_one(Station, STATION)
        assert (row.last_seen_ns, row.is_online(NOW_NS)) == (old_ns, False)


def owe(engine: Engine, receiver_id: str = STATION) -> tuple[bytes, bytes]:
    """Owe a station a report; its message id and hash."""
    report = ReportShow(
        report_id="r1", exam_id="e1", version=1, report=Report(), signed_by="x", signed_ns=1, pdf=b"%PDF"
    )
    with db.transaction(engine) as session:
        row = deliveries.enqueue(
            session,
            report,
            receiver_kind="station",
            receiver_id=receiver_id,
            ref="r1",
            lane="prompt",
            now_ns=NOW_NS,
        )
        assert row.mid is not None
        return row.mid, row.sha256[:8]


RECEIPTS: tuple[tuple[str, bytes | None, str, str], ...] = (
    ("committed", None, STATION, "confirmed"),
    ("duplicate", None, STATION, "confirmed"),
    ("committed", bytes(8), STATION, "queued"),
    ("committed", None, OTHER_STATION, "queued"),
    ("reject", None, STATION, "refused"),
    ("conflict", None, STATION, "refused"),
    ("retry", None, STATION, "queued"),
    ("retry", None, OTHER_STATION, "queued"),
    ("parts", None, STATION, "queued"),
)


def test_a_stations_receipt_confirms_only_what_it_was_owed(county: Engine) -> None:
    for st_, h8, station, status in RECEIPTS:
        mid, own_h8 = owe(county)
        item = ReceiptItem(mid=mid, st=st_, h8=h8 or own_h8, after_s=60)  # type: ignore[arg-type]
        receipt = Receipt(items=(item, item), wall_ns=NOW_NS)
        (outcome,) = take(county, [say("up_receipt", receipt, station)], now_ns=NOW_NS)
        assert not outcome.set_aside
        with db.reading(county) as session:
            row = deliveries.by_mid(session, mid)
            assert row is not None
            assert row.status == status, (st_, station)
            postponed = st_ == "retry" and station == STATION
            assert row.next_try_ns == (NOW_NS + 60 * 10**9 if postponed else 0)


def test_hello_makes_what_is_owed_due_and_wakes_the_worker(county: Engine) -> None:
    owe(county)
    (outcome,) = take(county, [say("hello", StationHello(epoch=bytes(8), boot="b", version="1"))], now_ns=1)
    assert ("delivery", STATION) in outcome.notices


def test_a_copy_committed_between_two_looks_is_a_duplicate(
    county: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender()
    take(
        county, up(sender.say(recording_closed(size=3000))), now_ns=NOW_NS
    )  # the station's row is as it stays
    message = up(sender.say(recording_closed(size=3000)))
    look, between = Session.get, []

    def get(session: Session, table: type[SQLModel], *args: object, **kwargs: object) -> object:
        found = look(session, table, *args, **kwargs)  # type: ignore[arg-type]
        if table in (Exam, Recording) and not between and county.dialect.name == "postgresql":
            between.append("once")  # SQLite lets nobody write between a read and a write
            take(county, message, now_ns=NOW_NS)
        return found

    monkeypatch.setattr(Session, "get", get)
    (outcome,) = take(county, message, now_ns=NOW_NS)
    assert outcome.receipt is not None
    assert outcome.receipt.st == ("duplicate" if between else "committed")
    assert (count(county, Recording), count(county, Quarantine)) == (2, 0)


def test_two_workers_with_the_same_messages_store_each_once(county: Engine) -> None:
    sender = Sender()
    incoming = [m for _ in range(12) for m in up(sender.say(recording_closed(size=3000), part_bytes=2_000))]
    outcomes: list[Outcome] = []

    def work(order: list[Incoming]) -> None:
        for start in range(0, len(order), 5):
            outcomes.extend(take(county, order[start : start + 5], now_ns=NOW_NS))

    threads = [threading.Thread(target=work, args=(o,)) for o in (incoming, incoming[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == 2 * len(incoming)
    assert count(county, Recording) == 12
    assert count(county, ReceivedMessage) == 12
    assert count(county, Quarantine) == 0
    said = [o.receipt for o in outcomes if o.receipt]
    assert len({r.mid for r in said if r.st == "committed"}) == 12
    assert sum(r.st == "committed" for r in said) == 12


def test_nothing_is_answered_when_the_database_is_away(tmp_path: Path) -> None:
    gone = db.open_engine(f"postgresql+psycopg://hub@/hub?host={tmp_path}")
    with pytest.raises(OperationalError):
        take(gone, up(Sender().say(recording_closed())) * 2, now_ns=NOW_NS)
    gone.dispose()


_SAID = Sender(epoch=b"fuzzfuzz").say(recording_closed(recording_id="fuzz", exam_id="fuzz"))
_TOPICS = st.sampled_from(
    [f"mt/1/{s}/{t}" for s in (STATION, STRANGER) for t in ("up/urgent", "up/receipt", "hello", "status")]
) | st.text(max_size=40)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sound frame with some bytes changed, cut or doubled."""
    wire = bytearray(_SAID.wire)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(wire) - 1))
        wire[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(wire)


@st.composite
def odd_envelopes(draw: st.DrawFn) -> bytes:
    """A sound envelope around an odd body."""
    body = cbor2.dumps(draw(st.dictionaries(st.text(max_size=10), st.none() | st.integers() | st.text())))
    header = replace(
        _SAID.header,
        type=draw(st.sampled_from([*MESSAGES, "no.such"]) | st.text(min_size=1, max_size=20)),
        seq=draw(st.integers(0, 2**63 - 1)),
        sha256=hashlib.sha256(body).digest(),
    )
    n = draw(st.integers(1, 3))
    return encode(header, body, draw(st.integers(0, n - 1)), n)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(topic=_TOPICS, wire=st.binary(max_size=300) | damaged() | odd_envelopes())
def test_any_bytes_leave_one_trace_and_a_consumer_alive(
    sqlite_county: Engine, topic: str, wire: bytes
) -> None:
    before = count(sqlite_county, Quarantine)
    (outcome,) = take(sqlite_county, [Incoming(topic, wire)], now_ns=NOW_NS)
    rows = count(sqlite_county, Quarantine) - before
    assert rows == bool(outcome.set_aside)
    assert rows or outcome.receipt is not None or outcome.station_id == STATION
