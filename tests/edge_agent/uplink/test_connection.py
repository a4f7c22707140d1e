"""A broker that says nothing, or no: left in time, and with a reason an operator can act on."""

import asyncio
import contextlib
import ssl

import pytest

from edge_agent.uplink import Timing
from fakes import until

STATION = "MT-0001"


@contextlib.asynccontextmanager
async def listener(settings, talk):
    """A server with the broker's certificate and its own idea of MQTT."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=settings.ca_file)
    folder = settings.ca_file.rsplit("/", 2)[0]
    context.load_cert_chain(f"{folder}/broker/broker.crt", f"{folder}/broker/broker.key")
    context.verify_mode = ssl.CERT_REQUIRED
    connections, tasks = [], set()

    async def serve(reader, writer):
        connections.append(writer)
        tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, settings.host, settings.port, ssl=context)
    try:
        yield connections
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@pytest.fixture
def mute_settings(certificates_folder, free_port):
    from conftest import RunningBroker

    return RunningBroker("mosquitto", certificates_folder, port=free_port).settings(STATION)


async def silence(reader, writer):
    while await reader.read(4096):
        pass


async def accept_then_silence(reader, writer, granted=b"\x01"):
    """CONNACK, SUBACK and the PUBACKs of hello and status; then not a byte."""
    while True:
        first = (await reader.readexactly(1))[0]
        length = shift = 0
        while True:
            byte = (await reader.readexactly(1))[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        packet = await reader.readexactly(length)
        if first >> 4 == 1:
            writer.write(b"\x20\x02\x00\x00")
        elif first >> 4 == 8:
            writer.write(b"\x90\x03" + packet[:2] + granted)
        elif first >> 4 == 3:
            topic_length = int.from_bytes(packet[:2], "big")
            if b"/up/" not in packet[2 : 2 + topic_length]:
                writer.write(b"\x40\x02" + packet[2 + topic_length : 4 + topic_length])


@pytest.mark.parametrize("talk", [silence, accept_then_silence])
async def test_a_broker_that_accepts_and_then_says_nothing_is_left(mute_settings, station, talk):
    timing = Timing(connect_s=0.5, puback_s=0.5, receipt_s=0.5, backoff_first_s=0.02, backoff_most_s=0.05)
    async with listener(mute_settings, talk) as connections, station(mute_settings, timing) as clinic:
        await clinic.append("a")
        await until(lambda: len(connections) >= 3, "three connections")
        assert (await clinic.outbox.state_of("a")).state == "saved"


async def test_a_server_that_never_shakes_hands_is_left(mute_settings, station):
    timing = Timing(connect_s=0.3, backoff_first_s=0.02, backoff_most_s=0.05)
    accepted = []
    server = await asyncio.start_server(
        lambda _, w: accepted.append(w), mute_settings.host, mute_settings.port
    )
    async with server, station(mute_settings, timing) as clinic:
        await until(lambda: len(accepted) >= 2, "two connections")
        assert "did not answer within 0.3 s" in clinic.uplink.last_error
        assert clinic.uplink.trouble == "silent"
        for writer in accepted:
            writer.close()


# --- refusals say their reason ---


async def test_a_strangers_certificate_is_refused_and_says_so(broker, station):
    async with station(broker.settings("stranger")) as clinic:
        await until(lambda: clinic.uplink.last_error, "an error", seconds=5)
        assert "certificate" in clinic.uplink.last_error
        assert clinic.uplink.trouble == "refused"
        assert not clinic.uplink.online


async def test_a_county_that_is_not_ours_is_refused(mosquitto, station, certificates_folder):
    other = str(certificates_folder / "other" / "ca.crt")
    settings = mosquitto.settings(STATION).model_copy(update={"ca_file": other})
    async with station(settings) as clinic:
        await until(lambda: clinic.uplink.last_error, "an error")
        assert "CERTIFICATE_VERIFY_FAILED" in clinic.uplink.last_error
        assert clinic.uplink.trouble == "stranger"


async def test_a_broker_of_another_name_is_refused(mosquitto, station):
    settings = mosquitto.settings(STATION).model_copy(update={"host": "127.0.0.2"})
    async with station(settings) as clinic:
        await until(lambda: clinic.uplink.last_error, "an error")


async def test_missing_files_are_named(mute_settings, station, caplog):
    settings = mute_settings.model_copy(update={"cert_file": "/nowhere/station.crt"})
    async with station(settings) as clinic:
        await until(lambda: clinic.uplink.last_error, "an error")
        await asyncio.sleep(0.3)
        assert "/nowhere/station.crt cannot be used" in clinic.uplink.last_error
    down = [r for r in caplog.records if "is down" in r.getMessage() and r.levelname == "WARNING"]
    assert len(down) == 1  # an outage is told once, however often it is tried


async def test_a_subscription_that_is_not_granted_is_no_connection(mute_settings, station):
    def refuse(reader, writer):
        return accept_then_silence(reader, writer, granted=b"\x80")

    async with listener(mute_settings, refuse), station(mute_settings) as clinic:
        await until(lambda: clinic.uplink.last_error, "an error")
        assert "does not let this station read mt/1/MT-0001/down/#" in clinic.uplink.last_error
        assert not clinic.uplink.online


async def test_a_log_in_page_in_the_way_is_named(mute_settings, station):
    async def portal(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://wifi.example/login\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(portal, mute_settings.host, mute_settings.port)
    async with server, station(mute_settings) as clinic:
        await until(lambda: clinic.uplink.trouble, "a trouble")
        assert clinic.uplink.trouble == "portal"


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [({"host": "county.invalid"}, "name"), ({}, "network"), ({"interfaces": ("nowhere0",)}, "network")],
)
async def test_what_is_wrong_with_the_network_is_named(mute_settings, station, changes, trouble):
    async with station(mute_settings.model_copy(update=changes)) as clinic:
        await until(lambda: clinic.uplink.trouble, "a trouble", seconds=10)
        assert clinic.uplink.trouble == trouble


async def test_the_second_way_is_taken_where_the_first_is_gone(mosquitto, station):
    settings = mosquitto.settings(STATION).model_copy(update={"interfaces": ("nowhere0", "lo")})
    async with station(settings) as clinic:
        await until(lambda: clinic.uplink.online, "online")
        assert clinic.uplink.trouble == ""
