"""The wire as an AsyncAPI 3.0 document, derived from TOPICS and MESSAGES; never edited by hand.

`python -m protocols.asyncapi` writes docs/asyncapi.yaml, with `--check` it only says whether it is current.
"""

import argparse
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from protocols.envelope import CLOCK_QUALITIES, MAX_FRAME_BYTES, MAX_PARTS, VERSION
from protocols.messages import MESSAGES, MessageType
from protocols.topics import LANES, PREFIX, STATION_ID, STREAM_ID, TOPICS, Kind

PATH = Path(__file__).parents[1] / "docs" / "asyncapi.yaml"

_LIVE = "live.block"
_CHANNELS: dict[Kind, str] = {
    "up": "Durable messages of a station, by lane; at the hub one transaction, then a receipt.",
    "up_receipt": "What the station has committed of what the hub sent.",
    "down": "Deliveries to a station, by lane.",
    "down_receipt": "What the hub has committed of what the station sent; only then may a copy be deleted.",
    "live": "Live waveform for the eye: may be lost, is never the record.",
    "hello": "Said on every connect: which store this is, what is waiting in it.",
    "status": "State of a station; with online=false it is the last will.",
}
_UNDURABLE: dict[str, tuple[Kind, ...]] = {
    "station.hello": ("hello",),
    "station.status": ("status",),
    "receipt": ("up_receipt", "down_receipt"),
}


def types_on(kind: Kind) -> list[str]:
    """The message types that go by a topic of this kind."""
    return [name for name, row in MESSAGES.items() if kind in _kinds(name, row)]


def _kinds(name: str, row: MessageType) -> tuple[Kind, ...]:
    if not row.durable:
        return _UNDURABLE[name]
    return {"up": ("up",), "down": ("down",), "both": ("up", "down")}[row.direction]  # type: ignore[return-value]


def document() -> dict[str, Any]:
    """The AsyncAPI document, from the hub's point of view, as plain data."""
    _, definitions = models_json_schema(
        [(row.body, "validation") for row in MESSAGES.values()], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Maitong, station and county hub",
            "version": str(VERSION),
            "description": "MQTT 3.1.1 or later over mutual TLS. Every payload but the live block is one "
            "frame: a deterministic CBOR map (RFC 8949, section 4.2) with the integer keys of the schema "
            "Frame. A body larger than a part travels as several frames and is whole again when all slices "
            "are there and its SHA-256 agrees.",
        },
        "defaultContentType": "application/cbor",
        "channels": {kind: _channel(kind) for kind in TOPICS},
        "operations": {
            kind: {
                "action": "receive" if row.sender == "station" else "send",
                "channel": {"$ref": f"#/channels/{kind}"},
                "bindings": {"mqtt": {"qos": row.qos, "retain": row.retained}},
            }
            for kind, row in TOPICS.items()
        },
        "components": {
            "messages": {name: _message(name, row) for name, row in MESSAGES.items()}
            | {
                _LIVE: {
                    "contentType": "application/octet-stream",
                    "summary": "Block of samples for drawing; layout in protocols/live.py.",
                    "payload": {"type": "string", "format": "binary"},
                }
            },
            "schemas": {"Frame": _frame_schema()} | definitions["$defs"],
        },
    }


def _channel(kind: Kind) -> dict[str, Any]:
    row = TOPICS[kind]
    pattern = row.pattern.replace("{x}", "{stream}" if kind == "live" else "{lane}")
    parameters: dict[str, Any] = {"station": {"description": f"Station id, {STATION_ID.pattern}"}}
    if "{lane}" in pattern:
        parameters["lane"] = {"enum": list(LANES), "description": "Most pressing first."}
    if "{stream}" in pattern:
        parameters["stream"] = {"description": f"Name of the stream, {STREAM_ID.pattern}"}
    names = [_LIVE] if kind == "live" else types_on(kind)
    return {
        "address": f"{PREFIX}/{{station}}/{pattern}",
        "description": _CHANNELS[kind],
        "parameters": parameters,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _message(name: str, row: MessageType) -> dict[str, Any]:
    return {
        "name": name,
        "summary": inspect.cleandoc(row.body.__doc__ or "").splitlines()[0],
        "x-durable": row.durable,
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/Frame"},
                {"properties": {"2": {"const": name}}},
            ]
        },
        "x-body": {"$ref": f"#/components/schemas/{row.body.__name__}"},
    }


def _frame_schema() -> dict[str, Any]:
    count = {"type": "integer", "minimum": 0}
    keys: dict[str, dict[str, Any]] = {
        "0": {"const": VERSION, "description": "version of the envelope"},
        "1": {"type": "string", "format": "binary", "description": "message id, BLAKE2b-128 of 3, NUL, 4, 5"},
        "2": {"type": "string", "maxLength": 64, "description": "type"},
        "3": {"type": "string", "maxLength": 64, "description": "sender: a station's id, or hub"},
        "4": {"type": "string", "format": "binary", "description": "epoch of the sender's store, 8 bytes"},
        "5": count | {"description": "sequence in that store"},
        "6": {
            "type": "array",
            "prefixItems": [
                count | {"description": "wall time, ns since 1970 UTC"},
                {"enum": list(CLOCK_QUALITIES), "description": "how good that is"},
                {"type": "string", "maxLength": 64, "description": "boot id"},
                count | {"description": "monotonic time, ns since boot"},
            ],
        },
        "7": {
            "type": "array",
            "prefixItems": [
                count | {"description": "part, from 0"},
                {"type": "integer", "minimum": 1, "maximum": MAX_PARTS, "description": "of so many"},
            ],
        },
        "8": {"type": "string", "format": "binary", "description": "SHA-256 of the whole body"},
        "9": {
            "type": "string",
            "format": "binary",
            "description": "this part's slice of the body, x-body",
        },
    }
    return {
        "type": "object",
        "description": f"One MQTT payload, at most {MAX_FRAME_BYTES} bytes. Keys are integers in CBOR.",
        "properties": keys,
        "required": list(keys),
    }


_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_.$-]*")
_RESERVED = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def to_yaml(value: Any, indent: int = 0) -> str:
    """Plain data as YAML, block style, always the same text for the same data."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(f"{pad}{_scalar(key)}:{_inner(item, indent + 1)}" for key, item in value.items())
    assert isinstance(value, list), "only maps and lists have lines"
    return "".join(f"{pad}-{_inner(item, indent + 1)}" for item in value)


def _inner(value: Any, indent: int) -> str:
    if isinstance(value, dict | list) and value:
        return "\n" + to_yaml(value, indent)
    return f" {_scalar(value)}\n"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    return json.dumps(value, ensure_ascii=False)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m protocols.asyncapi", description="The wire as AsyncAPI.")
    parser.add_argument("--check", action="store_true", help="only say whether the file is current")
    check: bool = parser.parse_args(argv).check
    text = "# Made by `python -m protocols.asyncapi`; do not edit.\n" + to_yaml(document())
    current = PATH.read_text(encoding="utf-8") if PATH.exists() else ""
    if text == current:
        return 0
    if check:
        sys.stderr.write(f"{PATH} is not current: run `python -m protocols.asyncapi`\n")
        return 1
    PATH.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
