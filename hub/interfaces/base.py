"""What a link must offer: `send(delivery)`, with an outcome whose code, not a guess, decides what follows."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from protocols.envelope import Header
from protocols.messages import Lane


class LinkGone(ConnectionError):  # noqa: N818 - reads as the fact it states
    """The way to all receivers of this kind is gone; the worker opens the link anew."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A delivery on its way out: the same header and body however often it is sent."""

    id: int
    receiver_id: str
    lane: Lane
    header: Header
    body: bytes
    attempts: int
    """How often it was sent before."""


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """`sent`: handed over, confirmation comes later. `retry` and `refused` carry the code that says why."""

    status: Literal["sent", "confirmed", "refused", "retry"]
    code: str = ""
    next_try_s: float = 10.0
    """Sent and not confirmed, or to be retried: due again after so long."""


class Link(Protocol):
    """The way to one kind of receiver."""

    async def send(self, delivery: Outgoing) -> SendOutcome:
        """Raises LinkGone."""
        ...


class OpenLink(Protocol):
    """Opens the link; the block is the connection's life. Entering raises LinkGone."""

    def __call__(self) -> AbstractAsyncContextManager[Link]: ...
