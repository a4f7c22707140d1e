import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import parts
from protocols.errors import DecodeError, HashMismatch


@given(st.binary(max_size=5000), st.integers(1, 700), st.randoms())
def test_cut_and_joined_in_any_order(body, part_bytes, random):
    n = parts.count(len(body), part_bytes)
    order = list(range(n))
    random.shuffle(order)
    held: dict[int, bytes] = {}
    for k in order:
        assert k in parts.missing(n, held)
        held[k] = parts.cut(body, k, part_bytes)
        assert len(held[k]) <= part_bytes
    assert parts.missing(n, held) == []
    assert parts.join(held, n, hashlib.sha256(body).digest()) == body


@pytest.mark.parametrize(
    ("size", "part_bytes", "n"), [(0, 10, 1), (1, 10, 1), (10, 10, 1), (11, 10, 2), (32_000, 16_384, 2)]
)
def test_count(size, part_bytes, n):
    assert parts.count(size, part_bytes) == n


def test_an_empty_body_is_one_empty_part():
    assert parts.cut(b"", 0) == b""
    assert parts.join({0: b""}, 1, hashlib.sha256(b"").digest()) == b""


def test_missing_names_the_gaps_in_order():
    assert parts.missing(5, [3, 1, 9]) == [0, 2, 4]
    with pytest.raises(DecodeError, match="2 of 3"):
        parts.join({1: b""}, 3, bytes(32))


def test_a_swapped_part_is_seen():
    digest = hashlib.sha256(b"abcdef").digest()
    with pytest.raises(HashMismatch):
        parts.join({0: b"def", 1: b"abc"}, 2, digest)


@pytest.mark.parametrize(("size", "part_bytes"), [(-1, 10), (5, 0)])
def test_sizes_that_cannot_be(size, part_bytes):
    with pytest.raises(ValueError, match="positive"):
        parts.count(size, part_bytes)
