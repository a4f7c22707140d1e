"""All a station owes as one file that only the hub can read: for a village whose link is gone for a week.

A bundle is made of entries: a lane and one MQTT payload, byte for byte as the station would have published
it. So the hub takes it by the road it takes messages, and what comes twice is known already. Pure: bytes
in, bytes out, both ways as they come.

    offset  size
    0       8     magic "MTBUNDLE"
    8       1     version, 1
    9       32    X25519 public key made for this bundle alone (RFC 7748)
    41            chunks until the end of the file

    a chunk: 4 bytes length of what follows (big endian), then AES-256-GCM cipher text with its tag
    key:     HKDF-SHA256(secret shared by the bundle's key and the hub's, salt = both public keys, the
             bundle's first, info = "maitong bundle 1"), 32 bytes
    nonce:   11 bytes number of the chunk from 0 (big endian), 1 byte: 1 for the last chunk, else 0
    about:   the header, bytes 0 to 40, is bound to every chunk

    an entry: 1 byte place of its lane in LANES, 4 bytes length (big endian), the payload

Entries run across chunks. Number and last mark are in the nonce (the STREAM construction of Hoang,
Reyhanitabar, Rogaway and Vizár, 2015): a chunk that was left out, moved or cut off does not open.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocols.envelope import MAX_FRAME_BYTES
from protocols.errors import BundleError
from protocols.messages import LANES, Lane

MAGIC = b"MTBUNDLE"
VERSION = 1
CHUNK_BYTES = 64 * 1024
"""Plain bytes in a full chunk: what both sides hold in memory at once, besides one entry."""

_INFO = b"maitong bundle 1"
_PUBLIC_BYTES = 32
_HEADER_BYTES = len(MAGIC) + 1 + _PUBLIC_BYTES
_TAG_BYTES = 16
_LENGTH_BYTES = 4


class Entry(NamedTuple):
    """One MQTT payload and the lane it belongs to."""

    lane: Lane
    frame: bytes


def public_key(pem: bytes) -> X25519PublicKey:
    """The hub's public key from its PEM file. Raises BundleError."""
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError:
        raise BundleError("this is no public key in PEM form") from None
    if not isinstance(key, X25519PublicKey):
        raise BundleError("this is no X25519 key")
    return key


def private_key(pem: bytes) -> X25519PrivateKey:
    """The hub's private key from its PEM file. Raises BundleError."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise BundleError("this is no private key in PEM form") from None
    if not isinstance(key, X25519PrivateKey):
        raise BundleError("this is no X25519 key")
    return key


def write(
    entries: Iterable[Entry], to: X25519PublicKey, *, own: X25519PrivateKey | None = None
) -> Iterator[bytes]:
    """The file, piece by piece. `own` is the bundle's key: made anew for each, given only by tests."""
    own = own or X25519PrivateKey.generate()
    header = MAGIC + bytes([VERSION]) + own.public_key().public_bytes_raw()
    cipher = _cipher(own.exchange(to), header, to)
    yield header
    number, plain = 0, bytearray()
    for lane, frame in entries:
        if len(frame) > MAX_FRAME_BYTES:
            raise BundleError(f"a frame of {len(frame)} bytes, the limit is {MAX_FRAME_BYTES}")
        plain += bytes([LANES.index(lane)]) + len(frame).to_bytes(_LENGTH_BYTES, "big") + frame
        while len(plain) > CHUNK_BYTES:
            yield _chunk(cipher, header, number, bytes(plain[:CHUNK_BYTES]), last=False)
            del plain[:CHUNK_BYTES]
            number += 1
    yield _chunk(cipher, header, number, bytes(plain), last=True)


def read(pieces: Iterable[bytes], key: X25519PrivateKey) -> Iterator[Entry]:
    """The entries of a file that comes in pieces of any size.

    Raises BundleError: before the first entry if the file is no bundle or made for another key; after
    those that are sound if it was cut off or changed further on.
    """
    source = _Source(pieces)
    header = source.take(_HEADER_BYTES)
    if not header.startswith(MAGIC):
        raise BundleError("this file is no bundle")
    if header[len(MAGIC)] != VERSION:
        raise BundleError(f"a bundle of version {header[len(MAGIC)]}, this program reads {VERSION}")
    try:
        shared = key.exchange(X25519PublicKey.from_public_bytes(header[-_PUBLIC_BYTES:]))
    except ValueError:  # a point of small order: no secret could be shared with it
        raise BundleError("the bundle's own key is no key") from None
    cipher = _cipher(shared, header, key.public_key())
    plain = bytearray()
    for chunk in _chunks(source, cipher, header):
        plain += chunk
        yield from _entries(plain)
    if plain:
        raise BundleError("the bundle ends in the middle of an entry")


def _cipher(shared: bytes, header: bytes, to: X25519PublicKey) -> AESGCM:
    salt = header[-_PUBLIC_BYTES:] + to.public_bytes_raw()
    return AESGCM(HKDF(hashes.SHA256(), 32, salt, _INFO).derive(shared))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _chunk(cipher: AESGCM, header: bytes, number: int, plain: bytes, *, last: bool) -> bytes:
    sealed = cipher.encrypt(_nonce(number, last=last), plain, header)
    return len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed


def _chunks(source: "_Source", cipher: AESGCM, header: bytes) -> Iterator[bytes]:
    number, last = 0, False
    while not last:
        length = int.from_bytes(source.take(_LENGTH_BYTES), "big")
        if not _TAG_BYTES <= length <= CHUNK_BYTES + _TAG_BYTES:
            raise BundleError(f"chunk {number} claims {length} bytes")
        sealed = source.take(length)
        last = source.is_at_end()
        try:
            yield cipher.decrypt(_nonce(number, last=last), sealed, header)
        except InvalidTag:
            raise BundleError(
                f"chunk {number} does not open: the bundle was made for another key, changed or cut off"
            ) from None
        number += 1


def _entries(plain: bytearray) -> Iterator[Entry]:
    """Take the whole entries off the front of `plain`."""
    start = 1 + _LENGTH_BYTES
    while len(plain) >= start:
        lane, length = plain[0], int.from_bytes(plain[1:start], "big")
        if lane >= len(LANES) or length > MAX_FRAME_BYTES:
            raise BundleError(f"an entry claims lane {lane} and {length} bytes")
        if len(plain) < start + length:
            return
        frame = bytes(plain[start : start + length])
        del plain[: start + length]
        yield Entry(LANES[lane], frame)


class _Source:
    """Pieces of any size as one run of bytes; holds what was asked for and one piece more."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = bytearray()

    def take(self, size: int) -> bytes:
        """The next `size` bytes. Raises BundleError if the file ends before."""
        while len(self._held) < size:
            piece = next(self._pieces, None)
            if piece is None:
                raise BundleError("the bundle ends too early: it was not written to the end, or cut off")
            self._held += piece
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def is_at_end(self) -> bool:
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return True
            self._held += piece
        return False
