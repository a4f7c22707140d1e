"""Ingest workers on real brokers: receipts after commits, and nothing lost or doubled when one is killed."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from sqlalchemy import Engine, func
from sqlmodel import SQLModel, select
from wire import INVENTORY, NOW_NS, OTHER_STATION, STATION, Said, Sender, recording_closed
from workers import ingest_process

from fakes import until
from hub import db
from hub.clock import Clock
from hub.config import Broker, Settings
from hub.domain.message import Quarantine, ReceivedMessage
from hub.domain.recording import Recording
from hub.ingest import consumer
from hub.notices import Notices, mqtt_client
from hub.services import stations
from protocols import topics
from protocols.envelope import Stamp, decode, decode_body, encode, encode_body, header_for
from protocols.messages import Owed, Receipt, ReceiptItem, StationHello


@pytest.fixture
def county(tmp_path: Path):
    engine = db.open_engine(f"sqlite:///{tmp_path / 'hub.db'}")
    db.migrate(engine)
    with db.transaction(engine) as session:
        stations.import_inventory(session, INVENTORY, now_ns=NOW_NS)
    yield engine
    engine.dispose()


def connection(broker: Any, name: str, *, shared: bool = True) -> Broker:
    """As the hub's settings name a broker, for one of the county's certificates."""
    return Broker(shared=shared, **broker.settings(name).model_dump(exclude={"interfaces"}))


@asynccontextmanager
async def ingest(engine: Engine, broker: Any) -> AsyncIterator[Notices]:
    """One ingest worker while the block lasts."""
    settings = Settings(broker=connection(broker, "hub", shared=broker.kind == "mosquitto"))
    notices = Notices(None, "test")
    async with asyncio.TaskGroup() as tasks:
        waker = tasks.create_task(notices.run())
        worker = tasks.create_task(consumer.run(settings, engine, Clock(), notices))
        yield notices
        worker.cancel()
        waker.cancel()


class FakeStation:
    """A station reduced to its wire: sends until it is told that what it sent is committed."""

    def __init__(self, broker: Any, station_id: str = STATION) -> None:
        self._broker = connection(broker, station_id)
        self.station_id = station_id
        self.receipts: list[ReceiptItem] = []
        self.answers: dict[bytes, Receipt] = {}
        """Id of a hello → what it was answered."""
        self.news = asyncio.Event()

    @asynccontextmanager
    async def online(self) -> AsyncIterator[aiomqtt.Client]:
        async with (
            mqtt_client(self._broker, f"test-{self.station_id}", timeout=5) as client,
            asyncio.TaskGroup() as tasks,
        ):
            await client.subscribe(topics.station_subscription(self.station_id), qos=1)
            listener = tasks.create_task(self._listen(client))
            yield client
            listener.cancel()

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert message.topic.value == topics.build("down_receipt", self.station_id)
            assert isinstance(message.payload, bytes)
            frame = decode(message.payload)
            receipt = decode_body("receipt", frame.body)
            assert isinstance(receipt, Receipt)
            if receipt.answers:
                self.answers[receipt.answers] = receipt
            else:
                self.receipts += receipt.items
            self.news.set()

    def committed(self) -> set[bytes]:
        """What may leave the outbox."""
        return {item.mid for item in self.receipts if item.st in ("committed", "duplicate")}

    async def send_until_receipted(
        self, client: aiomqtt.Client, said: list[Said], *, again_s: float = 1.0, within_s: float = 40
    ) -> None:
        """Send all of it, again and again, until every one is receipted."""
        async with asyncio.timeout(within_s):
            while open_ := [s for s in said if s.mid not in self.committed()]:
                for one in open_:
                    for wire in one.frames:
                        await client.publish(one.topic(), wire, qos=1)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(again_s):
                        while any(s.mid not in self.committed() for s in open_):
                            self.news.clear()
                            await self.news.wait()


def count(engine: Engine, table: type[SQLModel]) -> int:
    with db.reading(engine) as session:
        return session.exec(select(func.count()).select_from(table)).one()


async def test_a_burst_is_committed_receipted_once_each_and_announced(county: Engine, broker: Any) -> None:
    here, there = FakeStation(broker), FakeStation(broker, OTHER_STATION)
    said = {s: [Sender(s.station_id).say(recording_closed()) for _ in range(20)] for s in (here, there)}
    async with ingest(county, broker) as notices, notices.subscribe("worklist") as woken:
        async with here.online() as one, there.online() as two, asyncio.TaskGroup() as tasks:
            tasks.create_task(here.send_until_receipted(one, said[here]))
            tasks.create_task(there.send_until_receipted(two, said[there]))
        assert await woken.wait(5)
    assert count(county, Recording) == count(county, ReceivedMessage) == 40
    assert count(county, Quarantine) == 0
    for station in (here, there):
        assert {r.mid for r in station.receipts} == {s.mid for s in said[station]}
        hashes = {s.mid: s.header.sha256[:8] for s in said[station]}
        assert all(r.h8 == hashes[r.mid] for r in station.receipts)


async def test_parts_garbage_and_refusals_are_answered(county: Engine, broker: Any) -> None:
    station = FakeStation(broker)
    sender = Sender()
    large = sender.say(recording_closed(size=90_000), part_bytes=16_384)
    broken = sender.say(recording_closed(sha256=bytes(32)))
    async with ingest(county, broker), station.online() as client:
        await station.send_until_receipted(client, [large])
        await client.publish(large.topic(), b"garbage", qos=1)
        await client.publish(broken.topic(), broken.wire, qos=1)
        await station.send_until_receipted(client, [sender.say(recording_closed())])
    assert count(county, Recording) == 2
    assert [r.code for r in station.receipts if r.st == "reject"] == ["record_hash"]
    assert any(r.st == "parts" and r.have for r in station.receipts)
    with db.reading(county) as session:
        assert sorted(session.exec(select(Quarantine.code))) == ["record_hash", "undecodable"]


async def test_a_hello_is_answered_with_what_has_arrived_even_if_that_is_nothing(
    county: Engine, broker: Any
) -> None:
    station, sender = FakeStation(broker), Sender()
    whole = sender.say(recording_closed())
    large = sender.say(recording_closed(size=60_000), part_bytes=16_384)
    asked = tuple(Owed(mid=said.mid, h8=said.header.sha256[:8]) for said in (whole, large))

    async def answer(client: aiomqtt.Client, seq: int, *owed: Owed) -> Receipt:
        hello = StationHello(epoch=sender.epoch, boot="b", version="1", owed=owed)
        body = encode_body(hello)
        header = header_for(hello, body, sender=STATION, epoch=bytes(8), seq=seq, stamp=Stamp(NOW_NS))
        async with asyncio.timeout(10):
            while header.mid not in station.answers:  # the first is lost if the hub is not there yet
                await client.publish(topics.build("hello", STATION), encode(header, body), qos=1)
                station.news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(station.news.wait(), 1)
        return station.answers[header.mid]

    async with ingest(county, broker), station.online() as client:
        assert (await answer(client, 1, *asked)).items == ()
        await station.send_until_receipted(client, [whole])
        for wire in large.frames[1:3]:
            await client.publish(large.topic(), wire, qos=1)
        await until(lambda: any(r.have == (1, 2) for r in station.receipts), "two parts have arrived")
        said = (await answer(client, 2, *asked)).items
    assert [(i.mid, i.st, i.have) for i in said] == [
        (whole.mid, "duplicate", ()),
        (large.mid, "parts", (1, 2)),
    ]


async def test_two_workers_share_the_work(county: Engine, mosquitto: Any) -> None:
    station, sender = FakeStation(mosquitto), Sender()
    said = [sender.say(recording_closed()) for _ in range(30)]
    async with ingest(county, mosquitto), ingest(county, mosquitto), station.online() as client:
        await station.send_until_receipted(client, said)
    assert count(county, Recording) == 30
    assert Counter(r.st for r in station.receipts)["committed"] == 30


async def test_the_worker_comes_back_when_the_broker_does(county: Engine, mosquitto: Any) -> None:
    station, sender = FakeStation(mosquitto), Sender()
    async with ingest(county, mosquitto):
        async with station.online() as client:
            await station.send_until_receipted(client, [sender.say(recording_closed())])
        mosquitto.stop()
        await asyncio.sleep(0.3)
        mosquitto.start()
        async with station.online() as client:
            await station.send_until_receipted(client, [sender.say(recording_closed())])
    assert count(county, Recording) == 2


async def test_what_was_not_acknowledged_comes_again_after_a_database_outage(
    county: Engine, mosquitto: Any, tmp_path: Path
) -> None:
    """The database is locked by another program: nothing is receipted until it is free."""
    station, said = FakeStation(mosquitto), Sender().say(recording_closed())
    async with ingest(county, mosquitto), station.online() as client:
        with county.begin() as connection_:
            connection_.exec_driver_sql("SELECT 1")  # BEGIN IMMEDIATE: nobody else may write
            await client.publish(said.topic(), said.wire, qos=1)
            await asyncio.sleep(0.5)
            assert station.receipts == []
        await station.send_until_receipted(client, [said], again_s=20)
    assert [r.st for r in station.receipts] == ["committed"]


@pytest.mark.faults
async def test_killing_the_worker_again_and_again_loses_and_doubles_nothing(
    county: Engine, mosquitto: Any, tmp_path: Path
) -> None:
    own = connection(mosquitto, "hub").model_dump()

    def begin() -> ForkServerProcess:
        return ingest_process(f"sqlite:///{tmp_path / 'hub.db'}", own)

    station, sender, rng = FakeStation(mosquitto), Sender(), random.Random(7)
    said = [sender.say(recording_closed(size=20_000), part_bytes=9_000) for _ in range(60)]
    worker = begin()
    killed = 0

    async def kill() -> None:
        nonlocal worker, killed
        while True:
            # At a random moment while receipts come in, which is when there is something to lose.
            goal = len(station.committed()) + rng.randrange(1, 4)
            while len(station.committed()) < goal:
                station.news.clear()
                await station.news.wait()
            await asyncio.sleep(rng.random() * 0.01)
            worker.kill()
            worker.join()
            killed += 1
            worker = begin()

    try:
        async with station.online() as client, asyncio.TaskGroup() as tasks:
            killer = tasks.create_task(kill())
            for start in range(0, len(said), 10):
                few = said[start : start + 10]
                await station.send_until_receipted(client, few, again_s=0.5, within_s=60)
            killer.cancel()
    finally:
        worker.kill()
        worker.join()
    assert killed >= 4
    assert count(county, Recording) == count(county, ReceivedMessage) == 60
    assert count(county, Quarantine) == 0
    with db.reading(county) as session:
        held = {row.mid: row.sha256 for row in session.exec(select(ReceivedMessage))}
    assert held == {s.mid: s.header.sha256 for s in said}
