"""A file that a station exported, taken by the road of its messages: once each, whatever comes first.

No receipt goes out: the station says the same again when it has a link, and is then told it is known.
Who wrote a bundle is not proved by it, as the broker proves it of a message: whoever imports one must know
whose hands it came from.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from sqlalchemy import Engine

from hub.clock import Clock
from hub.ingest.intake import Incoming, take
from protocols import topics
from protocols.bundle import Entry
from protocols.envelope import peek
from protocols.errors import BundleError, DecodeError, TopicError
from protocols.messages import ReceiptState

BATCH = 64
"""Frames in one transaction."""


class Imported:
    """What became of the messages of a bundle; parts count as one message."""

    def __init__(self) -> None:
        self._states: dict[bytes, ReceiptState] = {}
        self._unreadable = 0

    def note(self, mid: bytes | None, state: ReceiptState) -> None:
        """One frame's outcome; `mid` is None if it could not be read."""
        if mid is None:
            self._unreadable += 1
        elif self._states.get(mid) != "committed":  # said again further on, it is new all the same
            self._states[mid] = state

    def __str__(self) -> str:
        count = Counter(self._states.values())
        refused = count["reject"] + count["conflict"] + count["retry"] + self._unreadable
        text = f"{count['committed']} committed, {count['duplicate']} duplicate, {refused} refused"
        return text + (f", {count['parts']} unfinished" if count["parts"] else "")


def take_bundle(engine: Engine, entries: Iterable[Entry], done: Imported, *, clock: Clock) -> None:
    """Take all entries, noting in `done` what is committed.

    Raises BundleError where the bundle stops being sound, after what was sound before it, or one of
    intake.DATABASE_AWAY. The same bundle may be imported again.
    """
    for batch in _batches(entries):
        for outcome in take(engine, [_incoming(entry) for entry in batch], now_ns=clock.wall_ns()):
            if outcome.receipt is None:
                done.note(None, "reject")
            else:
                done.note(outcome.receipt.mid, outcome.receipt.st)


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    broken: BundleError | None = None
    try:
        for entry in entries:
            batch.append(entry)
            if len(batch) == BATCH:
                yield batch
                batch = []
    except BundleError as error:
        broken = error
    if batch:
        yield batch
    if broken is not None:
        raise broken


def _incoming(entry: Entry) -> Incoming:
    try:
        topic = topics.build("up", peek(entry.frame).header.sender, entry.lane)
    except (DecodeError, TopicError):
        topic = "bundle"  # no address: it is set aside, with its reason
    return Incoming(topic, entry.frame)
