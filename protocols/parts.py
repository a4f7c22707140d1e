"""A large message as parts, and what the other side still lacks of it. Pure."""

import hashlib
from collections.abc import Iterable, Mapping

from protocols.errors import DecodeError, HashMismatch

PART_BYTES = 16 * 1024
"""Default slice; measured goodput chooses smaller ones on slow links. Fixed per message at first send."""
SMALLEST_PART_BYTES = 1024


def count(size: int, part_bytes: int = PART_BYTES) -> int:
    """How many parts a body of `size` bytes makes; an empty body is one empty part."""
    if size < 0 or part_bytes < 1:
        raise ValueError("size and part_bytes must be positive")
    return max(1, -(-size // part_bytes))


def cut(body: bytes, k: int, part_bytes: int = PART_BYTES) -> bytes:
    """Slice k of the body, counted from 0."""
    return body[k * part_bytes : (k + 1) * part_bytes]


def missing(n: int, have: Iterable[int]) -> list[int]:
    """Which of n parts are not in `have`, in order."""
    held = set(have)
    return [k for k in range(n) if k not in held]


def join(parts: Mapping[int, bytes], n: int, sha256: bytes) -> bytes:
    """The whole body from all n parts.

    Raises DecodeError if a part is missing, HashMismatch if the whole is not what was hashed.
    """
    if lacking := missing(n, parts):
        raise DecodeError(f"{len(lacking)} of {n} parts are missing")
    body = b"".join(parts[k] for k in range(n))
    if hashlib.sha256(body).digest() != sha256:
        raise HashMismatch("the joined parts are not what was hashed")
    return body
