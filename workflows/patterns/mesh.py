"""The workflow `Mesh`."""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow

from perdure.domain.control import ControlPayload
from perdure.domain.errors import ErrorInfo
from perdure.domain.mail.book import Rules
from perdure.domain.mail.letter import OUTSIDE, Letter
from perdure.domain.mail.records import Delivery, PeerCount, fitting
from perdure.domain.model import JsonValue
from perdure.domain.patterns.mesh import MeshInput, MeshResult, Outcome, PeerSpec, Sent
from perdure.domain.patterns.steps import Found
from perdure.domain.run import Progress, StopReason
from workflows.children import tell_child
from workflows.control import RunEndedError
from workflows.patterns.postbox import Postbox

__all__ = ["Mesh"]

PATIENCE = timedelta(seconds=30)
"""For peers that were told that the mesh is over; after it they are cancelled."""
TRANSCRIPT = 60_000
"""Characters of letters in a result, and as many of dead letters."""
WORDS: dict[Outcome, str] = {
    "quiet": "nobody has anything left to do, and nobody said that the goal is reached",
    "letter_limit": "max_letters is reached, or too many letters are dead, before anybody said that it is done",
    "time_limit": "the time is over before anybody said that the goal is reached",
    "ended": "the mesh was ended before anybody said that the goal is reached",
}


