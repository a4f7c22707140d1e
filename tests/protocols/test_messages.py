"""Every message type against its vectors: fields → bytes → fields → the same bytes."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.envelope import Header, Stamp, decode, decode_body, encode, encode_body
from protocols.errors import BodyError
from protocols.messages import LANES, MESSAGES, TYPE_OF, Message, Recording

FOLDER = Path(__file__).parents[1] / "vectors" / "messages"
VECTORS = sorted(FOLDER.glob("*.json"), key=lambda path: path.name)


def plain(value: Any) -> Any:
    """The JSON of a vector as Python data: {"hex": …} is bytes."""
    if isinstance(value, dict):
        if value.keys() == {"hex"}:
            return bytes.fromhex(value["hex"])
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(params=VECTORS, ids=lambda path: path.stem)
def vector(request) -> dict[str, Any]:
    return json.loads(request.param.read_text(encoding="utf-8"))


def test_bytes_to_fields(vector):
    frame = decode(bytes.fromhex(vector["wire"]))
    header, expected = frame.header, vector["header"]
    assert header == Header(
        vector["type"], expected["sender"], bytes.fromhex(expected["epoch"]), expected["seq"],
        Stamp(*expected["stamp"]), bytes.fromhex(expected["sha256"]),
    )  # fmt: skip
    assert (frame.k, frame.n) == (0, 1)
    assert decode_body(header.type, frame.body) == MESSAGES[vector["type"]].body.model_validate(
        plain(vector["message"])
    )


def test_fields_to_the_same_bytes(vector):
    message = MESSAGES[vector["type"]].body.model_validate(plain(vector["message"]))
    frame = decode(bytes.fromhex(vector["wire"]))
    assert encode_body(message) == frame.body
    assert encode(frame.header, frame.body).hex() == vector["wire"]


def test_hash_and_id_computed_anew(vector):
    header = vector["header"]
    identity = (
        header["sender"].encode() + b"\0" + bytes.fromhex(header["epoch"]) + header["seq"].to_bytes(8, "big")
    )
    assert hashlib.blake2b(identity, digest_size=16).hexdigest() == header["mid"]
    frame = decode(bytes.fromhex(vector["wire"]))
    assert hashlib.sha256(frame.body).hexdigest() == header["sha256"]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_body_survives_the_wire_twice(name):
    """What is decoded encodes to the same bytes, so a hash taken anywhere agrees."""
    for path in FOLDER.glob(f"{name}*.json"):
        body = decode(bytes.fromhex(json.loads(path.read_text())["wire"])).body
        assert encode_body(decode_body(name, encode_body(decode_body(name, body)))) == body


@pytest.mark.parametrize("name", MESSAGES)
def test_unknown_fields_of_later_versions_are_ignored(name):
    path = FOLDER / f"{name}.json"
    fields = plain(json.loads(path.read_text())["message"])
    body_type = MESSAGES[name].body
    assert body_type.model_validate(fields | {"of_2031": {"x": 1}}) == body_type.model_validate(fields)


def test_the_table_says_each_thing_once():
    assert len(TYPE_OF) == len(MESSAGES)
    for name, row in MESSAGES.items():
        assert name == "receipt" or name.count(".") == 1
        assert issubclass(row.body, Message)
        assert row.body.model_config["frozen"]
        assert (row.body.__doc__ or "").strip(), f"{name} has no docstring"
    assert LANES == ("urgent", "prompt", "clinical", "bulk")


def recording_fields() -> dict[str, Any]:
    return plain(json.loads((FOLDER / "recording.closed.json").read_text())["message"])["recording"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"uv_per_count": (1.0,)},
        {"uv_per_count": (float("nan"),) * 8},
        {"leads": ("I",) * 8},
        {"files": ({"name": "a", "data": b""}, {"name": "a", "data": b""})},
        {"files": ({"name": "../a", "data": b""},)},
        {"recording_id": "r/1"},
        {"rate_hz": 0},
        {"started_ns": 2**63},
        {"started_ns": -1},
        {"sha256": b"short"},
    ],
)
def test_a_recording_that_cannot_be_is_refused(wrong):
    Recording.model_validate(recording_fields())
    with pytest.raises(ValueError):
        Recording.model_validate(recording_fields() | wrong)


@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_one_wrong_value_anywhere_is_a_body_error_or_a_message(name, data):
    """A field replaced by anything else: a message, or BodyError that does not repeat the value."""
    import cbor2

    fields = plain(json.loads((FOLDER / f"{name}.json").read_text())["message"])
    place: Any = fields
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    secret = "王小明" + "9" * 12
    anything = st.one_of(
        st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.binary(max_size=40),
        st.text(max_size=40), st.just(secret), st.lists(st.integers(), max_size=3),
        st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
    )  # fmt: skip
    place[key] = data.draw(anything)
    body = cbor2.dumps(fields, canonical=True)
    said = ""
    try:
        message = decode_body(name, body)
    except BodyError as error:
        said = str(error)
    else:
        assert decode_body(name, encode_body(message)) == message or "nan" in repr(message)
    assert secret not in said
