"""Makes the vectors beside it from the published wire alone; see ORIGIN.md. Imports nothing of ours.

Every byte is written out here, the checksum is computed bit by bit, the expected events are typed in by
hand. Run it in this folder: python assemble.py
"""

import json
from pathlib import Path

HERE = Path(__file__).parent
LEADS = ["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"]


def crc(data):
    """CRC-16/CCITT-FALSE by long division, one bit at a time."""
    register = 0xFFFF
    for byte in data:
        for bit in (128, 64, 32, 16, 8, 4, 2, 1):
            top = register & 0x8000
            register = (register << 1) & 0xFFFF
            if bool(top) != bool(byte & bit):
                register ^= 0x1021
    return register


def frame(kind, payload):
    body = bytes([kind, len(payload) % 256, len(payload) // 256]) + payload
    check = crc(body)
    return b"\xa5\x4d" + body + bytes([check % 256, check // 256])


def int24(value):
    value %= 1 << 24
    return bytes([value % 256, value // 256 % 256, value // 65536])


def info(rate_low, rate_high):
    return frame(
        0x01,
        b"\x01"
        b"BOX-0001\0\0\0\0\0\0\0\0"
        b"1.4.2\0\0\0\0\0\0\0\0\0\0\0"
        + bytes([rate_low, rate_high])
        + b"\x06"  # 500 and 1,000 Hz
        + b"\x40\x42\x0f\x00",  # 1,000,000 pV
    )


def samples(first, contact_low, contact_high, rows):
    payload = bytes([first % 256, first // 256 % 256, first // 65536, 0, 0, 0, 0, 0])
    payload += bytes([contact_low, contact_high, len(rows), 0])
    for row in rows:
        for value in row:
            payload += int24(value)
    return frame(0x02, payload)


def battery(percent, flags):
    return frame(0x03, bytes([percent, flags]) + b"\x0a\0\0\0" + b"\0\0\0\0")


BOX = {
    "event": "BoxInfo",
    "serial": "BOX-0001",
    "firmware": "1.4.2",
    "rate_hz": 500,
    "leads": LEADS,
    "uv_per_count": 1.0,
    "rates_hz": [500, 1000],
}
STILL = BOX | {"rate_hz": 0}
ROW_A = [0, 1, -1, 8388607, -8388608, 256, -256, 65536]
ROW_B = [100, 200, 300, 400, 500, 600, 700, 800]
ROW_C = [-100, -200, -300, -400, -500, -600, -700, -800]


def heard(first, rows, off=()):
    return {
        "event": "Samples",
        "first_sample": first,
        "rate_hz": 500,
        "uv_per_count": 1.0,
        "electrodes_off": sorted(off),
        "samples": rows,
    }


def bad(reason, size):
    return {"event": "BadFrame", "reason": reason, "size": size}


DAMAGED = bytearray(samples(25, 0, 0, [ROW_B]))
DAMAGED[20] ^= 0x10  # one bit, in the first count

CASES = {
    # Good: identity, start, battery, samples at both rails of 24 bits.
    "start": (
        info(0, 0) + info(0xF4, 0x01) + battery(90, 0) + samples(0, 0, 0, [ROW_A, ROW_B]),
        [STILL, BOX, {"event": "Battery", "percent": 90, "charging": False}, heard(0, [ROW_A, ROW_B])],
    ),
    # Good: V2 off in one frame; then a frame that never arrived; RA and V6 off; charging.
    "lead_off": (
        info(0xF4, 0x01) + samples(70000, 0x20, 0, [ROW_B]) + samples(70050, 0x01, 0x02, [ROW_C])
        + battery(7, 1),
        [
            BOX, heard(70000, [ROW_B], ["V2"]), heard(70050, [ROW_C], ["RA", "V6"]),
            {"event": "Battery", "percent": 7, "charging": True},
        ],
    ),
    # Bad: text before the first frame, one flipped bit, half a frame, a length no frame has.
    "damaged": (
        b"boot 1.4.2\r\n" + info(0xF4, 0x01) + samples(0, 0, 0, [ROW_A]) + bytes(DAMAGED)
        + samples(50, 0, 0, [ROW_B])[:20] + samples(75, 0, 0, [ROW_C]) + b"\xa5\x4d\x02\xff\xff"
        + samples(100, 0, 0, [ROW_C]),
        [
            bad("no frame start", 12), BOX, heard(0, [ROW_A]), bad("wrong checksum", 43 + 20),
            heard(75, [ROW_C]), bad("length beyond the longest frame", 5), heard(100, [ROW_C]),
        ],
    ),
    # Bad: sound checksums around contents that cannot be.
    "impossible": (
        samples(0, 0, 0, [ROW_A]) + info(0xF4, 0x01) + frame(0x7F, b"new") + battery(101, 0)
        + frame(0x02, b"\0\0\0\0\0\0\0\0\0\0\x02\0" + bytes(24)) + samples(0, 0, 0x04, [ROW_A])
        + info(0xD0, 0x07) + frame(0x03, b"\x05") + samples(1, 0, 0, [ROW_B]),
        [
            bad("samples before the box said at which rate", 43), BOX, bad("unknown frame type 0x7f", 10),
            bad("status frame with more than 100 % battery", 17),
            bad("samples frame whose count and length disagree", 43),
            bad("samples frame with an unknown electrode", 43),
            bad("info frame with a rate the box does not offer", 47), bad("status frame of wrong length", 8),
            heard(1, [ROW_B]),
        ],
    ),
}  # fmt: skip

if __name__ == "__main__":
    assert crc(b"123456789") == 0x29B1
    for name, (wire, events) in CASES.items():
        (HERE / f"{name}.bin").write_bytes(wire)
        lines = ",\n  ".join(json.dumps(event) for event in events)
        (HERE / f"{name}.json").write_text(f"[\n  {lines}\n]\n")
