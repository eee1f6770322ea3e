"""The router of a mesh: who gets a letter, what is sent when and how often, and what is given up. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError

from perdure.domain.explain import explain
from perdure.domain.mail.book import Book
from perdure.domain.mail.letter import ANSWERS, EVERYBODY, MESH, OUTSIDE, REQUESTS, TOPIC, Draft, Letter
from perdure.domain.mail.records import DeadReason, Delivery, PendingRequest, Redriven
from perdure.domain.model import JsonObject, JsonValue

__all__ = ["MAX_DEAD", "Router"]

MAX_DEAD = 1_000


class Router(Book):
    """Moves the letters of a mesh. Each delivery is under way (waiting, taken), handled, or dead; none is forgotten.

    Nobody is told a time here: every method that needs one takes `now`. What is to be sent is in `due`.
    """

    def post(self, letter: Letter, now: datetime) -> bool:
        """Take a letter and send it on its way; False: one with this id was there before."""
        if letter.id in self.seen:
            return False
        self.seen[letter.id] = None
        self._keep(letter)
        self._count(letter.source, sent=1)
        asked = self.pending.get(letter.correlation_id or "")
        if asked is not None and letter.source in asked.to and letter.target == asked.source:
            del self.pending[asked.id]
        self._route(letter, now)
        return True

    def written(self, peer: str, drafts: Sequence[JsonValue], first: int, upon: Letter, now: datetime) -> None:
        """Take what a peer has written upon a letter; what is no letter is dead at once."""
        for number, draft in enumerate(drafts, start=first):
            identity = f"{peer}:{number}"
            try:
                self.post(_letter(identity, peer, Draft.model_validate(draft), upon, now), now)
            except ValidationError as error:
                if identity not in self.seen:
                    self.seen[identity] = None
                    raw: JsonObject = draft if isinstance(draft, dict) else {"letter": draft}
                    self._dead(identity, "", "INVALID", explain(error), now, 0, raw)

    def acked(self, identity: str, peer: str) -> None:
        """The peer has the letter; also when that had been given up."""
        delivery = self._found(identity, peer)
        if delivery is not None and (delivery.state == "waiting" or (delivery.state == "dead" and self._lives(peer))):
            self._revive(delivery)
            self._count(peer, received=1)

    def handled(self, identity: str, peer: str, *, failed: bool = False) -> Letter | None:
        """The peer has dealt with the letter, which is returned; None: that was known before, or nobody sent it."""
        delivery = self._found(identity, peer)
        if delivery is None or delivery.state == "handled":
            return None
        if delivery.state != "taken":
            self._revive(delivery)
            self._count(peer, received=1)
        delivery.state = "handled"
        del self.under_way[identity, peer]
        self._count(peer, handled=1, failed=int(failed))
        return delivery.letter

    def close(self, peer: str, why: str, now: datetime) -> None:
        """The peer is no more: what is under way to it, or was not dealt with, is dead."""
        if peer in self.closed:
            return
        self.closed[peer] = why
        for delivery in [each for each in self.under_way.values() if each.peer == peer]:
            state = "taken, but not dealt with" if delivery.state == "taken" else "not delivered"
            self._bury(delivery.letter, peer, "PEER_CLOSED", f"{peer} has ended ({why}): {state}", now)

    def redrive(self, ids: Iterable[str] | None, now: datetime) -> list[Redriven]:
        """Send dead letters again, under their ids, as if for the first time."""
        wanted = None if ids is None else dict.fromkeys(ids)
        chosen = [each for each in self.dead if wanted is None or each.id in wanted]
        answers: list[Redriven] = []
        for dead in chosen:
            letter = self.letters.get(dead.id)
            if dead.reason == "INVALID" or letter is None:
                answers.append(Redriven(id=dead.id, state="dead", reason=dead.reason, words=dead.words))
                continue
            self.dead.remove(dead)
            before = len(self.dead)
            if dead.reason in ("NO_ACK", "PEER_CLOSED"):
                self._await_answer(letter, [dead.peer], now)
                self._deliver(letter, dead.peer, now, tell=False)
            else:  # whoever sends it again answers for it: its way begins anew
                fresh = letter.model_copy(update={"hops": 0})
                self.letters[letter.id] = fresh
                self._route(fresh, now, tell=False)
            again = self.dead[-1] if len(self.dead) > before else None
            if again is None:
                answers.append(Redriven(id=dead.id, state="waiting"))
            else:
                answers.append(Redriven(id=dead.id, state="dead", reason=again.reason, words=again.words))
        return answers

    def due(self, now: datetime) -> list[Delivery]:
        """Deliveries that are to be sent now; counts them as sent. What was sent too often is given up."""
        found: list[Delivery] = []
        for delivery in list(self.under_way.values()):
            if delivery.state != "waiting" or delivery.peer not in self.joined or delivery.at > now:
                continue
            self.exhausted = self.exhausted or self.sends >= self.rules.sends or len(self.dead) >= MAX_DEAD
            if delivery.attempts >= self.rules.attempts or (self.exhausted and delivery.attempts):
                words = f"{delivery.peer} has not acknowledged it, sent {delivery.attempts} times"
                self._bury(delivery.letter, delivery.peer, "NO_ACK", words, now)
            elif not self.exhausted:
                delivery.at = now + timedelta(seconds=self.rules.ack_seconds * 2**delivery.attempts)
                delivery.attempts += 1
                self.sends += 1
                found.append(delivery)
        return found

    def expire(self, now: datetime) -> None:
        """Tell those who asked of requests whose time is over, or that nobody is left to answer."""
        for asked in list(self.pending.values()):
            if asked.expires_at <= now:
                code, words = "REQUEST_TIMEOUT", f"no answer from {', '.join(asked.to)} in time"
            elif not self.under_way and OUTSIDE not in asked.to:
                code, words = "NO_ANSWER", f"{', '.join(asked.to)} did not answer, and nobody has anything left to do"
            else:
                continue
            del self.pending[asked.id]
            self._tell(asked.source, code, words, asked.id, self.letters.get(asked.id), now)

    def _route(self, letter: Letter, now: datetime, *, tell: bool = True) -> None:
        if letter.hops > self.rules.hops:
            words = f"{letter.hops} letters led to it, at most {self.rules.hops} may"
            self._bury(letter, letter.target, "HOP_LIMIT", words, now, tell=False)
            return
        to = self.receivers(letter)
        if not to:
            many = letter.target == EVERYBODY or letter.target.startswith(TOPIC)
            words = f"nobody takes {letter.target!r}" if many else f"there is no peer {letter.target!r}"
            there = f"{words}; peers: {', '.join(self.peers)}"
            self._bury(letter, letter.target, "NO_RECEIVER" if many else "UNKNOWN_PEER", there, now, tell=tell)
            return
        self._await_answer(letter, to, now)
        for name in to:
            self._deliver(letter, name, now, tell=tell)

    def _await_answer(self, letter: Letter, to: Sequence[str], now: datetime) -> None:
        if letter.type in REQUESTS and letter.id not in self.pending:
            expires = now + timedelta(seconds=self.rules.request_seconds)
            self.pending[letter.id] = PendingRequest(
                id=letter.id, source=letter.source, to=tuple(to), asked_at=now, expires_at=expires
            )

    def _deliver(self, letter: Letter, peer: str, now: datetime, *, tell: bool) -> None:
        delivery = Delivery(letter, peer, now)
        self.deliveries.setdefault(letter.id, {})[peer] = delivery
        if peer == OUTSIDE:  # it is there for whoever looks
            delivery.state = "handled"
        elif peer in self.closed:
            words = f"{peer} has ended ({self.closed[peer]}): not delivered"
            self._bury(letter, peer, "PEER_CLOSED", words, now, tell=tell)
        else:
            self.under_way[letter.id, peer] = delivery

    def _bury(  # noqa: PLR0913 - what there is to say of a dead letter
        self, letter: Letter, peer: str, reason: DeadReason, words: str, now: datetime, *, tell: bool = True
    ) -> None:
        """Give a delivery up, and tell who wrote the letter."""
        delivery = self.deliveries.get(letter.id, {}).get(peer)
        self.under_way.pop((letter.id, peer), None)
        if delivery is not None:
            delivery.state = "dead"
        attempts = 0 if delivery is None else delivery.attempts
        self._dead(letter.id, peer, reason, words, now, attempts, letter.model_dump(mode="json"))
        asked = self.pending.get(letter.id)
        known = self.deliveries.get(letter.id, {})
        if asked is not None and all(name in known and known[name].state == "dead" for name in asked.to):
            del self.pending[letter.id]
        if tell:
            self._tell(letter.source, reason, words, letter.id, letter, now)

    def _tell(self, to: str, code: str, words: str, about: str, upon: Letter | None, now: datetime) -> None:  # noqa: PLR0913, PLR0917 - an error letter
        """An error letter of the mesh itself; nobody is told of the fate of such a letter."""
        if to == MESH or to in self.closed:
            return
        self.said += 1
        content: JsonObject = {"code": code, "message": words}
        self.post(
            Letter(
                id=f"{MESH}:{self.said}",
                type="error",
                source=MESH,
                target=to,
                content=content,
                timestamp=now,
                correlation_id=about,
                hops=1 + (upon.hops if upon else 0),
            ),
            now,
        )

    def failed(self, peer: str, code: str, words: str, upon: Letter, now: datetime) -> None:
        """Tell who wrote a letter that the agent of the peer could not deal with it."""
        self._tell(upon.source, code, f"{peer} could not deal with it: {words}"[:2_000], upon.id, upon, now)


def _letter(identity: str, peer: str, draft: Draft, upon: Letter, now: datetime) -> Letter:
    """The letter that a draft is; it answers the one it is written upon when it goes back and is of such a type."""
    answers = draft.type in ANSWERS and draft.to == upon.source and upon.type in REQUESTS
    return Letter(
        id=identity,
        type=draft.type,
        source=peer,
        target=draft.to,
        content=draft.content,
        timestamp=now,
        correlation_id=draft.reply_to or (upon.id if answers else None),
        hops=upon.hops + 1,
    )
