"""Notices over a real broker: from one process's end to another's, and awake without a broker."""

import asyncio

from hub.config import Broker
from hub.notices import Notices


async def _connected(*ends: Notices) -> None:
    async with asyncio.timeout(10):
        while not all(end.connected for end in ends):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_notice_reaches_other_roles_and_a_lost_broker_is_found_again(mosquitto) -> None:
    broker = Broker(
        host=mosquitto.host,
        port=mosquitto.port,
        ca_file=mosquitto.folder / "ca" / "ca.crt",
        cert_file=mosquitto.folder / "hub" / "hub.crt",
        key_file=mosquitto.folder / "hub" / "hub.key",
    )
    one, two = Notices(broker, "one"), Notices(broker, "two")
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one.run()), tasks.create_task(two.run())]
        await _connected(one, two)
        async with two.subscribe("worklist") as worklist, two.subscribe("station") as station:
            await worklist.wait(0)
            await station.wait(0)
            await asyncio.to_thread(one.publish, "worklist", "exam-1")
            assert await worklist.wait(1.0)
            assert not await station.wait(0.05)
            mosquitto.stop()
            async with asyncio.timeout(5):
                while two.connected:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            mosquitto.start()
            await _connected(one, two)
            assert await worklist.wait(1.0)  # whatever happened meanwhile
        for task in running:
            task.cancel()


async def test_without_a_broker_this_process_is_woken_all_the_same() -> None:
    notices = Notices(None, "alone")
    notices.publish("worklist")  # before it runs: nobody to wake, no error
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(notices.run())
        async with notices.subscribe("worklist") as woken:
            await asyncio.sleep(0)
            await asyncio.to_thread(notices.publish, "worklist", "e")
            assert await woken.wait(1.0)
            assert not await woken.wait(0.01)
        running.cancel()
