"""Live block: leads, rate, sequence, gain and samples of a moment; small, lossy, made for drawing.

The same form carries a stored trace to a browser (one large block). It is a picture, never the record.

Layout, little endian: magic "MTB1" · flags u8 · leads u8 · rate_hz u16 · uv_per_count f32 ·
first_sample u64 · samples u32 · lead ids u8 × leads · padding to 4 · int16 × samples, lead by lead.
"""

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Lead id = place in this tuple."""
MISSING = -32768
"""No data at this sample: draw a gap with its duration, never a line."""
MONITORING = 1
"""Flag: a one-way filter is on; ST may not be read (监护模式，不判 ST)."""

_HEAD = struct.Struct("<4sBBHfQI")
_MAGIC = b"MTB1"
_MOST_SAMPLES = 10_000_000


class LiveError(ValueError):
    """The bytes are no live block."""


@dataclass(frozen=True, slots=True)
class Block:
    leads: tuple[str, ...]
    rate_hz: int
    uv_per_count: float
    first_sample: int
    """Running number of the first sample; a jump is a gap."""
    counts: NDArray[np.int16]
    """(leads, samples), int16; MISSING where there is no data."""
    flags: int = 0


def to_counts(microvolts: NDArray[Any], uv_per_count: float = 1.0) -> NDArray[np.int16]:
    """(leads, samples) in µV, NaN for missing → int16 counts; what does not fit stays at the rail."""
    scaled = np.asarray(microvolts, dtype=np.float64) / uv_per_count
    counts = np.clip(np.nan_to_num(np.rint(scaled), nan=0.0, posinf=32767, neginf=-32767), -32767, 32767)
    return np.where(np.isnan(scaled), MISSING, counts).astype(np.int16)


def pack(block: Block) -> bytes:
    """Block → bytes. Raises LiveError for what has no bytes."""
    if block.counts.ndim != 2 or block.counts.shape[0] != len(block.leads):
        raise LiveError(f"{len(block.leads)} leads, samples of shape {block.counts.shape}")
    n_leads, n = block.counts.shape
    try:
        ids = bytes(LEADS.index(lead) for lead in block.leads)
        head = _HEAD.pack(
            _MAGIC, block.flags, n_leads, block.rate_hz, block.uv_per_count, block.first_sample, n
        )
    except (ValueError, struct.error, OverflowError) as error:
        raise LiveError(f"a lead or number the block has no place for: {error}") from None
    padding: bytes = b"\0" * (-(len(head) + n_leads) % 4)
    samples: bytes = np.ascontiguousarray(block.counts, dtype="<i2").tobytes()
    return head + ids + padding + samples


def unpack(data: bytes) -> Block:
    """Bytes → Block. Raises LiveError."""
    if len(data) < _HEAD.size:
        raise LiveError("shorter than its head")
    magic, flags, n_leads, rate_hz, uv_per_count, first, n = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        raise LiveError("wrong magic")
    start = _HEAD.size + n_leads
    start += -start % 4
    if n > _MOST_SAMPLES or len(data) != start + 2 * n_leads * n:
        raise LiveError("length and head disagree")
    ids = data[_HEAD.size : _HEAD.size + n_leads]
    if any(i >= len(LEADS) for i in ids) or not n_leads or rate_hz == 0:
        raise LiveError("unknown lead or rate")
    if len(set(ids)) != n_leads or not (0 < uv_per_count < math.inf):
        raise LiveError("a lead twice, or no scale")
    counts = np.frombuffer(data, dtype="<i2", offset=start).reshape(n_leads, n).astype(np.int16, copy=False)
    return Block(tuple(LEADS[i] for i in ids), rate_hz, uv_per_count, first, counts, flags)
