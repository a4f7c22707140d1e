"""The codec against tests/vectors/ecg_ads1298: whole, glued, byte by byte, garbage before and after."""

import dataclasses
import json
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.drivers.ecg_ads1298 import codec
from edge_agent.drivers.events import BadFrame, BoxInfo, Event, Samples

VECTORS = Path(__file__).parents[3] / "vectors" / "ecg_ads1298"
CASES = sorted(path.stem for path in VECTORS.glob("*.bin"))


def as_row(event: Event) -> dict:
    """An event in the form of the expected files."""
    row = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    if isinstance(event, Samples):
        del row["counts"], row["leads"]
        row |= {"samples": event.counts.T.tolist(), "electrodes_off": sorted(event.electrodes_off)}
    if isinstance(event, BoxInfo):
        row |= {"leads": list(event.leads), "rates_hz": list(event.rates_hz)}
    return {"event": type(event).__name__} | row


def decode(*pieces: bytes) -> list[dict]:
    decoder = codec.Decoder()
    return [as_row(event) for piece in pieces for event in decoder.feed(piece)]


@pytest.fixture(params=CASES)
def vector(request) -> tuple[bytes, list[dict]]:
    return (VECTORS / f"{request.param}.bin").read_bytes(), json.loads(
        (VECTORS / f"{request.param}.json").read_text()
    )


def test_whole(vector):
    wire, expected = vector
    assert decode(wire) == expected


def test_byte_by_byte(vector):
    wire, expected = vector
    assert decode(*(wire[i : i + 1] for i in range(len(wire)))) == expected


def test_glued(vector):
    wire, expected = vector
    first_half = decode(wire + wire)[: len(expected)]
    assert first_half == expected


def test_garbage_before_and_after(vector):
    wire, expected = vector
    found = decode(b"\x00\xa5\xa5\x4d\x02garbage" * 3, wire, b"\xa5\x4d\x02\xff\xff" * 9)
    assert found[0]["event"] == "BadFrame"
    good = [row for row in expected if row["event"] != "BadFrame"]
    assert [row for row in found if row["event"] != "BadFrame"] == good


def test_box_encodes_the_vector_byte_for_byte():
    rows = json.loads((VECTORS / "start.json").read_text())[-1]["samples"]
    made = (
        codec.encode_info("BOX-0001", "1.4.2", 0, [500, 1000], 1.0)
        + codec.encode_info("BOX-0001", "1.4.2", 500, [500, 1000], 1.0)
        + codec.encode_status(90, uptime_s=10)
        + codec.encode_samples(0, np.array(rows, dtype=np.int32).T)
    )
    assert made == (VECTORS / "start.bin").read_bytes()


def test_commands_as_published():
    assert codec.encode_get_info()[:5] == bytes.fromhex("a54d810000")
    assert codec.encode_start(500)[:7] == bytes.fromhex("a54d820200f401")
    box = codec.CommandDecoder()
    wire = codec.encode_get_info() + b"junk" + codec.encode_start(1000) + codec.encode_stop()
    heard = [command for i in range(len(wire)) for command in box.feed(wire[i : i + 1])]
    assert heard == [
        codec.Command(codec.GET_INFO),
        codec.Command(codec.START, 1000),
        codec.Command(codec.STOP),
    ]


def test_what_the_wire_has_no_place_for_is_refused():
    with pytest.raises(ValueError, match="no place"):
        codec.encode_info("X" * 17, "1", 500, [500], 1.0)
    with pytest.raises(ValueError, match="do not fit"):
        codec.encode_samples(0, np.zeros((8, 51), dtype=np.int32))


@given(
    st.lists(
        st.tuples(st.integers(0, 2**64 - 1), st.integers(1, 50), st.sets(st.sampled_from(codec.ELECTRODES))),
        max_size=4,
    ),
    st.integers(0, 2**32 - 1),
    st.data(),
)
def test_samples_round_trip_however_the_stream_is_cut(frames, seed, data):
    rng = np.random.default_rng(seed)
    sent = [
        (first, rng.integers(codec.COUNT_MIN, codec.COUNT_MAX + 1, (8, n), dtype=np.int32), off)
        for first, n, off in frames
    ]
    wire = codec.encode_info("B", "1", 500, [500], 1.0) + b"".join(codec.encode_samples(*s) for s in sent)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(wire)), max_size=8)))
    decoder = codec.Decoder()
    events = [e for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True) for e in decoder.feed(wire[a:b])]
    assert isinstance(events.pop(0), BoxInfo)
    assert len(events) == len(sent)
    for event, (first, counts, off) in zip(events, sent, strict=True):
        assert (event.first_sample, event.electrodes_off) == (first, off)
        np.testing.assert_array_equal(event.counts, counts)
        assert event.counts.dtype == np.int32


@given(st.binary(max_size=4000), st.integers(1, 700))
def test_garbage_is_only_ever_bad_frames_and_the_same_in_any_pieces(noise, step):
    pieces = [noise[i : i + step] for i in range(0, len(noise), step)]
    assert decode(*pieces) == decode(noise)


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_one_flipped_bit_costs_at_most_its_own_frame(place, bit):
    frames = [codec.encode_samples(i, np.full((8, 1), i, dtype=np.int32)) for i in range(6)]
    head, wire = codec.encode_info("B", "1", 500, [500], 1.0), bytearray(b"".join(frames))
    place %= len(frames[0]) * 4  # room for a length that now reaches into later frames
    wire[place] ^= 1 << bit
    tail = codec.encode_samples(99, np.zeros((8, 50), dtype=np.int32))
    firsts = [row["first_sample"] for row in decode(head, bytes(wire), tail) if row["event"] == "Samples"]
    assert firsts == [i for i in (0, 1, 2, 3, 4, 5, 99) if i != place // len(frames[0])]


def test_an_endless_stream_takes_no_memory():
    decoder, rng = codec.Decoder(), random.Random(5)
    piece = rng.randbytes(4096).replace(b"\xa5", b"\xa5\x4d\x02\xb0\x04")  # false starts of long frames
    tracemalloc.start()
    try:
        for _ in range(200):
            assert all(isinstance(event, BadFrame) for event in decoder.feed(piece))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_noise_is_reported_while_it_lasts():
    found = decode(b"x" * 5000)
    assert [row["size"] for row in found] == [1024] * 4


def test_in_step_again_within_two_frames_of_a_false_start():
    good = b"".join(codec.encode_samples(25 * i, np.zeros((8, 25), dtype=np.int32)) for i in range(4))
    head = codec.encode_info("B", "1", 500, [500], 1.0)
    false_start = b"\xa5\x4d\x02\xbc\x04"  # length 1,212
    found = [
        row["first_sample"] for row in decode(head, false_start + good[: 2 * 619]) if "first_sample" in row
    ]
    assert found == [0, 25]
