"""Deliveries: in order per receiver, urgent first, again until confirmed, on a real broker to the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from sqlalchemy import Engine
from wire import INVENTORY, NOW_NS, OTHER_STATION, STATION

from fakes import FakeClock
from hub import db
from hub.clock import Clock
from hub.config import Broker, Settings
from hub.domain.delivery import Delivery
from hub.ingest import consumer
from hub.interfaces import LINKS, station_mqtt, worker
from hub.interfaces.base import LinkGone, Outgoing, SendOutcome
from hub.notices import Notices, Subscription, mqtt_client
from hub.services import deliveries, stations
from protocols import parts, topics
from protocols.envelope import Frame, Stamp, decode, decode_body, encode, encode_body, header_for
from protocols.messages import Lane, Receipt, ReceiptItem, ReceiptState, ReportShow, StationHello
from protocols.report import Report


@pytest.fixture
def county(tmp_path: Path) -> Iterator[Engine]:
    engine = db.open_engine(f"sqlite:///{tmp_path / 'hub.db'}")
    db.migrate(engine)
    with db.transaction(engine) as session:
        stations.import_inventory(session, INVENTORY, now_ns=NOW_NS)
    yield engine
    engine.dispose()


def owe(engine: Engine, ref: str, *, to: str = STATION, lane: Lane = "prompt", size: int = 10) -> int:
    report = ReportShow(
        report_id=ref,
        exam_id="e1",
        version=1,
        report=Report(findings="窦性心律"),
        signed_by="王淑芬",
        signed_ns=1,
        pdf=b"%" * size,
    )
    with db.transaction(engine) as session:
        row = deliveries.enqueue(
            session, report, receiver_kind="station", receiver_id=to, ref=ref, lane=lane, now_ns=NOW_NS
        )
        assert row.id is not None
        return row.id


def status(engine: Engine, delivery_id: int) -> str:
    with db.reading(engine) as session:
        return session.get_one(Delivery, delivery_id).status


def heads(engine: Engine, now_ns: int = NOW_NS) -> list[int]:
    with db.reading(engine) as session:
        return deliveries.due(session, "station", now_ns=now_ns)


class ScriptedLink:
    """A receiver that answers what it was told to, and remembers what it was sent."""

    def __init__(self, *answers: SendOutcome | type[LinkGone]) -> None:
        self.sent: list[int] = []
        self._answers = list(answers)
        self.all_asked = asyncio.Event()

    async def send(self, delivery: Outgoing) -> SendOutcome:
        self.sent.append(delivery.id)
        answer = self._answers.pop(0)
        if not self._answers:
            self.all_asked.set()
        if isinstance(answer, SendOutcome):
            return answer
        raise answer("gone")


async def drained(engine: Engine, link: ScriptedLink, clock: FakeClock) -> None:
    """Drain until the link has given its last answer and it is noted."""
    async with asyncio.TaskGroup() as tasks:
        draining = tasks.create_task(
            worker.drain("station", link, engine, clock, Subscription(frozenset({"delivery"})))  # type: ignore[arg-type]
        )
        async with asyncio.timeout(10):
            await link.all_asked.wait()
            await asyncio.sleep(0.2)
        draining.cancel()


def test_every_link_answers_to_its_kind() -> None:
    assert set(LINKS) == {"station"}
    assert LINKS["station"](Settings(broker=None)) is None


def test_one_at_a_time_per_receiver_the_most_urgent_first_then_the_oldest(county: Engine) -> None:
    first, second = owe(county, "r1"), owe(county, "r2")
    other = owe(county, "r3", to=OTHER_STATION)
    urgent = owe(county, "r4", lane="urgent")
    assert heads(county) == [urgent, other]
    with db.transaction(county) as session:
        deliveries.take(session, "station", now_ns=NOW_NS, limit=1)
        deliveries.mark_sent(session, urgent, now_ns=NOW_NS, next_try_ns=NOW_NS + 10)
    assert heads(county) == [other], "what stands behind an unconfirmed one waits"
    assert heads(county, NOW_NS + 10) == [urgent, other]
    with db.transaction(county) as session:
        row = session.get_one(Delivery, urgent)
        assert row.mid is not None
        assert deliveries.confirm(session, row.mid, row.sha256[:8], receiver_id=STATION, now_ns=NOW_NS)
    assert heads(county) == [first, other]
    assert second not in heads(county)


async def test_the_code_decides_what_follows(county: Engine) -> None:
    sent, refused, retried, confirmed = (owe(county, f"r{n}", to=f"MT-100{n}") for n in range(4))
    clock = FakeClock(NOW_NS)
    link = ScriptedLink(
        SendOutcome("sent", next_try_s=30),
        SendOutcome("refused", "wrong_key"),
        SendOutcome("retry", "busy", next_try_s=5),
        SendOutcome("confirmed"),
    )
    await drained(county, link, clock)
    assert link.sent == [sent, refused, retried, confirmed]
    assert [status(county, d) for d in link.sent] == ["sent", "refused", "queued", "confirmed"]
    assert heads(county) == []
    assert heads(county, NOW_NS + 5 * 10**9) == [retried]
    assert heads(county, NOW_NS + 30 * 10**9) == [sent, retried]


async def test_a_link_that_goes_leaves_the_delivery_owed(county: Engine) -> None:
    owed = owe(county, "r1")
    link = ScriptedLink(LinkGone)
    with pytest.raises(LinkGone):
        await worker.drain("station", link, county, FakeClock(NOW_NS), Subscription(frozenset()))  # type: ignore[arg-type]
    assert heads(county) == [owed]


def test_waiting_for_a_receipt_grows_with_size_and_tries_and_has_an_end() -> None:
    small, large = (station_mqtt.resend_after_s(size, 0) for size in (100, 120_000))
    assert 10 <= small < 11
    assert large == pytest.approx(40)
    assert station_mqtt.resend_after_s(100, 1) == pytest.approx(2 * small)
    assert station_mqtt.resend_after_s(10**7, 10**6) == 600


def connection(broker: Any, name: str) -> Broker:
    return Broker(
        shared=broker.kind == "mosquitto", **broker.settings(name).model_dump(exclude={"interfaces"})
    )


@asynccontextmanager
async def hub(engine: Engine, broker: Any) -> AsyncIterator[Notices]:
    """Ingest and interfaces, as one process runs them."""
    settings = Settings(broker=connection(broker, "hub"))
    notices = Notices(settings.broker, "test")
    async with asyncio.TaskGroup() as tasks:
        roles = [
            tasks.create_task(role)
            for role in (
                notices.run(),
                consumer.run(settings, engine, Clock(), notices),
                worker.run(settings, engine, Clock(), notices),
            )
        ]
        yield notices
        for role in roles:
            role.cancel()


async def next_message(client: aiomqtt.Client) -> tuple[Lane, Frame]:
    """The next delivery, whole; receipts of our own messages are passed over."""
    held: dict[int, bytes] = {}
    async for message in client.messages:
        topic = topics.parse(message.topic.value)
        if topic.kind != "down":
            continue
        assert isinstance(message.payload, bytes)
        frame = decode(message.payload)
        held[frame.k] = frame.body
        if len(held) == frame.n:
            body = parts.join(held, frame.n, frame.header.sha256)
            return topic.x, Frame(frame.header, 0, 1, body)  # type: ignore[return-value]
    raise AssertionError("the broker closed the connection")


async def say(client: aiomqtt.Client, kind: topics.Kind, message: Any) -> None:
    body = encode_body(message)
    header = header_for(message, body, sender=STATION, epoch=bytes(8), seq=1, stamp=Stamp(NOW_NS))
    await client.publish(topics.build(kind, STATION), encode(header, body), qos=1)


async def until_status(engine: Engine, delivery_id: int, expected: str, *, within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while await asyncio.to_thread(status, engine, delivery_id) != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def receipt_until(
    client: aiomqtt.Client, frame: Frame, st: ReceiptState, engine: Engine, delivery_id: int, expected: str
) -> None:
    """Say it until the hub has noted it: the ingest worker may be later at the broker than we are."""
    item = ReceiptItem(mid=frame.header.mid, st=st, h8=frame.header.sha256[:8])
    while True:
        await say(client, "up_receipt", Receipt(items=(item,), wall_ns=NOW_NS))
        with contextlib.suppress(TimeoutError):
            return await until_status(engine, delivery_id, expected, within_s=1)


@asynccontextmanager
async def station(broker: Any) -> AsyncIterator[aiomqtt.Client]:
    async with mqtt_client(connection(broker, STATION), "test-station", timeout=5) as client:
        await client.subscribe(topics.station_subscription(STATION), qos=1)
        yield client


async def test_a_report_reaches_the_station_and_its_receipt_confirms_it(county: Engine, broker: Any) -> None:
    async with station(broker) as client, hub(county, broker) as notices, asyncio.timeout(20):
        first, second = owe(county, "r1", size=50_000), owe(county, "r2", lane="urgent")
        notices.publish("delivery", STATION)
        lane, frame = await next_message(client)
        report = decode_body(frame.header.type, frame.body)
        assert isinstance(report, ReportShow)
        assert (lane, report.report_id, report.report.findings) == ("urgent", "r2", "窦性心律")
        assert frame.header.sender == "hub"
        await until_status(county, second, "sent")
        await receipt_until(client, frame, "committed", county, second, "confirmed")
        lane, frame = await next_message(client)
        assert (lane, len(frame.body) > 50_000) == ("prompt", True)
        await receipt_until(client, frame, "duplicate", county, first, "confirmed")


async def test_a_station_that_was_away_is_served_at_its_hello(county: Engine, mosquitto: Any) -> None:
    """Nobody listened when it was sent; the next try would be ten seconds away."""
    owed = owe(county, "r1")
    async with hub(county, mosquitto), asyncio.timeout(9):
        await until_status(county, owed, "sent")
        async with station(mosquitto) as client:
            await say(client, "hello", StationHello(epoch=bytes(8), boot="b", version="1"))
            _, frame = await next_message(client)
            again = frame.header.mid
            await receipt_until(client, frame, "reject", county, owed, "refused")
    with db.reading(county) as session:
        row = session.get_one(Delivery, owed)
        assert (row.mid, row.attempts, row.last_code) == (again, 2, "reject")
