"""What a router keeps of letters: their deliveries, dead letters, pending requests, counts, and pages of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import Field, StringConstraints

from perdure.domain.identity import MAX_NAME, Token, content_digest
from perdure.domain.mail.letter import ContentRule, Letter, LetterId, PeerName
from perdure.domain.model import JsonObject, Model

__all__ = [
    "Address",
    "DeadLetter",
    "DeadPage",
    "DeadReason",
    "Delivery",
    "DeliveryShown",
    "LetterPage",
    "LetterShown",
    "LettersRequest",
    "PeerCount",
    "PendingPage",
    "PendingRequest",
    "Redrive",
    "RedriveAnswer",
    "Redriven",
    "SendAnswer",
    "fitting",
    "page",
]

MAX_PAGE = 200_000
"""Characters of the answer of a query."""

State = Literal["waiting", "taken", "handled", "dead"]
"""Of a delivery: not acknowledged yet; the peer has it; the peer has dealt with it; given up."""
DeadReason = Literal["NO_ACK", "UNKNOWN_PEER", "NO_RECEIVER", "PEER_CLOSED", "HOP_LIMIT", "INVALID"]

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Address:
    """A peer as the router knows it."""

    topics: tuple[str, ...] = ()
    accepts: ContentRule | None = None
    description: str = ""


@dataclass
class Delivery:
    """One letter on its way to one peer; `at` is when it is to be sent, or sent again."""

    letter: Letter
    peer: str
    at: datetime
    state: State = "waiting"
    attempts: int = 0


class DeadLetter(Model, frozen=True):
    """A letter that did not reach `peer`. `letter` is what was written, also where that is no valid letter."""

    id: str
    peer: str
    reason: DeadReason
    words: str
    at: datetime
    attempts: int
    letter: JsonObject


class PendingRequest(Model, frozen=True):
    """A request that has no answer yet: who asked whom, and when it counts as not answered."""

    id: str
    source: str
    to: tuple[str, ...]
    asked_at: datetime
    expires_at: datetime


class PeerCount(Model, frozen=True):
    """Letters of one peer: written, taken, dealt with, and those that its agent could not deal with."""

    sent: int = 0
    received: int = 0
    handled: int = 0
    failed: int = 0


class DeliveryShown(Model, frozen=True):
    """How far a letter is with one peer."""

    peer: str
    state: State
    attempts: int


class LetterShown(Model, frozen=True):
    """A letter and how far it is with each of those it goes to."""

    letter: Letter
    deliveries: tuple[DeliveryShown, ...] = ()


class LettersRequest(Model, frozen=True):
    """Argument of the query `letters`: which; `a` and `b` are the two between whom they went."""

    a: PeerName | None = None
    b: PeerName | None = None
    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=100, gt=0)


class LetterPage(Model, frozen=True):
    """Letters in the order they were written; `next_offset` is None on the last page."""

    letters: tuple[LetterShown, ...]
    offset: int
    next_offset: int | None
    total: int


class DeadPage(Model, frozen=True):
    """Dead letters, oldest first; `next_offset` is None on the last page."""

    dead_letters: tuple[DeadLetter, ...]
    offset: int
    next_offset: int | None
    total: int


class PendingPage(Model, frozen=True):
    """Requests that have no answer yet, oldest first, as many as fit."""

    requests: tuple[PendingRequest, ...]


class SendAnswer(Model, frozen=True):
    """Answer of the update `send`: to whom the letter goes; a repeated id is not sent again."""

    id: str
    to: tuple[str, ...]
    duplicate: bool = False


class Redrive(Model, frozen=True):
    """Payload of `redrive`: ids of dead letters, or all of them when `ids` is left out."""

    ids: tuple[LetterId, ...] | None = None
    by: Annotated[str, StringConstraints(max_length=MAX_NAME)] = ""
    token: Token | None = None

    @property
    def digest(self) -> str:
        """Digest of what is sent again, to which a token for it is bound."""
        return content_digest(None if self.ids is None else list(self.ids), "redrive")


class Redriven(Model, frozen=True):
    """What became of a dead letter that was sent again: under way, or dead once more and why."""

    id: str
    state: Literal["waiting", "dead"]
    reason: DeadReason | None = None
    words: str = ""


class RedriveAnswer(Model, frozen=True):
    """Answer of the update `redrive`; `unknown` are ids of no dead letter."""

    letters: tuple[Redriven, ...] = ()
    unknown: tuple[str, ...] = ()


def fitting(items: Iterable[M], most: int = MAX_PAGE) -> tuple[M, ...]:
    """As many of the items as fit into one answer, at least one."""
    found: list[M] = []
    left = most
    for item in items:
        left -= len(item.wire_json())
        if left < 0 and found:
            break
        found.append(item)
    return tuple(found)


def page(items: Sequence[LetterShown], offset: int, limit: int) -> LetterPage:
    """A page of letters, shorter where they are large."""
    shown = fitting(items[offset : offset + limit])
    end = offset + len(shown)
    return LetterPage(letters=shown, offset=offset, next_offset=end if end < len(items) else None, total=len(items))
