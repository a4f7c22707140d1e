"""The doubles behave as they say."""

import asyncio

import pytest

from edge_agent.errors import TransportGone
from fakes import START_NS, FakeClock, Pipe, until


def test_time_goes_by_only_when_told():
    clock = FakeClock()
    assert clock.wall_ns() == START_NS
    before = clock.mono_ns()
    clock.advance(1.5)
    assert (clock.wall_ns() - START_NS, clock.mono_ns() - before) == (1_500_000_000, 1_500_000_000)
    clock.set_wall(0)
    assert (clock.wall_ns(), clock.mono_ns() - before) == (0, 1_500_000_000)


async def test_a_pipe_loses_by_its_pattern():
    left, right = Pipe(loses=[False, True]).ends
    for chunk in (b"one", b"two", b"three", b"four"):
        await left.write(chunk)
    assert [await right.read(2), await right.read(100), await right.read(100)] == [b"on", b"e", b"three"]
    await right.write(b"always")
    assert await left.read(100) == b"always"


async def test_a_reader_waits_and_notices_the_end():
    pipe = Pipe()
    async with asyncio.TaskGroup() as group, pipe.ends[0] as left:
        read = group.create_task(pipe.ends[1].read(10))
        await asyncio.sleep(0)
        await left.write(b"late")
        assert await read == b"late"
    for work in (pipe.ends[1].read(1), pipe.ends[1].write(b"x")):
        with pytest.raises(TransportGone):
            await work


async def test_until_names_what_did_not_happen():
    await until(lambda: True, "nothing")
    with pytest.raises(AssertionError, match=r"not within 0\.02 s: a wonder"):
        await until(lambda: False, "a wonder", seconds=0.02)
