"""The road to the county over real brokers: TLS both ways, receipts, silence, overtaking, the way back."""

import asyncio
import contextlib
import ssl

import aiomqtt

from edge_agent.clock import FLOOR_FILE, Clock
from edge_agent.uplink import Timing
from fakes import START_NS, FakeMachine, until
from protocols import envelope, parts, topics
from protocols.envelope import HUB, Stamp
from protocols.messages import Receipt, ReceiptItem, ReportOpened, ReportShow, StationStatus, TimeFixed
from protocols.report import Report

STATION = "MT-0001"


class CountyPeer:
    """A scripted hub at the other end: takes frames, says receipts as it is told to."""

    def __init__(self, settings):
        self.settings = settings
        self.answer = "committed"
        """What it says about each whole message; None: nothing."""
        self.held = None
        """What it answers a hello, from the messages owed; None: nothing, as an older hub."""
        self.frames = []
        """(lane, Frame), in order of arrival."""
        self.messages = {}
        """mid → message, once whole."""
        self.hellos, self.statuses, self.receipts, self.live = [], [], [], []
        self.wall_ns = 1
        """Its clock."""
        self.seq = 0

    @contextlib.asynccontextmanager
    async def connected(self):
        context = ssl.create_default_context(cafile=self.settings.ca_file)
        context.load_cert_chain(self.settings.cert_file, self.settings.key_file)
        client = aiomqtt.Client(self.settings.host, self.settings.port, tls_context=context, identifier="hub")
        async with client as self.client:
            for topic in ("up/#", "hello", "status", "live/#"):
                await client.subscribe(f"{topics.PREFIX}/+/{topic}", qos=1)
            async with asyncio.TaskGroup() as group:
                task = group.create_task(self.listen())
                try:
                    yield self
                finally:
                    task.cancel()

    async def listen(self):
        held = {}
        async for message in self.client.messages:
            topic = topics.parse(message.topic.value)
            if topic.kind == "live":
                self.live.append((topic.x, message.payload))
                continue
            frame = envelope.decode(message.payload)
            if topic.kind == "up":
                self.frames.append((topic.x, frame))
                pieces = held.setdefault(frame.header.mid, {})
                pieces[frame.k] = frame.body
                if len(pieces) == frame.n:
                    body = parts.join(pieces, frame.n, frame.header.sha256)
                    self.messages[frame.header.mid] = envelope.decode_body(frame.header.type, body)
                    if self.answer:
                        await self.say(frame.header, self.answer)
                continue
            said = envelope.decode_body(frame.header.type, frame.body)
            if topic.kind == "hello" and self.held is not None:
                items = tuple(self.held(said.owed))
                await self.publish(
                    "down_receipt", "", Receipt(items=items, wall_ns=self.wall_ns, answers=frame.header.mid)
                )
            {"hello": self.hellos, "status": self.statuses, "up_receipt": self.receipts}[topic.kind].append(
                said
            )

    async def say(self, header, st, **more):
        item = ReceiptItem(mid=header.mid, st=st, h8=header.sha256[:8], **more)
        await self.publish("down_receipt", "", Receipt(items=(item,), wall_ns=self.wall_ns))

    async def publish(self, kind, lane, message, part_bytes=16_384):
        self.seq += 1
        body = envelope.encode_body(message)
        header = envelope.header_for(message, body, sender=HUB, epoch=bytes(8), seq=self.seq, stamp=Stamp(1))
        n = parts.count(len(body), part_bytes)
        for k in range(n):
            wire = envelope.encode(header, parts.cut(body, k, part_bytes), k, n)
            await self.client.publish(topics.build(kind, STATION, lane), wire, qos=1)
        return header