@workflow.defn(name="Mesh")
class Mesh(Postbox):
    """Peers that write letters to each other until one says that it is done: to one, to all, to a topic, by content.

                     +--> peer ann --+
    goal --> mesh <--+--> peer ben --+--> "done" with a result, or quiet, or a limit
                     +--> peer cid --+

    Source: Enterprise Integration Patterns (Hohpe, Woolf, 2003) for routing, correlation and dead letters; the types of
    letters are close to FIPA ACL (2002).
    Cost: the model calls of the receiver for each letter that is delivered, at most `max_letters` deliveries.
    Failures: a letter is acknowledged, repeated, and after `attempts` a dead letter, which can be sent again; who wrote
    it is told. A peer that ends leaves its letters dead (PEER_CLOSED), the others go on. A peer whose agent fails on a
    letter answers with an error. Only `done` is a success: QUIET, LETTER_LIMIT and TIME_LIMIT say what else ended it.
    """

    takes = MeshInput

    def __init__(self) -> None:
        """Start without peers."""
        super().__init__()
        self._ended: Sent | None = None
        self._sending: list[asyncio.Task[None]] = []
        self._lines: dict[str, asyncio.Lock] = {}
        self._ends: tuple[str, ...] = ()
        self._quiet_since: datetime | None = None

    @workflow.run
    async def run(self, *payload: JsonValue) -> MeshResult:
        """Run to the end."""
        return await self.conduct(MeshInput, MeshResult, payload, self._work)

    async def _work(self, given: MeshInput) -> Found:
        self._open(given)
        count = len(given.peers)
        peers = [asyncio.create_task(self._peer(given, peer, count - n)) for n, peer in enumerate(given.peers)]
        outcome: Outcome = "ended"
        error, reason = None, StopReason.ERROR
        try:
            outcome = await self._serve(given)
        except RunEndedError as end:
            self._run.approvals.close()
            error, reason = end.error or ErrorInfo.of(end.reason.upper(), WORDS["ended"]), end.reason
        except asyncio.CancelledError:
            for peer in peers:
                peer.cancel()
            raise
        self.is_open = False
        await self._close(peers)
        if outcome not in ("done", "ended"):
            error = ErrorInfo.of(outcome.upper(), WORDS[outcome])
            reason = StopReason.TIME_LIMIT if outcome == "time_limit" else StopReason.ERROR
        return Found(self._output(), self._details(outcome), error, reason)

    def _open(self, given: MeshInput) -> None:
        """Take letters from now on; the goal is the first."""
        rules = Rules(
            hops=given.max_hops,
            sends=given.max_letters,
            attempts=given.attempts,
            ack_seconds=given.ack_seconds,
            request_seconds=given.request_seconds,
        )
        router, now = self.router, workflow.now()
        router.rules, self._ends = rules, given.ends
        router.peers = {peer.name: peer.address for peer in given.peers}
        self._lines = {peer.name: asyncio.Lock() for peer in given.peers}
        router.post(
            Letter(id="goal", type="task", source=OUTSIDE, target=given.first, content=given.goal, timestamp=now), now
        )
        self.is_open = True

    async def _peer(self, given: MeshInput, peer: PeerSpec, parts: int) -> None:
        """The life of a peer; when it ends, its letters are dead."""
        why = "the mesh is over"
        try:
            done = await self.team.ask(given.peer_step(peer), parts)
            why = why if done.error is None else f"{done.error.code}: {done.error.message}"
        finally:
            if self.is_open:
                self.router.close(peer.name, why, workflow.now())
                self.changes += 1

    async def _serve(self, given: MeshInput) -> Outcome:
        """Move letters until something ends the mesh."""
        router, control = self.router, self._run.control
        over = None if given.seconds is None else workflow.now() + timedelta(seconds=given.seconds)
        while True:
            await control.hold()
            now, seen = workflow.now(), self.changes
            router.expire(now)
            self._sending = [task for task in self._sending if not task.done()]
            self._sending += [asyncio.create_task(self._deliver(each)) for each in router.due(now)]
            self._show_letters()
            left = self._run.time_left()
            if outcome := self._outcome(given, now, over):
                return outcome
            if left <= timedelta():
                raise RunEndedError(StopReason.TIME_LIMIT)
            waits = [router.wake, over, self._quiet_until(given), now + left]
            wake = min(each for each in waits if each is not None)
            await self._something(seen, wake - now)

    async def _something(self, seen: int, length: timedelta) -> None:
        """Wait until something has come in, or for so long."""
        control = self._run.control
        try:
            await workflow.wait_condition(
                lambda: self.changes != seen or control.stopping or control.paused,
                timeout=max(length, timedelta(milliseconds=1)),
                timeout_summary="letters to repeat, requests to answer, or the end",
            )
        except TimeoutError:
            return

    async def _deliver(self, delivery: Delivery) -> None:
        """Send a letter to a peer. Where that fails it is sent again, as when it is not acknowledged.

        The server keeps no order between signals: the next one leaves when this one has arrived.
        """
        async with self._lines[delivery.peer]:
            await tell_child(self.ids[delivery.peer], "deliver", delivery.letter)

    def reported(self, sent: Sent, upon: Letter) -> None:
        """A peer that may end the mesh does so by saying that it is done."""
        if sent.error is not None:
            self.router.failed(sent.peer, sent.error.code, sent.error.message, upon, workflow.now())
        elif sent.done and self._ends and sent.peer not in self._ends:
            self._run.notice("mesh.not_ended", f"{sent.peer} said that it is done, but may not end the mesh")
        elif sent.done and self._ended is None:
            self._ended = sent

    def _outcome(self, given: MeshInput, now: datetime, over: datetime | None) -> Outcome | None:
        router = self.router
        if self._ended is not None:
            return "done"
        if over is not None and now >= over:
            return "time_limit"
        if router.full:
            return "letter_limit"
        self._quiet_since = (self._quiet_since or now) if router.quiet else None
        until = self._quiet_until(given)
        alone = len(router.closed) == len(router.peers)
        return "quiet" if until is not None and (alone or now >= until) else None

    def _quiet_until(self, given: MeshInput) -> datetime | None:
        """Until when the mesh stays open although nobody has anything to do."""
        since = self._quiet_since
        return None if since is None else since + timedelta(seconds=given.quiet_seconds)

    async def _close(self, peers: "list[asyncio.Task[None]]") -> None:
        """Tell the peers that it is over, and wait for their end."""
        for identity in self._run.open_children:
            await tell_child(identity, "close", ControlPayload(by="mesh", reason="the mesh is over"))
        try:
            await workflow.wait_condition(lambda: all(peer.done() for peer in peers), timeout=PATIENCE)
        except TimeoutError:
            for peer in peers:
                peer.cancel()
        await asyncio.gather(*peers, return_exceptions=True)

    def _output(self) -> JsonValue:
        """What the peer that ended the mesh said, else the last letter of a peer."""
        ended = self._ended
        if ended is not None and ended.result is not None:
            return ended.result
        return next((each.content for each in reversed(self.router.letters.values()) if each.source in self.ids), "")

    def _details(self, outcome: Outcome) -> dict[str, object]:
        router = self.router
        return {
            "outcome": outcome,
            "ended_by": self._ended.peer if self._ended else "",
            "letters": len(router.seen),
            "undelivered": len(router.under_way),
            "dead_letters": fitting(router.dead, TRANSCRIPT),
            "peers": {name: router.counts.get(name, PeerCount()) for name in router.peers},
            "transcript": fitting(router.letters.values(), TRANSCRIPT),
        }

    def _show_letters(self) -> None:
        """Progress in letters: those that were dealt with, of those that were written."""
        done = sum(count.handled for count in self.router.counts.values())
        total = done + len(self.router.under_way)
        self._run.progress = Progress(stage="letters", done=done, total=total)
        self._run.changed()
