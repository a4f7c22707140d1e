import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg.leads import LEADS as ECG_LEADS
from protocols import live
from protocols.live import LEADS, MISSING, MONITORING, Block, LiveError, pack, to_counts, unpack


def block(**changes) -> Block:
    fields = {
        "leads": ("I", "V6"), "rate_hz": 500, "uv_per_count": 2.5, "first_sample": 7,
        "counts": np.array([[1, -2, MISSING], [32767, -32767, 0]], dtype=np.int16), "flags": MONITORING,
    } | changes  # fmt: skip
    return Block(**fields)


def same(one: Block, other: Block) -> bool:
    plain = [(b.leads, b.rate_hz, b.uv_per_count, b.first_sample, b.flags) for b in (one, other)]
    return plain[0] == plain[1] and np.array_equal(one.counts, other.counts)


def test_the_bytes_as_the_browser_reads_them():
    assert pack(block()).hex(" ", 4) == (
        "4d544231 0102f401 00002040 07000000 00000000 03000000 000b0000 0100feff 0080ff7f 01800000"
    )


@given(
    st.lists(st.sampled_from(LEADS), min_size=1, max_size=12, unique=True),
    st.integers(1, 65535),
    st.floats(2**-7, 1000, width=32),
    st.integers(0, 2**64 - 1),
    st.integers(0, 80),
    st.integers(0, 255),
    st.integers(0, 2**32),
)
def test_round_trip(leads, rate_hz, scale, first, n, flags, seed):
    counts = np.random.default_rng(seed).integers(-32768, 32768, (len(leads), n)).astype(np.int16)
    sent = Block(tuple(leads), rate_hz, scale, first, counts, flags)
    assert same(unpack(pack(sent)), sent)


def test_lead_ids_are_those_of_the_arithmetic():
    assert LEADS == ECG_LEADS


@given(st.binary(max_size=200))
def test_noise_is_a_live_error(noise):
    with pytest.raises(LiveError):
        unpack(noise)


@given(st.integers(0, 1000), st.integers(0, 7))
def test_a_flipped_bit_is_a_block_or_a_live_error(place, bit):
    wire = bytearray(pack(block()))
    wire[place % len(wire)] ^= 1 << bit
    with contextlib.suppress(LiveError):
        unpack(bytes(wire))


@pytest.mark.parametrize("cut", [1, 4, 28, 30, 33])
def test_a_cut_block_is_refused(cut):
    with pytest.raises(LiveError):
        unpack(pack(block())[:cut])


@pytest.mark.parametrize(
    ("offset", "form", "value"),
    [
        (5, "<B", 0), (6, "<H", 0), (8, "<f", 0.0), (8, "<f", float("nan")), (8, "<f", float("inf")),
        (8, "<f", -1.0), (20, "<I", 2**31), (24, "<B", 12), (25, "<B", 0),
    ],
)  # fmt: skip
def test_a_head_that_cannot_be_is_refused(offset, form, value):
    wire = bytearray(pack(block()))
    struct.pack_into(form, wire, offset, value)
    with pytest.raises(LiveError):
        unpack(bytes(wire))


@pytest.mark.parametrize(
    "wrong",
    [
        {"leads": ("I",)}, {"leads": ("I", "V7")}, {"rate_hz": 70_000}, {"first_sample": -1}, {"flags": 256},
        {"counts": np.zeros(4, dtype=np.int16)}, {"uv_per_count": 1e39},
    ],
)  # fmt: skip
def test_what_has_no_bytes_is_refused(wrong):
    with pytest.raises(LiveError):
        pack(block(**wrong))


def test_counts_are_rounded_kept_at_the_rail_and_gaps_stay_gaps():
    microvolts = np.array([[0.4, 2.6, -2.6, 1e9, -1e9, np.nan, np.inf, -np.inf]])
    assert to_counts(microvolts).tolist() == [[0, 3, -3, 32767, -32767, MISSING, 32767, -32767]]
    assert to_counts(np.array([[10.0]]), 2.5).tolist() == [[4]]
    assert live.to_counts(microvolts).dtype == np.int16