async def test_there_and_back(broker, station):
    """All of it over both brokers: hello, status, messages up, receipts, report down, receipt up, goodbye."""
    async with CountyPeer(broker.settings("hub")).connected() as county:
        async with station(broker.settings(STATION)) as clinic:
            small = await clinic.append("small", "prompt")
            large = await clinic.append("large", "clinical", size=100_000)
            await clinic.received("small")
            await clinic.received("large")
            assert county.messages[small.mid].report_id == "small"
            assert county.messages[large.mid].opened_by == "x" * 100_000
            assert clinic.uplink.online
            assert (await clinic.outbox.waiting()).total == 0

            (hello,) = county.hellos
            assert hello.epoch == (await clinic.outbox.numbers())[0].epoch
            assert county.statuses[-1].online

            report = ReportShow(
                report_id="r1", exam_id="e", version=1, report=Report.model_construct(), signed_by="李",
                signed_ns=1, pdf=bytes(60_000),
            )  # fmt: skip
            header = await county.publish("down", "prompt", report)
            await until(lambda: county.receipts, "the station's receipt")
            assert [(i.mid, i.st) for i in county.receipts[0].items] == [(header.mid, "committed")]
            (received,) = await clinic.inbox.pending()
            assert received.message == report
        await until(lambda: not county.statuses[-1].online, "the station says goodbye")


def waiting(receipt_s):
    return Timing(connect_s=3, puback_s=1.0, receipt_s=receipt_s, backoff_first_s=0.05, backoff_most_s=0.1)


def frames_of(county, row):
    return [frame.k for _, frame in county.frames if frame.header.mid == row.mid]


async def test_what_lost_its_receipt_is_asked_after_and_not_sent_twice(broker, station):
    """The agent is started anew: one message had arrived whole, of another the hub holds three parts."""
    async with CountyPeer(broker.settings("hub")).connected() as county:
        county.answer = None
        async with station(broker.settings(STATION), waiting(receipt_s=20)) as clinic:
            whole = await clinic.append("whole")
            large = await clinic.append("large", size=100_000)
            await until(lambda: large.mid in county.messages, "both have arrived")
            await until(lambda: not clinic.uplink._sender.busy, "and are noted as sent")
        before = len(frames_of(county, large))
        assert before > 4
        never = "never sent before"

        def held(owed):
            assert [o.mid for o in owed] == [whole.mid, large.mid]
            assert [o.h8 for o in owed] == [whole.sha256[:8], large.sha256[:8]]
            yield ReceiptItem(mid=whole.mid, st="duplicate", h8=whole.sha256[:8])
            yield ReceiptItem(mid=large.mid, st="parts", h8=large.sha256[:8], have=(0, 1, 3))

        county.held, county.answer = held, "committed"
        async with station(broker.settings(STATION), waiting(receipt_s=20)) as clinic:
            await clinic.append(never)
            await clinic.received("whole")
            await clinic.received("large")
            await clinic.received(never)
        assert frames_of(county, whole) == [0]
        again = frames_of(county, large)[before:]
        assert again == [2, *range(4, before)][: len(again)]  # until the receipt came


async def test_a_hub_that_does_not_answer_the_hello_gets_everything_again(mosquitto, station):
    async with CountyPeer(mosquitto.settings("hub")).connected() as county:
        county.answer = None
        async with station(mosquitto.settings(STATION), waiting(receipt_s=20)) as clinic:
            row = await clinic.append("a")
            urgent = await clinic.append("u", "urgent")
            await until(lambda: {row.mid, urgent.mid} <= county.messages.keys(), "both have arrived")
        county.answer = "committed"
        async with station(mosquitto.settings(STATION), waiting(receipt_s=4)) as clinic:
            await clinic.received("u", 1.5)  # an urgent one does not wait for the answer
            assert frames_of(county, row) == [0]
            await clinic.received("a")
        assert frames_of(county, row) == [0, 0]


async def test_an_answer_that_names_another_body_deletes_nothing(mosquitto, station):
    async with CountyPeer(mosquitto.settings("hub")).connected() as county:
        county.answer = None
        async with station(mosquitto.settings(STATION), waiting(receipt_s=20)) as clinic:
            row = await clinic.append("a")
            await until(lambda: row.mid in county.messages, "it has arrived")
        county.held = lambda owed: [ReceiptItem(mid=owed[0].mid, st="duplicate", h8=bytes(8))]
        async with station(mosquitto.settings(STATION)) as clinic:
            await until(lambda: county.hellos[-1].owed, "it is asked after")
            await clinic.comes_to_be("a", "conflict")


