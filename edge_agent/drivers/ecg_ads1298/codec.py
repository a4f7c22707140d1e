"""Bytes of the box ↔ events. No I/O, no clock, nothing raised on bad bytes, bounded memory.

The wire is described byte by byte in firmware_configs/devices/ecg_ads1298/protocol.md; the section of
it is named at each table here.
"""

import binascii
import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_agent.drivers.events import BadFrame, Battery, BoxInfo, Event, Samples

SYNC = b"\xa5\x4d"
VERSION = 1
LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
"""§4.2: the channels, in wire order."""
ELECTRODES = ("RA", "LA", "LL", "RL", "V1", "V2", "V3", "V4", "V5", "V6")
"""§4.2: bit 0 first of the contact word."""
RATES_HZ = (250, 500, 1000, 2000)
"""§4.1: bit 0 first of the rate mask."""
MOST_SAMPLES = 50
"""§4.2: in one frame; keeps the longest frame, and so the longest wait after a false sync, short."""
COUNT_MIN, COUNT_MAX = -(2**23), 2**23 - 1

INFO, SAMPLES, STATUS = 0x01, 0x02, 0x03
GET_INFO, START, STOP = 0x81, 0x82, 0x83

_HEAD = struct.Struct("<2sBH")
_CRC = struct.Struct("<H")
_INFO = struct.Struct("<B16s16sHBI")
_SAMPLES = struct.Struct("<QHH")
_STATUS = struct.Struct("<BBII")
_START = struct.Struct("<H")
_BYTES_PER_SAMPLE = 3 * len(LEADS)
MOST_PAYLOAD = _SAMPLES.size + MOST_SAMPLES * _BYTES_PER_SAMPLE
_OVERHEAD = _HEAD.size + _CRC.size
_NOISE_REPORTED_EVERY = 1024


class Command(NamedTuple):
    """What the host said, as the box (the simulator) sees it."""

    type: int
    rate_hz: int = 0
    """Of START."""


