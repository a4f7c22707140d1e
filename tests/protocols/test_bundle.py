"""Bundles: what goes in comes out for the one who has the key, and nothing else comes out of anything."""

import contextlib
import hashlib
import hmac
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import example, given
from hypothesis import strategies as st

from protocols import bundle
from protocols.bundle import CHUNK_BYTES, Entry
from protocols.envelope import MAX_FRAME_BYTES
from protocols.errors import BundleError
from protocols.messages import LANES

VECTOR = Path(__file__).parents[1] / "vectors" / "bundle" / "three_lanes.bundle"
HUB = X25519PrivateKey.from_private_bytes(bytes(range(32)))
OWN = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
OTHER = X25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
SOME = [Entry("urgent", b"first"), Entry("prompt", b""), Entry("bulk", bytes(range(256)) * 4)]

entries = st.lists(st.builds(Entry, st.sampled_from(LANES), st.binary(max_size=300)), max_size=20)


def written(some=SOME, to=HUB):
    return b"".join(bundle.write(some, to.public_key(), own=OWN))


def sealed(chunks):
    """A file of chunks as only the holder of the key could make it: (plain, last, length or None)."""
    whole = written([])
    header, cipher = whole[:41], bundle._cipher(OWN.exchange(HUB.public_key()), whole[:41], HUB.public_key())
    made = header
    for number, (plain, last, length) in enumerate(chunks):
        chunk = cipher.encrypt(bundle._nonce(number, last=last), plain, header)
        made += (len(chunk) if length is None else length).to_bytes(4, "big") + chunk
    return made


@given(entries, st.integers(1, 5000))
@example([Entry("bulk", bytes(MAX_FRAME_BYTES))] * 3, 5000)
@example([Entry("clinical", bytes(CHUNK_BYTES - 5))], 4096)
@example([Entry("clinical", bytes(CHUNK_BYTES - 5)), Entry("bulk", b"")], 4096)
def test_what_goes_in_comes_out_however_the_file_is_cut(some, piece):
    whole = written(some)
    pieces = (whole[i : i + piece] for i in range(0, len(whole), piece))
    assert list(bundle.read(pieces, HUB)) == some


def test_each_bundle_has_a_key_of_its_own_and_shows_nothing():
    first, second = (b"".join(bundle.write(SOME, HUB.public_key())) for _ in range(2))
    assert first[9:41] != second[9:41]
    assert first[41:] != second[41:]
    assert b"first" not in first
    assert list(bundle.read([first], HUB)) == list(bundle.read([second], HUB)) == SOME


def test_the_vector_is_read_and_written_to_the_byte():
    assert list(bundle.read([VECTOR.read_bytes()], HUB)) == SOME
    assert written() == VECTOR.read_bytes()


def test_the_layout_is_the_one_that_is_documented():
    whole = VECTOR.read_bytes()
    assert whole[:8] == b"MTBUNDLE"
    assert whole[8] == 1
    assert whole[9:41] == OWN.public_key().public_bytes_raw()
    assert int.from_bytes(whole[41:45], "big") == len(whole) - 45
    # The key, taken apart once by hand: extract and expand of RFC 5869.
    salt = whole[9:41] + HUB.public_key().public_bytes_raw()
    extracted = hmac.digest(salt, HUB.exchange(OWN.public_key()), hashlib.sha256)
    key = hmac.digest(extracted, b"maitong bundle 1\x01", hashlib.sha256)
    plain = AESGCM(key).decrypt(bytes(11) + b"\x01", whole[45:], whole[:41])
    assert plain.startswith(b"\x00\x00\x00\x00\x05first\x01\x00\x00\x00\x00\x03\x00\x00\x04\x00")


def test_another_key_opens_nothing():
    with pytest.raises(BundleError, match="another key"):
        next(bundle.read([written()], OTHER))


@given(entries, st.data())
def test_a_file_that_was_cut_off_is_seen_and_its_sound_part_is_given(some, data):
    whole = written(some)
    cut = data.draw(st.integers(0, len(whole) - 1))
    given_out = []
    with pytest.raises(BundleError):
        given_out.extend(bundle.read([whole[:cut]], HUB))
    assert given_out == some[: len(given_out)]


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_is_seen(place, bit):
    whole = bytearray(written())
    whole[place % len(whole)] ^= 1 << bit
    with pytest.raises(BundleError):
        list(bundle.read([bytes(whole)], HUB))


@given(st.binary(max_size=300))
@example(b"MTBUNDLE\x01" + bytes(32))  # a point of small order
@example(b"MTBUNDLE\x02" + bytes(100))
def test_noise_is_a_bundle_error(noise):
    for file in (noise, bundle.MAGIC + b"\x01" + noise, written()[:41] + noise):
        with pytest.raises(BundleError):
            list(bundle.read([file], HUB))


@given(st.lists(st.tuples(st.binary(max_size=60), st.booleans()), max_size=4))
def test_whatever_the_key_holder_seals_is_entries_or_a_bundle_error(chunks):
    with contextlib.suppress(BundleError):
        for lane, frame in bundle.read([sealed([(plain, last, None) for plain, last in chunks])], HUB):
            assert lane in LANES
            assert len(frame) <= MAX_FRAME_BYTES


WHOLE = b"\x00\x00\x00\x00\x01x"


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ([(WHOLE, True, 2**32 - 1)], "claims 4294967295 bytes"),
        ([(WHOLE, True, 15)], "claims 15 bytes"),
        ([(WHOLE, True, 21)], "does not open"),
        ([(b"\x04\x00\x00\x00\x01x", True, None)], "claims lane 4"),
        ([(b"\x00\xff\xff\xff\xffx", True, None)], "claims lane 0 and 4294967295"),
        ([(b"\x00\x00\x00\x00\x02x", True, None)], "in the middle of an entry"),
        ([(WHOLE, False, None)], "does not open"),  # it says itself that more follows
        ([(WHOLE, True, None), (WHOLE, True, None)], "chunk 0 does not open"),  # something behind the last
        ([], "ends too early"),
    ],
)
def test_lengths_that_lie_and_ends_that_are_none(chunks, said):
    with pytest.raises(BundleError, match=said):
        list(bundle.read([sealed(chunks)], HUB))


def test_chunks_cannot_change_places():
    whole = written([Entry("bulk", bytes([i]) * 60_000) for i in range(4)])
    size = 4 + CHUNK_BYTES + 16
    first, second, rest = whole[41 : 41 + size], whole[41 + size : 41 + 2 * size], whole[41 + 2 * size :]
    assert rest
    for moved in (second + first + rest, first + rest, first + first + second + rest):
        with pytest.raises(BundleError, match="does not open"):
            list(bundle.read([whole[:41] + moved], HUB))


def test_a_frame_no_broker_takes_is_not_written():
    with pytest.raises(BundleError, match="the limit is"):
        written([Entry("bulk", bytes(MAX_FRAME_BYTES + 1))])


def test_keys_are_read_from_their_files():
    pem = HUB.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = HUB.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert bundle.private_key(pem).public_key() == bundle.public_key(public) == HUB.public_key()
    signing = Ed25519PrivateKey.generate()
    other = signing.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    other_public = signing.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for wrong in (b"", public, other):
        with pytest.raises(BundleError, match=r"this is no"):
            bundle.private_key(wrong)
    for wrong in (b"", pem, other_public):
        with pytest.raises(BundleError, match=r"this is no"):
            bundle.public_key(wrong)