async def test_the_answer_to_the_hello_brings_the_time_and_it_is_said_once_a_boot(
    mosquitto, station, tmp_path
):
    machine = FakeMachine(-START_NS)
    clock = Clock(tmp_path, machine)
    async with CountyPeer(mosquitto.settings("hub")).connected() as county:
        county.held, county.wall_ns = (lambda owed: ()), START_NS
        for _ in range(2):
            async with station(mosquitto.settings(STATION), clock=clock) as clinic:
                await clinic.append(f"after {len(county.hellos)}", "bulk")
                await until(
                    lambda: any(isinstance(m, ReportOpened) for m in county.messages.values()), "sent"
                )
            county.messages = {mid: m for mid, m in county.messages.items() if isinstance(m, TimeFixed)}
    (fixed,) = county.messages.values()
    assert (fixed.boot, fixed.wall_ns, fixed.mono_ns) == (machine.boot, START_NS, machine.up_ns)
    assert clock.quality == "hub"
    assert int((tmp_path / FLOOR_FILE).read_text()) == START_NS


async def test_the_broker_may_lose_everything(broker, station):
    """kill -9 the broker with a message on its way: the link comes back by itself, nothing is lost."""
    async with station(broker.settings(STATION)) as clinic:
        await until(lambda: clinic.uplink.online, "online")
        broker.stop()
        await clinic.append("a")
        await until(lambda: not clinic.uplink.online, "offline noticed")
        assert clinic.uplink.last_error
        broker.start()
        async with CountyPeer(broker.settings("hub")).connected():
            await clinic.received("a")
        assert clinic.uplink.online
        assert clinic.uplink.last_error == ""


async def test_a_station_that_dies_is_told_by_its_last_will(mosquitto, station):
    async with (
        CountyPeer(mosquitto.settings("hub")).connected() as county,
        station(mosquitto.settings(STATION)) as clinic,
    ):
        await until(lambda: clinic.uplink.online and county.statuses, "online")
        clinic.uplink._client._ready.shutdown(2)  # the cable is cut: no goodbye
        await until(lambda: any(not s.online for s in county.statuses), "the last will")
        await until(lambda: county.statuses[-1].online, "and back")


# --- silence ---


async def test_no_receipt_means_to_connect_anew_and_send_again(mosquitto, station):
    """The broker takes everything and the hub says nothing."""
    async with CountyPeer(mosquitto.settings("hub")).connected() as county:
        county.answer = None
        async with station(mosquitto.settings(STATION)) as clinic:
            row = await clinic.append("a")
            await until(lambda: len(county.hellos) >= 2, "a second hello")
            await until(lambda: len(county.frames) >= 2, "sent again")
            assert {frame.header.mid for _, frame in county.frames} == {row.mid}
            assert (await clinic.outbox.state_of("a")).state == "saved"  # a PUBACK is no receipt
            county.answer = "duplicate"
            await clinic.received("a")
            assert (await clinic.outbox.state_of("a")).attempts >= 2


# --- lanes ---


async def test_an_urgent_message_overtakes_a_large_one_in_the_middle(mosquitto, station):
    async with (
        CountyPeer(mosquitto.settings("hub")).connected() as county,
        station(mosquitto.settings(STATION), run=False) as clinic,
    ):
        large = await clinic.append("large", "bulk", size=2_000_000)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(clinic.uplink.run())
            await until(lambda: len(county.frames) >= 3, "the large one began")
            urgent = await clinic.append("urgent", "urgent")
            await clinic.received("urgent")
            await clinic.received("large")
            task.cancel()
    order = [frame.header.mid for _, frame in county.frames]
    assert order.index(urgent.mid) < len(order) - 1  # before the end of the large one
    sent = [frame.k for _, frame in county.frames if frame.header.mid == large.mid]
    assert sent == list(range(len(sent)))  # which went on where it was, nothing twice


