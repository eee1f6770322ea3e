"""The book of a mesh: all its letters and how far each is, and what follows from that alone. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from perdure.domain.mail.letter import EVERYBODY, OUTSIDE, TOPIC, Letter
from perdure.domain.mail.records import (
    Address,
    DeadLetter,
    DeadReason,
    Delivery,
    DeliveryShown,
    LetterShown,
    PeerCount,
    PendingRequest,
)
from perdure.domain.model import JsonObject

__all__ = ["Book", "Rules"]

MAX_KEPT = 5_000
"""Letters that are remembered whole; of older ones that are done with, only the ids."""


@dataclass(frozen=True)
class Rules:
    """Bounds of a router; `sends` counts deliveries, repeated attempts included. Times are in seconds."""

    hops: int = 20
    sends: int = 100
    attempts: int = 5
    ack_seconds: float = 10.0
    request_seconds: float = 600.0


@dataclass
class Book:
    """Letters by id, their deliveries, the dead, and who waits for an answer."""

    rules: Rules = field(default_factory=Rules)
    peers: dict[str, Address] = field(default_factory=dict[str, Address])
    letters: dict[str, Letter] = field(default_factory=dict[str, Letter])
    seen: dict[str, None] = field(default_factory=dict[str, None])
    deliveries: dict[str, dict[str, Delivery]] = field(default_factory=dict[str, dict[str, Delivery]])
    under_way: dict[tuple[str, str], Delivery] = field(default_factory=dict[tuple[str, str], Delivery])
    dead: list[DeadLetter] = field(default_factory=list[DeadLetter])
    pending: dict[str, PendingRequest] = field(default_factory=dict[str, PendingRequest])
    joined: dict[str, None] = field(default_factory=dict[str, None])
    closed: dict[str, str] = field(default_factory=dict[str, str])
    counts: dict[str, PeerCount] = field(default_factory=dict[str, PeerCount])
    sends: int = 0
    said: int = 0
    exhausted: bool = False
    """Whether something was held back because `rules.sends` was reached, or too many letters are dead."""

    @property
    def wake(self) -> datetime | None:
        """When there is something to do next if nothing comes in."""
        times = [each.at for each in self.under_way.values() if each.state == "waiting" and each.peer in self.joined]
        return min([*times, *(each.expires_at for each in self.pending.values())], default=None)

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way and nobody waits for an answer."""
        return not self.under_way and not self.pending

    @property
    def full(self) -> bool:
        """Whether no more can be sent, and all that was sent is settled."""
        return self.exhausted and not any(each.attempts for each in self.under_way.values())

    def receivers(self, letter: Letter) -> list[str]:
        """Peers that a letter goes to: the one it names, or all others that have subscribed and accept it.

        Closed peers get nothing that is sent to many.
        """
        target = letter.target
        if target != EVERYBODY and not target.startswith(TOPIC):
            return [target] if target in self.peers or target == OUTSIDE else []
        topic = target.removeprefix(TOPIC)
        return [
            name
            for name, peer in self.peers.items()
            if name != letter.source
            and name not in self.closed
            and (target == EVERYBODY or topic in peer.topics)
            and (peer.accepts is None or peer.accepts.takes(letter))
        ]

    def shown(self, a: str | None = None, b: str | None = None) -> list[LetterShown]:
        """Letters in the order they were written: all, those of one, or those between two."""
        return [
            LetterShown(
                letter=letter,
                deliveries=tuple(
                    DeliveryShown(peer=each.peer, state=each.state, attempts=each.attempts)
                    for each in self.deliveries.get(letter.id, {}).values()
                ),
            )
            for letter in self.letters.values()
            if {a, b} - {None} <= {letter.source, letter.target, *self.deliveries.get(letter.id, {})}
            and (a is None or b is None or letter.source in (a, b))
        ]

    def _dead(  # noqa: PLR0913, PLR0917 - the fields of a dead letter
        self, identity: str, peer: str, reason: DeadReason, words: str, now: datetime, attempts: int, raw: JsonObject
    ) -> None:
        self.dead.append(
            DeadLetter(id=identity, peer=peer, reason=reason, words=words, at=now, attempts=attempts, letter=raw)
        )

    def _found(self, identity: str, peer: str) -> Delivery | None:
        return self.deliveries.get(identity, {}).get(peer)

    def _lives(self, peer: str) -> bool:
        return peer not in self.closed

    def _revive(self, delivery: Delivery) -> None:
        """The peer has the letter, also when it counted as dead."""
        name = (delivery.letter.id, delivery.peer)
        delivery.state = "taken"
        self.under_way[name] = delivery
        self.dead = [each for each in self.dead if (each.id, each.peer) != name]

    def _count(self, peer: str, **more: int) -> None:
        before = self.counts.get(peer, PeerCount())
        self.counts[peer] = before.model_copy(update={name: getattr(before, name) + n for name, n in more.items()})

    def _keep(self, letter: Letter) -> None:
        self.letters[letter.id] = letter
        if len(self.letters) <= MAX_KEPT:
            return
        busy = {identity for identity, _ in self.under_way} | {each.id for each in self.dead} | {*self.pending}
        gone = next((name for name in self.letters if name not in busy and name != letter.id), None)
        if gone is not None:
            del self.letters[gone]
            self.deliveries.pop(gone, None)
