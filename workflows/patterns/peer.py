"""The workflow `Peer`."""

from typing import TYPE_CHECKING

from temporalio import workflow

from perdure.domain.mail.letter import Letter
from perdure.domain.model import JsonValue
from perdure.domain.patterns.mesh import Ack, Joined, PeerInput, PeerResult, Sent, reading, said
from perdure.domain.patterns.steps import Found
from perdure.domain.run import StopReason
from workflows.children import tell_child
from workflows.control import RunEndedError
from workflows.patterns.pattern import Pattern

if TYPE_CHECKING:
    from perdure.domain.model import JsonObject, Model

__all__ = ["Peer"]

REMEMBERED = 20
"""Letters between itself and another that a peer's agent is reminded of."""


@workflow.defn(name="Peer")
class Peer(Pattern):
    """One agent of a mesh: takes letters one at a time, for as long as the mesh lives. `Mesh` starts it, people do not.

    letter -> acknowledged, in the inbox -> its agent reads it -> the letters that it writes go to the mesh

    Source: the actor model (Hewitt, Bishop, Steiger, 1973): a mailbox, one message at a time, messages in answer.
    Cost: the model calls of its agent for each letter; none for a heartbeat. Failures: a letter that its agent fails
    on is reported to the mesh with the reason, and the next one is read; a letter that came before is dropped.
    """

    takes = PeerInput

    def __init__(self) -> None:
        """Start with an empty inbox."""
        super().__init__()
        self._inbox: list[Letter] = []
        self._seen: dict[str, None] = {}
        self._said: dict[str, list[str]] = {}
        self._handled = self._written = 0
        self._closing = False
        self._name = self._mesh = ""

    @workflow.run
    async def run(self, *payload: JsonValue) -> PeerResult:
        """Run to the end."""
        return await self.conduct(PeerInput, PeerResult, payload, self._work)

    @workflow.signal(name="deliver")
    async def deliver(self, *payload: JsonValue) -> None:
        """Take a letter and acknowledge it, each time it comes; the mesh sends it, not people."""
        letter = self._signalled(Letter, payload, "deliver")
        if letter is None:
            return
        if letter.id not in self._seen:
            self._seen[letter.id] = None
            self._inbox.append(letter)
        await workflow.wait_condition(lambda: bool(self._mesh) or self._run.control.ended)
        if self._mesh:
            await self._tell("ack", Ack(peer=self._name, id=letter.id))

    @workflow.signal(name="close")
    async def close(self, *_payload: JsonValue) -> None:
        """End when the mesh does; what the agent is at is stopped."""
        self._closing = True
        await self.team.stop("the mesh is over")

    async def _tell(self, signal: str, payload: "Model") -> None:
        await tell_child(self._mesh, signal, payload)

    async def _work(self, given: PeerInput) -> Found:
        self._name, self._mesh = given.name, given.lineage.parent if given.lineage else ""
        await self._tell("joined", Joined(peer=given.name, workflow_id=workflow.info().workflow_id))
        while not self._closing:
            await self._run.control.hold()
            if self._inbox:
                await self._deal(given, self._inbox.pop(0))
            else:
                await self._letter_comes()
        counts: JsonObject = {"handled": self._handled, "written": self._written}
        return Found(counts, counts)

    async def _letter_comes(self) -> None:
        control = self._run.control
        try:
            await workflow.wait_condition(
                lambda: bool(self._inbox) or self._closing or control.stopping or control.paused,
                timeout=control.until_deadline,
            )
        except TimeoutError:
            raise RunEndedError(StopReason.TIME_LIMIT) from None

    async def _deal(self, given: PeerInput, letter: Letter) -> None:
        """Let the agent read a letter, and tell the mesh what it wrote."""
        with_source = self._said.setdefault(letter.source, [])
        step = reading(given, letter, with_source[-REMEMBERED:])
        with_source.append(said(letter.id, letter.source, letter.type, letter.content))
        answer = Sent(peer=given.name, handled=letter.id, first=self._written + 1)
        if letter.type != "heartbeat":
            done = await self.team.ask(step)
            if done.error is not None:
                answer = answer.model_copy(update={"error": done.error})
            elif isinstance(done.output, dict):
                answer = Sent.model_validate({**answer.model_dump(), **done.output})
        for number, draft in enumerate(answer.letters, start=answer.first):
            self._remember(given, number, draft, letter.source)
        self._handled += 1
        self._written += len(answer.letters)
        for lines in self._said.values():
            del lines[:-REMEMBERED]
        await self._tell("sent", answer)

    def _remember(self, given: PeerInput, number: int, draft: JsonValue, source: str) -> None:
        """Keep what was written with those it was written to; what goes to many with whom it was written upon."""
        if isinstance(draft, dict):
            to = str(draft.get("to"))
            line = said(f"{given.name}:{number}", f"you to {to}", str(draft.get("type")), draft.get("content"))
            self._said.setdefault(to if to in given.mates else source, []).append(line)