async def test_what_has_no_receipt_is_bounded_in_bytes_and_urgent_passes(mosquitto, station):
    timing = Timing(receipt_s=30)
    async with CountyPeer(mosquitto.settings("hub")).connected() as county:
        county.answer = None
        async with station(mosquitto.settings(STATION), timing) as clinic:
            for i in range(10):
                await clinic.append(f"m{i}", "clinical", size=40_000)
            await until(lambda: len(county.messages) >= 4, "the window is full")
            await asyncio.sleep(0.3)
            assert len(county.messages) == 4  # 4 × 40 kB is the first to reach 128 KiB
            urgent = await clinic.append("urgent", "urgent")
            await until(lambda: urgent.mid in county.messages, "the urgent one")
            county.answer = "committed"
            for _, frame in list(county.frames):
                if frame.k == frame.n - 1:
                    await county.say(frame.header, "committed")
            for i in range(10):
                await clinic.received(f"m{i}")


async def test_only_missing_parts_are_sent_again(mosquitto, station):
    async with CountyPeer(mosquitto.settings("hub")).connected() as county:
        county.answer = None
        async with station(mosquitto.settings(STATION), Timing(receipt_s=30)) as clinic:
            await clinic.append("a", size=100_000)
            await until(lambda: county.messages, "whole")
            header, n = county.frames[0][1].header, county.frames[0][1].n
            first = len(county.frames)
            county.answer = "committed"
            await county.say(header, "parts", have=tuple(k for k in range(n) if k != 1))
            await clinic.received("a")
            assert [frame.k for _, frame in county.frames[first:]] == [1]


async def test_retry_and_reject(mosquitto, station):
    async with CountyPeer(mosquitto.settings("hub")).connected() as county:
        county.answer = "reject"
        async with station(mosquitto.settings(STATION)) as clinic:
            await clinic.append("bad")
            while (await clinic.outbox.state_of("bad")).state != "rejected":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            county.answer = None
            await clinic.append("later")
            await until(lambda: len(county.messages) == 2, "sent")
            await county.say(county.frames[-1][1].header, "retry", after_s=0.3)
            county.answer = "committed"
            await clinic.received("later")
            assert len(county.hellos) == 1  # all in one connection


# --- live lane, status, garbage ---


async def test_the_live_lane_is_lossy_and_never_waits(mosquitto, station):
    async with (
        CountyPeer(mosquitto.settings("hub")).connected() as county,
        station(mosquitto.settings(STATION)) as clinic,
    ):
        assert not clinic.uplink.live("ecg", b"offline")
        await until(lambda: clinic.uplink.online, "online")
        taken = [clinic.uplink.live("ecg", b"%d" % i) for i in range(100)]
        assert 0 < sum(taken) < 100
        await until(lambda: len(county.live) == sum(taken), "all that were taken")
        assert county.live[0] == ("ecg", b"0")
        assert clinic.uplink.live_dropped == 100 - sum(taken) + 1


async def test_status_on_demand(mosquitto, station):
    async with (
        CountyPeer(mosquitto.settings("hub")).connected() as county,
        station(mosquitto.settings(STATION)) as clinic,
    ):
        assert not await clinic.uplink.publish_status(StationStatus(online=True, waiting=7))
        await until(lambda: clinic.uplink.online, "online")
        assert await clinic.uplink.publish_status(StationStatus(online=True, waiting=8))
        await until(lambda: county.statuses[-1].waiting == 8, "the status")


async def test_garbage_from_the_hub_is_kept_and_the_link_holds(mosquitto, station):
    async with (
        CountyPeer(mosquitto.settings("hub")).connected() as county,
        station(mosquitto.settings(STATION)) as clinic,
    ):
        await until(lambda: clinic.uplink.online, "online")
        await county.client.publish(topics.build("down", STATION, "prompt"), b"garbage", qos=1)
        await county.client.publish(topics.build("down_receipt", STATION), b"", qos=1)
        await county.client.publish(f"mt/1/{STATION}/down/kettle", b"x", qos=1)
        wrong = ReportOpened(report_id="r", exam_id="e", opened_by="x", opened_ns=1)
        await county.publish("down_receipt", "", wrong)
        await clinic.append("a")
        await clinic.received("a")
        assert await clinic.inbox.refused() == 4
        assert len(county.hellos) == 1


def test_backoff_doubles_up_to_its_bound():
    delays = [Timing().backoff_s(failures) for failures in range(1, 40)]
    assert 0.5 <= delays[0] <= 1
    assert all(15 <= delay <= 30 for delay in delays[6:])
