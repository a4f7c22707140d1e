"""Transports against the real thing: a pseudo-terminal, a TCP server, a file."""

import asyncio
import os
import tty

import pytest

from edge_agent.drivers.transport import open_transport
from edge_agent.errors import TransportError, TransportGone


@pytest.fixture
def terminal():
    master, slave = os.openpty()
    tty.setraw(slave)
    open_ends = {master}
    yield master, os.ttyname(slave), open_ends
    for fd in (*open_ends, slave):
        os.close(fd)


async def read_exactly(transport, n: int) -> bytes:
    data = b""
    async with asyncio.timeout(2):
        while len(data) < n:
            data += await transport.read(n - len(data))
    return data


@pytest.mark.parametrize("scheme", ["pty", "serial"])
async def test_terminal_both_ways(terminal, scheme):
    master, path, _ = terminal
    async with open_transport(f"{scheme}:{path}") as transport:
        await transport.write(b"\x00\xffhost")
        assert os.read(master, 100) == b"\x00\xffhost"
        os.write(master, b"box\x0d\x0a\x11\x13")
        assert await read_exactly(transport, 7) == b"box\x0d\x0a\x11\x13"


async def test_terminal_waits_for_bytes(terminal):
    master, path, _ = terminal
    async with open_transport(f"pty:{path}") as transport, asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(transport.read(10))
        await asyncio.sleep(0.05)
        assert not reading.done()
        os.write(master, b"late")
        assert await reading == b"late"


async def test_unplugged_terminal_is_gone(terminal):
    master, path, open_ends = terminal
    async with open_transport(f"pty:{path}") as transport:
        os.close(master)
        open_ends.clear()
        with pytest.raises(TransportGone):
            async with asyncio.timeout(2):
                await transport.read(10)


async def test_a_port_belongs_to_one_program(terminal):
    _, path, _ = terminal
    async with open_transport(f"serial:{path}"):
        with pytest.raises(TransportError):
            async with open_transport(f"serial:{path}"):
                pass


async def test_tcp_both_ways_and_its_end():
    async def echo(reader, writer):
        writer.write(await reader.read(100))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with open_transport(f"tcp:127.0.0.1:{port}") as transport:
            await transport.write(b"hello")
            assert await read_exactly(transport, 5) == b"hello"
            with pytest.raises(TransportGone):
                await transport.read(10)


async def test_replay_gives_the_file_and_ends(tmp_path):
    (tmp_path / "box.bin").write_bytes(b"abcdef")
    async with open_transport(f"replay:{tmp_path}/box.bin") as transport:
        await transport.write(b"ignored")
        assert [await transport.read(4), await transport.read(4)] == [b"abcd", b"ef"]
        with pytest.raises(TransportGone):
            await transport.read(4)


@pytest.mark.parametrize(
    "address",
    [
        "", "serial", "tcp:", "tcp:localhost", "tcp:127.0.0.1:x", "tcp:127.0.0.1:99999", "tcp:127.0.0.1:1",
        "usb:1", "serial:/dev/no-such-port", "replay:/no/such/file",
    ],
)  # fmt: skip
async def test_an_address_that_cannot_be_opened_says_so(address):
    with pytest.raises(TransportError) as caught:
        async with open_transport(address):
            pass
    assert caught.value.address == address
