"""Every MQTT topic in one table. A topic holds the station's id and nothing about a patient."""

import re
from typing import Literal, NamedTuple, get_args

from protocols.errors import TopicError

Lane = Literal["urgent", "prompt", "clinical", "bulk"]
LANES: tuple[Lane, ...] = ("urgent", "prompt", "clinical", "bulk")
"""Most pressing first."""

PREFIX = "mt/1"
STATION_ID = re.compile(r"^[A-Z0-9][A-Z0-9-]{1,31}$")
STREAM_ID = re.compile(r"^[a-z0-9_]{1,32}$")

Kind = Literal["up", "down", "down_receipt", "up_receipt", "live", "hello", "status"]


class TopicRow(NamedTuple):
    pattern: str
    """Below mt/1/<station>/; {x} is a lane or a stream."""
    sender: Literal["station", "hub"]
    qos: int
    retained: bool


TOPICS: dict[Kind, TopicRow] = {
    "up": TopicRow("up/{x}", "station", 1, retained=False),
    "up_receipt": TopicRow("up/receipt", "station", 1, retained=False),
    "down": TopicRow("down/{x}", "hub", 1, retained=False),
    "down_receipt": TopicRow("down/receipt", "hub", 1, retained=False),
    "live": TopicRow("live/{x}", "station", 0, retained=False),
    "hello": TopicRow("hello", "station", 1, retained=False),
    "status": TopicRow("status", "station", 1, retained=True),
}

NOTICES = f"{PREFIX}/hub/notice"
"""Hub to hub: `<NOTICES>/<kind>` wakes the other roles and open browsers; it carries ids only."""

SHARED_GROUP = "hub"


class Topic(NamedTuple):
    station: str
    kind: Kind
    x: str = ""
    """The lane of up and down, the stream of live."""


def build(kind: Kind, station: str, x: Lane | str = "") -> str:
    """The topic's text. Raises TopicError for a station, lane or stream that cannot be in one."""
    row = TOPICS[kind]
    if not STATION_ID.fullmatch(station):
        raise TopicError(f"station id {station!r} does not fit {STATION_ID.pattern}")
    if "{x}" in row.pattern:
        if kind in ("up", "down") and x not in LANES:
            raise TopicError(f"{x!r} is not a lane")
        if kind == "live" and not STREAM_ID.fullmatch(x):
            raise TopicError(f"{x!r} is not a stream id")
    elif x:
        raise TopicError(f"{kind} takes no lane")
    return f"{PREFIX}/{station}/{row.pattern.format(x=x)}"


def parse(topic: str) -> Topic:
    """What a topic's text means. Raises TopicError if it is not in the table."""
    head, _, rest = topic.partition(f"{PREFIX}/")
    station, _, tail = rest.partition("/")
    if head or not STATION_ID.fullmatch(station):
        raise TopicError("not one of our topics")
    for kind in get_args(Kind):
        pattern = TOPICS[kind].pattern
        if pattern == tail:
            return Topic(station, kind)
        stem, placeholder, _ = pattern.partition("{x}")
        if placeholder and tail.startswith(stem):
            x = tail[len(stem) :]
            if (kind in ("up", "down") and x in LANES) or (kind == "live" and STREAM_ID.fullmatch(x)):
                return Topic(station, kind, x)
    raise TopicError("not one of our topics")


def hub_subscriptions(*, shared: bool) -> tuple[str, ...]:
    """What an ingest worker takes; `shared` where the broker shares subscriptions among workers."""
    up = f"{PREFIX}/+/up/#"
    return (f"$share/{SHARED_GROUP}/{up}" if shared else up, f"{PREFIX}/+/hello", f"{PREFIX}/+/status")


def station_subscription(station: str) -> str:
    """What a station takes."""
    return f"{PREFIX}/{station}/down/#"