class Framer:
    """Stream of bytes → frames whose checksum is right. The same result however the stream is cut.

    After damage it looks for the next sync one byte further on, so it is back in step at the first
    sound frame; what it skips is reported as one BadFrame before that frame, or every 1,024 bytes.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._noise = 0
        self._reason = ""

    def feed(self, data: bytes) -> list[tuple[int, bytes] | BadFrame]:
        """New bytes → (type, payload) of each whole frame, and what was skipped, in order."""
        out: list[tuple[int, bytes] | BadFrame] = []
        buffer = self._buffer
        buffer += data
        pos = 0
        while True:
            start = buffer.find(SYNC, pos)
            if start < 0:
                # A last byte that may be half a sync stays.
                keep = 1 if buffer.endswith(SYNC[:1], pos) else 0
                self._skip(len(buffer) - keep - pos, "no frame start", out)
                pos = len(buffer) - keep
                break
            self._skip(start - pos, "no frame start", out)
            pos = start
            if len(buffer) - pos < _HEAD.size:
                break
            _, kind, size = _HEAD.unpack_from(buffer, pos)
            if size > MOST_PAYLOAD:
                self._skip(1, "length beyond the longest frame", out)
                pos += 1
                continue
            end = pos + _HEAD.size + size + _CRC.size
            if len(buffer) < end:
                break
            covered = bytes(memoryview(buffer)[pos + len(SYNC) : end - _CRC.size])
            if binascii.crc_hqx(covered, 0xFFFF) != _CRC.unpack_from(buffer, end - _CRC.size)[0]:
                self._skip(1, "wrong checksum", out)
                pos += 1
                continue
            if self._noise:
                out.append(BadFrame(self._reason, self._noise))
                self._noise = 0
            out.append((kind, covered[_HEAD.size - len(SYNC) :]))
            pos = end
        del buffer[:pos]
        return out

    def _skip(self, size: int, reason: str, out: list[Any]) -> None:
        if size == 0:
            return
        if self._noise == 0:
            self._reason = reason
        self._noise += size
        while self._noise >= _NOISE_REPORTED_EVERY:
            out.append(BadFrame(self._reason, _NOISE_REPORTED_EVERY))
            self._noise -= _NOISE_REPORTED_EVERY


class Decoder:
    """What the box sends, as events."""

    def __init__(self) -> None:
        self._framer = Framer()
        self._info: BoxInfo | None = None

    def feed(self, data: bytes) -> list[Event]:
        """New bytes → events, in order. Never raises."""
        return [
            item if isinstance(item, BadFrame) else self._event(*item) for item in self._framer.feed(data)
        ]

    def _event(self, kind: int, payload: bytes) -> Event:
        if kind == SAMPLES:
            return self._samples(payload)
        if kind == STATUS:
            return _battery(payload)
        if kind == INFO:
            event = _box_info(payload)
            if isinstance(event, BoxInfo):
                self._info = event
            return event
        return BadFrame(f"unknown frame type 0x{kind:02x}", len(payload) + _OVERHEAD)

    def _samples(self, payload: bytes) -> Samples | BadFrame:
        size = len(payload) + _OVERHEAD
        if len(payload) < _SAMPLES.size:
            return BadFrame("samples frame without its head", size)
        first, contact, n = _SAMPLES.unpack_from(payload)
        if not 1 <= n <= MOST_SAMPLES or len(payload) != _SAMPLES.size + n * _BYTES_PER_SAMPLE:
            return BadFrame("samples frame whose count and length disagree", size)
        if contact >> len(ELECTRODES):
            return BadFrame("samples frame with an unknown electrode", size)
        if self._info is None or self._info.rate_hz == 0:
            return BadFrame("samples before the box said at which rate", size)
        off = frozenset(name for bit, name in enumerate(ELECTRODES) if contact >> bit & 1)
        info = self._info
        counts = _from_int24(payload[_SAMPLES.size :], n)
        return Samples(first, info.rate_hz, LEADS, counts, info.uv_per_count, off)


def _from_int24(raw: bytes, n: int) -> NDArray[np.int32]:
    # Three bytes into the upper three of four, then an arithmetic shift back, carries the sign.
    wide = np.zeros((n * len(LEADS), 4), dtype=np.uint8)
    wide[:, 1:] = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 3)
    values = wide.view("<i4").reshape(n, len(LEADS)) >> 8
    return np.ascontiguousarray(values.T, dtype=np.int32)


def _battery(payload: bytes) -> Battery | BadFrame:
    size = len(payload) + _OVERHEAD
    if len(payload) != _STATUS.size:
        return BadFrame("status frame of wrong length", size)
    percent, flags, _uptime_s, _overruns = _STATUS.unpack(payload)
    if percent > 100:
        return BadFrame("status frame with more than 100 % battery", size)
    return Battery(percent, charging=bool(flags & 1))


def _box_info(payload: bytes) -> BoxInfo | BadFrame:
    size = len(payload) + _OVERHEAD
    if len(payload) != _INFO.size:
        return BadFrame("info frame of wrong length", size)
    version, serial_raw, firmware_raw, rate_hz, mask, pv_per_count = _INFO.unpack(payload)
    serial, firmware = _text(serial_raw), _text(firmware_raw)
    if version != VERSION:
        return BadFrame(f"wire version {version}, this is {VERSION}", size)
    if not serial or firmware is None or pv_per_count == 0:
        return BadFrame("info frame without serial, firmware or scale", size)
    rates = tuple(rate for bit, rate in enumerate(RATES_HZ) if mask >> bit & 1)
    if rate_hz and rate_hz not in rates:
        return BadFrame("info frame with a rate the box does not offer", size)
    return BoxInfo(serial, firmware, rate_hz, LEADS, pv_per_count / 1e6, rates)


def _text(raw: bytes) -> str | None:
    """NUL-padded printable ASCII, or None."""
    text, _, padding = raw.partition(b"\0")
    if padding.strip(b"\0") or not all(0x21 <= byte <= 0x7E for byte in text):
        return None
    return text.decode("ascii")


def _frame(kind: int, payload: bytes = b"") -> bytes:
    frame = _HEAD.pack(SYNC, kind, len(payload)) + payload
    return frame + _CRC.pack(binascii.crc_hqx(frame[len(SYNC) :], 0xFFFF))


def encode_get_info() -> bytes:
    return _frame(GET_INFO)


def encode_start(rate_hz: int) -> bytes:
    return _frame(START, _START.pack(rate_hz))


def encode_stop() -> bytes:
    return _frame(STOP)


def encode_info(
    serial: str, firmware: str, rate_hz: int, rates_hz: Iterable[int], uv_per_count: float
) -> bytes:
    """An INFO frame; `rate_hz` 0 while the box stands still. Raises ValueError for what has no bytes."""
    offered = set(rates_hz)
    if not offered <= set(RATES_HZ) or len(serial) > 16 or len(firmware) > 16:
        raise ValueError("a rate, serial or firmware the wire has no place for")
    mask = sum(1 << bit for bit, rate in enumerate(RATES_HZ) if rate in offered)
    pv_per_count = round(uv_per_count * 1e6)
    return _frame(
        INFO,
        _INFO.pack(VERSION, serial.encode("ascii"), firmware.encode("ascii"), rate_hz, mask, pv_per_count),
    )


def encode_samples(first_sample: int, counts: NDArray[np.int32], electrodes_off: Iterable[str] = ()) -> bytes:
    """A SAMPLES frame from counts (8, n), n ≤ 50; what does not fit 24 bits stays at the rail."""
    n = counts.shape[1]
    if counts.shape[0] != len(LEADS) or not 1 <= n <= MOST_SAMPLES:
        raise ValueError(f"counts of shape {counts.shape} do not fit a frame")
    contact = sum(1 << ELECTRODES.index(name) for name in set(electrodes_off))
    clipped = np.ascontiguousarray(np.clip(counts.T, COUNT_MIN, COUNT_MAX), dtype="<i4")
    raw = clipped.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    return _frame(SAMPLES, _SAMPLES.pack(first_sample, contact, n) + raw)


def encode_status(percent: int, *, charging: bool = False, uptime_s: int = 0, overruns: int = 0) -> bytes:
    return _frame(STATUS, _STATUS.pack(percent, int(charging), uptime_s & 0xFFFFFFFF, overruns))


class CommandDecoder:
    """What the host sends, as the box sees it: commands; anything else is left out."""

    def __init__(self) -> None:
        self._framer = Framer()

    def feed(self, data: bytes) -> list[Command]:
        """New bytes → commands, in order. Never raises."""
        out = []
        for item in self._framer.feed(data):
            if isinstance(item, BadFrame):
                continue
            kind, payload = item
            if kind == START and len(payload) == _START.size:
                out.append(Command(START, _START.unpack(payload)[0]))
            elif kind in (GET_INFO, STOP) and not payload:
                out.append(Command(kind))
        return out
