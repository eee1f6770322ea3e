"""The counter of a mesh: what its peers report, and what people and programs outside send, ask and redrive."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from perdure.domain.control import PageRequest
from perdure.domain.mail.letter import OUTSIDE, Letter, Outside
from perdure.domain.mail.records import (
    DeadPage,
    LetterPage,
    LettersRequest,
    PendingPage,
    Redrive,
    RedriveAnswer,
    SendAnswer,
    fitting,
    page,
)
from perdure.domain.mail.router import Router
from perdure.domain.model import JsonValue
from perdure.domain.patterns.mesh import Ack, Joined, Sent
from workflows.patterns.pattern import Pattern
from workflows.payloads import parse

__all__ = ["Postbox"]


class Postbox(Pattern):
    """The signals, updates and queries of a mesh; what they change wakes whoever moves the letters."""

    def __init__(self) -> None:
        """Start closed: `is_open` says from when and until when letters are taken."""
        super().__init__()
        self.router = Router()
        self.is_open = False
        self.changes: int = 0
        """Counts what came in and needs to be looked at."""
        self.ids: dict[str, str] = {}
        """Workflow ids of the peers that have joined."""
        self._numbers = 0

    def reported(self, sent: Sent, upon: Letter) -> None:
        """Hear what a peer has come to with a letter, after its own letters were taken."""
        raise NotImplementedError

    @workflow.signal(name="joined")
    def joined(self, *payload: JsonValue) -> None:
        """Hear that a peer takes letters; only peers of this mesh are believed."""
        told = self._signalled(Joined, payload, "joined")
        if told is not None and told.workflow_id in self._run.children and told.peer in self.router.peers:
            self.router.joined[told.peer] = None
            self.ids[told.peer] = told.workflow_id
            self.changes += 1

    @workflow.signal(name="ack")
    def ack(self, *payload: JsonValue) -> None:
        """Hear that a peer has a letter; that alone gives nobody anything to do."""
        if told := self._signalled(Ack, payload, "ack"):
            self.router.acked(told.id, told.peer)

    @workflow.signal(name="sent")
    def sent(self, *payload: JsonValue) -> None:
        """Hear what a peer has written upon a letter; what is told again changes nothing."""
        told = self._signalled(Sent, payload, "sent")
        if told is None or not self.is_open:  # peers that are stopped in the end may still report that
            return
        upon = self.router.handled(told.handled, told.peer, failed=told.error is not None)
        if upon is not None:
            self.router.written(told.peer, told.letters, told.first, upon, workflow.now())
            self.reported(told, upon)
            self.changes += 1

    @workflow.signal(name="send")
    async def send_signal(self, *payload: JsonValue) -> None:
        """Send a letter from outside: `{"to", "content", "type"?, "id"?, "correlation_id"?, "metadata"?, "by"?}`."""
        if given := self._signalled(Outside, payload, "send"):
            try:
                await self._send(given)
            except ApplicationError as error:
                self._run.notice("signal.ignored", error.message)

    @workflow.update(name="send")
    async def send(self, *payload: JsonValue) -> SendAnswer:
        """Send a letter from outside; returns its id and to whom it goes."""
        return await self._send(parse(Outside, payload, "update send"))

    @send.validator
    def _check_send(self, *payload: JsonValue) -> None:
        parse(Outside, payload, "update send")

    async def _send(self, given: Outside) -> SendAnswer:
        by = await self._desk.authorise("send", given.by, given.token, given.digest, signed_only=True)
        await self._opened("send")
        self._numbers += given.id is None
        now, metadata = workflow.now(), {**given.metadata, **({"by": by} if by else {})}
        letter = Letter(
            id=given.id or f"{OUTSIDE}:{self._numbers}",
            type=given.type,
            source=OUTSIDE,
            target=given.to,
            content=given.content,
            metadata=metadata,
            timestamp=now,
            correlation_id=given.correlation_id,
        )
        to = self.router.receivers(letter)
        if not to:
            msg = f"send: nobody takes {given.to!r}; peers: {', '.join(self.router.peers)}"
            raise ApplicationError(msg, type="UnknownPeer", non_retryable=True)
        new = self.router.post(letter, now)
        self._run.journal.add("control", by, {"verb": "send", "letter": letter.id, "to": given.to})
        self.changes += 1
        return SendAnswer(id=letter.id, to=tuple(to), duplicate=not new)

    @workflow.update(name="redrive")
    async def redrive(self, *payload: JsonValue) -> RedriveAnswer:
        """Send dead letters again: `{"ids"?, "by"?}`; says of each what became of it."""
        given = parse(Redrive, payload, "update redrive")
        by = await self._desk.authorise("redrive", given.by, given.token, given.digest, signed_only=True)
        await self._opened("redrive")
        known = {each.id for each in self.router.dead}
        again = self.router.redrive(given.ids, workflow.now())
        self._run.journal.add("control", by, {"verb": "redrive", "letters": [each.id for each in again]})
        self.changes += 1
        return RedriveAnswer(letters=tuple(again), unknown=tuple(name for name in given.ids or () if name not in known))

    @redrive.validator
    def _check_redrive(self, *payload: JsonValue) -> None:
        parse(Redrive, payload, "update redrive")

    async def _opened(self, verb: str) -> None:
        """Wait until letters are taken; raises ApplicationError when they are no more."""
        await workflow.wait_condition(lambda: self.is_open or self.is_over)
        if not self.is_open:
            msg = f"{verb}: the mesh has ended"
            raise ApplicationError(msg, type="InvalidInput", non_retryable=True)

    @property
    def is_over(self) -> bool:
        """Whether letters were taken, and are no more."""
        return self._run.control.ended or (not self.is_open and bool(self.router.peers))

    @workflow.query(name="letters")
    def letters(self, *payload: JsonValue) -> LetterPage:
        """Letters, all or between two: `{"a"?, "b"?, "offset": 0, "limit": 100}`; a page may hold fewer."""
        wanted = parse(LettersRequest, payload, "query letters")
        return page(self.router.shown(wanted.a, wanted.b), wanted.offset, wanted.limit)

    @workflow.query(name="dead_letters")
    def dead_letters(self, *payload: JsonValue) -> DeadPage:
        """Letters that did not arrive, oldest first: `{"offset": 0, "limit": 100}`; a page may hold fewer."""
        wanted, dead = parse(PageRequest, payload, "query dead_letters"), self.router.dead
        shown = fitting(dead[wanted.offset : wanted.offset + wanted.limit])
        end = wanted.offset + len(shown)
        following = end if end < len(dead) else None
        return DeadPage(dead_letters=shown, offset=wanted.offset, next_offset=following, total=len(dead))

    @workflow.query(name="pending_requests")
    def pending_requests(self, *payload: JsonValue) -> PendingPage:
        """Requests that have no answer yet: `{"requests": [...]}`."""
        parse(PageRequest, payload, "query pending_requests")
        return PendingPage(requests=fitting(self.router.pending.values()))
