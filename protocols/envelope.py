"""Who says it, when, which number, which version: bytes on the wire ↔ Frame, body ↔ message.

One frame is one MQTT payload: a deterministic CBOR map (RFC 8949 §4.2) with integer keys. A message
larger than a part is several frames with the same header and consecutive slices of the body. The
message id follows from sender, epoch and sequence, so a cloned disk shows itself as the same id with
another hash.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import cbor2
from pydantic import ValidationError

from protocols.errors import BodyError, DecodeError, HashMismatch, UnknownType
from protocols.messages import MESSAGES, TYPE_OF, WIRE, Message
from protocols.messages import ClockQuality as ClockQuality

VERSION = 1
MAX_FRAME_BYTES = 64 * 1024
"""No frame is larger: the broker is configured with the same limit."""
MAX_PARTS = 4096
MAX_BODY_BYTES = 16 * 1024 * 1024
HUB = "hub"
"""The sender name of the county hub; a station's is its id."""

CLOCK_QUALITIES: tuple[ClockQuality, ...] = ("ntp", "hub", "rtc", "floor", "none")

_V, _MID, _TYPE, _SENDER, _EPOCH, _SEQ, _STAMP, _PART, _SHA, _BODY = range(10)
# Key 10 is kept for a body encrypted to the hub's key (COSE); not used by this version.


@dataclass(frozen=True, slots=True)
class Stamp:
    """When the sender committed the message: wall time, how good that is, and boot id with monotonic time."""

    wall_ns: int
    quality: ClockQuality = "none"
    boot: str = ""
    mono_ns: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """What is common to all parts of a message."""

    type: str
    sender: str
    epoch: bytes
    """8 random bytes made with the sender's store."""
    seq: int
    stamp: Stamp
    sha256: bytes
    """Of the whole body."""

    @property
    def mid(self) -> bytes:
        return message_id(self.sender, self.epoch, self.seq)


@dataclass(frozen=True, slots=True)
class Frame:
    """One part on the wire: part k of n (k counts from 0) and its slice of the body."""

    header: Header
    k: int
    n: int
    body: bytes


