"""Both brokers, real, over TLS: who may say what, and what is refused."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime

import aiomqtt
import pytest

from provisioning import broker, certificates, enrol
from provisioning.errors import BrokerMissing

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def county(tmp_path_factory):
    folder = tmp_path_factory.mktemp("county")
    enrol.make_county(folder, "示例县", NOW, broker_hosts=("127.0.0.1",))
    for name in ("MT-0001", "MT-0002"):
        certificates.make_leaf(folder / "ca", folder / "clients", name, name, NOW)
    certificates.make_ca(folder / "other", "别县", NOW)
    certificates.make_leaf(folder / "other", folder / "clients", "stranger", "MT-0001", NOW)
    return folder


@pytest.fixture(scope="module", params=["mosquitto", "embedded"])
def port(request, county):
    if request.param == "mosquitto" and not broker.find_mosquitto():
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "provisioning",
            "broker",
            str(county),
            "--port",
            str(number),
            "--use",
            request.param,
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", number), 0.2):
                break
            assert process.poll() is None, "the broker ended"
            import time

            time.sleep(0.1)
        yield number
    finally:
        process.terminate()
        process.wait(10)


def client(county, port, name, **more):
    context = ssl.create_default_context(cafile=str(county / "ca" / "ca.crt"))
    if name == "hub":
        context.load_cert_chain(county / "hub" / "hub.crt", county / "hub" / "hub.key")
    elif name:
        context.load_cert_chain(county / "clients" / f"{name}.crt", county / "clients" / f"{name}.key")
    return aiomqtt.Client(
        "127.0.0.1", port, tls_context=context, identifier=f"{name}-test", timeout=3, **more
    )


async def first(messages, seconds=2.0):
    try:
        async with asyncio.timeout(seconds):
            async for message in messages:
                return message.topic.value, message.payload
    except TimeoutError:
        return None


async def test_a_station_speaks_to_the_hub_and_is_answered(county, port):
    async with client(county, port, "hub") as hub, client(county, port, "MT-0001") as station:
        await hub.subscribe("mt/1/+/up/#", qos=1)
        await station.subscribe("mt/1/MT-0001/down/#", qos=1)
        await station.publish("mt/1/MT-0001/up/urgent", b"e" * 20_000, qos=1)
        assert await first(hub.messages) == ("mt/1/MT-0001/up/urgent", b"e" * 20_000)
        await hub.publish("mt/1/MT-0001/down/receipt", b"r", qos=1)
        assert await first(station.messages) == ("mt/1/MT-0001/down/receipt", b"r")


async def test_a_station_cannot_speak_as_another(county, port):
    async with client(county, port, "hub") as hub:
        await hub.subscribe("mt/1/#", qos=1)
        for topic in ("mt/1/MT-0002/up/urgent", "mt/1/MT-0001/down/urgent", "mt/1/hub/notice/exam"):
            with contextlib.suppress(aiomqtt.MqttError):  # a broker may close on the forger, or just drop it
                async with client(county, port, "MT-0001") as forger:
                    await forger.publish(topic, b"forged", qos=1)
        async with client(county, port, "MT-0001") as station:
            await station.publish("mt/1/MT-0001/up/urgent", b"own", qos=1)
        assert await first(hub.messages) == ("mt/1/MT-0001/up/urgent", b"own")


@pytest.mark.parametrize("topic_filter", ["mt/1/#", "mt/1/MT-0002/down/#", "mt/1/+/down/#"])
async def test_a_station_cannot_listen_to_another(county, port, topic_filter):
    async with client(county, port, "hub") as hub:
        with contextlib.suppress(aiomqtt.MqttError):
            async with client(county, port, "MT-0001") as station:
                await station.subscribe(topic_filter, qos=1)
                await hub.publish("mt/1/MT-0002/down/urgent", b"for another", qos=1)
                assert await first(station.messages, 0.5) is None


@pytest.mark.parametrize("name", ["", "stranger"])
async def test_without_a_certificate_of_this_county_nobody_gets_in(county, port, name):
    with pytest.raises((aiomqtt.MqttError, ssl.SSLError)):
        async with client(county, port, name) as stranger:
            await stranger.publish("mt/1/MT-0001/up/urgent", b"x", qos=1, timeout=2)


def test_a_broker_asked_for_by_name_and_not_there_says_what_to_install(monkeypatch):
    monkeypatch.setattr(broker, "find_mosquitto", lambda: None)
    with pytest.raises(BrokerMissing, match="apt-get install mosquitto"):
        broker.choose("mosquitto")
