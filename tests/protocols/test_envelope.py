"""Frames: what goes in comes out, and nothing that is no frame gets past."""

import contextlib
import hashlib

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols import envelope
from protocols.envelope import (
    CLOCK_QUALITIES,
    Frame,
    Header,
    Stamp,
    decode,
    decode_body,
    encode,
    encode_body,
    header_for,
    message_id,
    peek,
)
from protocols.errors import BodyError, DecodeError, HashMismatch, MessageError, UnknownType
from protocols.messages import StationHello

EPOCH = bytes(range(8))
HELLO = StationHello(epoch=EPOCH, boot="b", version="1")
BODY = encode_body(HELLO)
HEADER = header_for(HELLO, BODY, sender="MT-0001", epoch=EPOCH, seq=5, stamp=Stamp(1, "rtc", "b", 2))

texts = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=64
)
counts = st.integers(0, 2**63 - 1)
headers = st.builds(
    Header,
    type=texts,
    sender=texts,
    epoch=st.binary(min_size=8, max_size=8),
    seq=counts,
    stamp=st.builds(Stamp, counts, st.sampled_from(CLOCK_QUALITIES), texts, counts),
    sha256=st.binary(min_size=32, max_size=32),
)


def changed(**wrong) -> bytes:
    """The frame of HELLO with keys replaced: k5=… is key 5; None takes it away."""
    fields = cbor2.loads(encode(HEADER, BODY))
    for name, value in wrong.items():
        fields[int(name[1:])] = value
    return cbor2.dumps({key: value for key, value in fields.items() if value is not None}, canonical=True)


def test_round_trip():
    assert decode(encode(HEADER, BODY)) == Frame(HEADER, 0, 1, BODY)
    assert decode_body("station.hello", BODY) == HELLO


@given(headers, st.integers(2, envelope.MAX_PARTS), st.data(), st.binary(max_size=200))
def test_any_part_round_trips(header, n, data, body):
    k = data.draw(st.integers(0, n - 1))
    assert decode(encode(header, body, k, n)) == Frame(header, k, n, body)


def test_id_follows_from_sender_epoch_and_sequence():
    assert HEADER.mid == message_id("MT-0001", EPOCH, 5)
    others = {
        message_id("MT-0002", EPOCH, 5),
        message_id("MT-0001", bytes(8), 5),
        message_id("MT-0001", EPOCH, 6),
    }
    assert HEADER.mid not in others
    assert len(others) == 3


def test_a_body_that_is_not_what_was_hashed():
    wire = encode(HEADER, BODY[:-1] + bytes([BODY[-1] ^ 1]))
    with pytest.raises(HashMismatch):
        decode(wire)
    assert peek(wire).header == HEADER


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"\xa0",
        b"\x80",
        b"\xff",
        encode(HEADER, BODY) + b"\0",  # something behind the end
        encode(HEADER, BODY)[:-1],
        b"\xbf" + encode(HEADER, BODY)[1:] + b"\xff",  # the same map, of indefinite length
        b"\xab\x00\x01" + encode(HEADER, BODY)[1:],  # a key twice
        b"\xd9\xd9\xf7" + encode(HEADER, BODY),  # tagged
        b"\xd8\x1c\x81\xd8\x1d\x00",  # a list that holds itself
        b"\x81" * 60_000,
        b"\x9b" + b"\xff" * 8,
        b"\x00" * (envelope.MAX_FRAME_BYTES + 1),
        changed(k0=2),
        changed(k0=True),
        changed(k1=bytes(16)),
        changed(k2=""),
        changed(k2="x" * 65),
        changed(k3="a\0b"),
        changed(k4=b"short"),
        changed(k5=-1),
        changed(k5=2**63),
        changed(k5=True),
        changed(k6=[1, "ntp", "b"]),
        changed(k6=[1, "atomic", "b", 2]),
        changed(k6=[1, ["ntp"], "b", 2]),
        changed(k6=[1.5, "ntp", "b", 2]),
        changed(k7=[1, 1]),
        changed(k7=[0, 0]),
        changed(k7=[0, envelope.MAX_PARTS + 1]),
        changed(k8=b""),
        changed(k9="text"),
        *(changed(**{f"k{key}": None}) for key in range(10)),
    ],
)
def test_what_is_no_frame_is_refused(wire):
    with pytest.raises(DecodeError):
        decode(wire)


def test_a_key_of_a_later_version_is_ignored():
    assert decode(changed(k10=b"sealed", k99="?")) == Frame(HEADER, 0, 1, BODY)


@given(st.binary(max_size=300))
@example(cbor2.dumps({0: 1}))
def test_noise_is_a_decode_error(noise):
    with pytest.raises(DecodeError):
        decode(noise)


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_is_seen(place, bit):
    """Type and stamp are outside the hash; everything else is caught, and nothing else is raised."""
    wire = bytearray(encode(HEADER, BODY))
    wire[place % len(wire)] ^= 1 << bit
    try:
        frame = decode(bytes(wire))
    except (DecodeError, HashMismatch):
        return
    assert frame.body == BODY
    assert (frame.header.sender, frame.header.epoch, frame.header.seq) == ("MT-0001", EPOCH, 5)


plain_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=10)
    | st.binary(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
)  # fmt: skip


@given(st.sampled_from(["station.hello", "recording.closed", "receipt", "no.such"]), plain_data)
def test_any_cbor_as_a_body_is_a_message_error_or_a_message(name, fields):
    with contextlib.suppress(MessageError):
        decode_body(name, cbor2.dumps(fields, canonical=True))


@given(st.binary(max_size=200))
def test_noise_as_a_body_is_a_body_error(noise):
    with pytest.raises(BodyError):
        decode_body("recording.closed", noise)


def test_a_type_of_a_later_version_is_said_to_be_unknown():
    with pytest.raises(UnknownType) as caught:
        decode_body("vital.measured", BODY)
    assert caught.value.type_name == "vital.measured"
    assert caught.value.code == "unknown_type"


def test_an_error_names_the_field_and_not_the_value():
    body = cbor2.dumps({"epoch": EPOCH, "boot": 5, "version": "张三 13800000000"}, canonical=True)
    with pytest.raises(BodyError, match=r"boot: string_type") as caught:
        decode_body("station.hello", body)
    assert "张三" not in str(caught.value)


def test_a_text_no_database_can_keep_is_refused():
    with pytest.raises(BodyError, match="NUL"):
        decode_body("station.hello", encode_body(StationHello(epoch=EPOCH, boot="a\0b", version="1")))


def test_hash_is_of_the_body():
    assert HEADER.sha256 == hashlib.sha256(BODY).digest()


@pytest.mark.parametrize("error", [DecodeError, HashMismatch, BodyError])
def test_codes_are_words_for_the_wire(error):
    assert error.code.replace("_", "").isalpha()