def message_id(sender: str, epoch: bytes, seq: int) -> bytes:
    """16 bytes: BLAKE2b-128 over sender, epoch and sequence."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(sender.encode() + b"\0" + epoch + seq.to_bytes(8, "big"))
    return digest.digest()


def header_for(message: Message, body: bytes, *, sender: str, epoch: bytes, seq: int, stamp: Stamp) -> Header:
    """The header of a message whose body was made by `encode_body`."""
    return Header(TYPE_OF[type(message)], sender, epoch, seq, stamp, hashlib.sha256(body).digest())


def encode_body(message: Message) -> bytes:
    """A message as deterministic CBOR, without fields that are None or Message.LATER at their default."""
    return cbor2.dumps(message.model_dump(mode="python", exclude_none=True, context=WIRE), canonical=True)


def decode_body(type_name: str, body: bytes) -> Message:
    """A whole, hash-checked body as its message.

    Raises UnknownType, or BodyError with what does not fit (never with the values: they may be a patient's).
    """
    row = MESSAGES.get(type_name)
    if row is None:
        raise UnknownType(type_name)
    try:
        fields = _load(body)
    except DecodeError as error:
        raise BodyError(f"{type_name}: body is {error}") from None
    if not isinstance(fields, dict):
        raise BodyError(f"{type_name}: body is not a map")
    try:
        message = row.body.model_validate(fields)
    except ValidationError as error:
        wrong = "; ".join(
            ".".join(str(p)[:40] for p in e["loc"]) + ": " + e["type"]
            for e in error.errors(include_input=False)[:8]
        )
        raise BodyError(f"{type_name}: {wrong}") from None
    except (RecursionError, OverflowError, TypeError) as error:
        raise BodyError(f"{type_name}: {type(error).__name__}") from None
    if _holds_nul(message.model_dump(mode="python")):
        raise BodyError(f"{type_name}: a text holds NUL, which a database cannot keep")
    return message


def encode(header: Header, body: bytes, k: int = 0, n: int = 1) -> bytes:
    """One frame: part k of n with its slice of the body."""
    stamp = header.stamp
    return cbor2.dumps(
        {
            _V: VERSION,
            _MID: header.mid,
            _TYPE: header.type,
            _SENDER: header.sender,
            _EPOCH: header.epoch,
            _SEQ: header.seq,
            _STAMP: [stamp.wall_ns, stamp.quality, stamp.boot, stamp.mono_ns],
            _PART: [k, n],
            _SHA: header.sha256,
            _BODY: body,
        },
        canonical=True,
    )


def decode(wire: bytes) -> Frame:
    """Bytes from the broker as a Frame.

    Raises DecodeError if they are no envelope of this version, HashMismatch if a one-part body is not
    what its header says.
    """
    frame = peek(wire)
    if frame.n == 1 and hashlib.sha256(frame.body).digest() != frame.header.sha256:
        raise HashMismatch(f"{frame.header.type}: the body is not what its hash says")
    return frame


def peek(wire: bytes) -> Frame:
    """As `decode`, but blind to the hash: to answer a false one takes the header. Raises DecodeError."""
    if len(wire) > MAX_FRAME_BYTES:
        raise DecodeError(f"frame of {len(wire)} bytes, the limit is {MAX_FRAME_BYTES}")
    return _frame(_load(wire))


def _load(data: bytes) -> Any:
    """Deterministic CBOR → plain data: exactly the bytes `cbor2.dumps(…, canonical=True)` makes of it.

    So nothing hides behind the end, in a repeated key or in a cycle, and one thing has one hash.
    """
    try:
        loaded = cbor2.loads(data)
        again = cbor2.dumps(loaded, canonical=True)
    except Exception as error:  # noqa: BLE001, RUF100 - cbor2 raises what its input makes it raise
        raise DecodeError(f"not CBOR ({type(error).__name__})") from None
    if again != data:
        raise DecodeError("not deterministic CBOR")
    return loaded


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list | tuple) and any(map(_holds_nul, value))


def _frame(fields: Any) -> Frame:
    if not isinstance(fields, dict):
        raise DecodeError("not a map")
    version = fields.get(_V)
    if type(version) is not int or version != VERSION:
        raise DecodeError(f"envelope version {version!r}, this is {VERSION}")
    stamp, part = fields.get(_STAMP), fields.get(_PART)
    if not (isinstance(stamp, list) and len(stamp) == 4 and isinstance(part, list) and len(part) == 2):
        raise DecodeError("stamp or part is malformed")
    wall_ns, quality, boot, mono_ns = stamp
    k, n = part
    type_name: Any = fields.get(_TYPE)
    sender: Any = fields.get(_SENDER)
    seq: Any = fields.get(_SEQ)
    epoch, sha256, body = fields.get(_EPOCH), fields.get(_SHA), fields.get(_BODY)
    if not (_is_text(type_name, 64) and _is_text(sender, 64) and _is_text(boot, 64, empty=True)):
        raise DecodeError("type, sender or boot is not a short text")
    if not (_is_count(seq) and _is_count(wall_ns) and _is_count(mono_ns) and _is_count(k) and _is_count(n)):
        raise DecodeError("a number is missing or out of range")
    if not (isinstance(epoch, bytes) and len(epoch) == 8 and isinstance(sha256, bytes) and len(sha256) == 32):
        raise DecodeError("epoch or hash has the wrong length")
    if quality not in CLOCK_QUALITIES or not isinstance(body, bytes) or not (1 <= n <= MAX_PARTS and k < n):
        raise DecodeError("clock quality, body or part number is wrong")
    header = Header(type_name, sender, epoch, seq, Stamp(wall_ns, quality, boot, mono_ns), sha256)
    if fields.get(_MID) != header.mid:
        raise DecodeError("the message id does not follow from sender, epoch and sequence")
    return Frame(header, k, n, body)


def _is_text(value: object, longest: int, *, empty: bool = False) -> bool:
    return isinstance(value, str) and (empty or bool(value)) and len(value) <= longest and "\0" not in value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
