"""One person's side of a session: its questions, what happens while they are answered, and what was said before."""

import asyncio
import shlex
import uuid
from typing import cast

from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus, WorkflowQueryFailedError

from perdure.asking import SESSION
from perdure.cli.asker import Asker, Question, Reply
from perdure.cli.chat_listener import ChatPerson
from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ExitCode
from perdure.cli.following import Follower
from perdure.cli.inputs import RunOptions, build_input
from perdure.cli.listeners import Nobody
from perdure.cli.outcome import outcome_of
from perdure.cli.questions import pages
from perdure.cli.rendering import PROGRAM
from perdure.cli.session import Session, open_session
from perdure.cli.signing import requester
from perdure.cli.starting import check_id
from perdure.cli.terminal import Lines, is_terminal
from perdure.contact import NoAnswer
from perdure.domain.messages import Message
from perdure.domain.run import RunState

__all__ = ["Conversation", "open_conversation"]

RECALLED = 6
"""Messages that are shown when a session is opened again."""
BUSY = frozenset({RunState.EXECUTING, RunState.WAITING, RunState.PAUSED, RunState.CHECKPOINTING})
QUIET_SECONDS = 2.0
SHORT_QUESTION = 200


class Conversation:
    """A session that is open here. Close it in the end; the session itself lives on."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it is made of
        self,
        session: Session,
        workflow_id: str,
        asker: Asker,
        follower: Follower,
        lines: Lines,
        person: ChatPerson | None,
        before: WorkflowExecutionDescription | None,
    ) -> None:
        """Made by `open_conversation`; `before` is the session as it was found."""
        self.session = session
        self.workflow_id = workflow_id
        self.lines = lines
        self.person = person
        self.before = before
        self._asker = asker
        self._follower = follower

    @property
    def way_back(self) -> str:
        """The command that leads back into the session."""
        return f"{PROGRAM} chat {shlex.quote(self.workflow_id)}"

    async def ask(self, text: str, message_id: str | None = None) -> Reply:
        """Ask, tell what happens, and return the reply; raises CliError (exit code 4) when a person is missing."""
        question = Question(text, message_id or str(uuid.uuid4()))
        self.session.cli.way_back = [*ways_back(self.workflow_id), *self._again(question)]
        if self.person is not None:
            self.person.asking(question.message_id, text)
        answer = asyncio.create_task(self._asker.ask(question))
        answer.add_done_callback(lambda _: self._follower.wake())
        patience = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._still_waiting)
        try:
            await self._follower.until(answer.done)
            if self.person is not None:
                await self._follower.look(self.workflow_id)
                self.person.answered()
            return await answer
        except CliError as error:
            if error.code is not ExitCode.HUMAN:
                raise
            asked = {"workflow_id": self.workflow_id, "message_id": question.message_id, "question": text}
            hint = "\n".join([error.hint, *self._again(question)])
            raise CliError(error.code, error.kind, error.message, hint, {**asked, **error.extra}) from error
        finally:
            patience.cancel()
            answer.cancel()

    def _still_waiting(self) -> None:
        if self.person is None:
            self.session.cli.out.note("waiting for the reply")

    async def recall(self) -> list[Message]:
        """The last messages of a session that was there before; follows it from there on."""
        described = self.before
        if described is None:
            return []
        if await self._was_ended(described):
            self.session.cli.out.note("this session was ended: the next question begins a new conversation")
            return []
        handle = self.session.handle(described.id, described.run_id)
        try:
            totals = [page.total async for page in pages(handle, 0, 1)]
            first = max(0, max(totals, default=0) - RECALLED)
            said = [message async for page in pages(handle, first, RECALLED) for message in page.messages]
        except NoAnswer:
            raise self.session.no_worker() from None
        except WorkflowQueryFailedError as error:
            words = f"session {described.id} does not tell its conversation: {error}"
            raise CliError(ExitCode.FAILURE, "NoTranscript", words) from error
        self._follower.join(described.id, described.run_id, first + len(said))
        return said

    async def _was_ended(self, described: WorkflowExecutionDescription) -> bool:
        """Whether somebody has ended the session for good."""
        if described.status is not WorkflowExecutionStatus.COMPLETED:
            return False
        result = (await outcome_of(self.session, described.id, described.run_id)).other
        return isinstance(result, dict) and cast("dict[str, object]", result).get("closed") == "stopped"

    async def settle(self) -> None:
        """Wait, and tell what happens, while a question that was asked before is being answered."""
        if self._follower.follows(self.workflow_id):
            await self._follower.until(self._settled)
            await self._follower.look(self.workflow_id)  # the reply may have come between its messages and its state
        if self.person is not None:
            self.person.released()

    def _settled(self) -> bool:
        status = self._follower.status(self.workflow_id)
        return self._follower.ended(self.workflow_id) or (status is not None and status.state not in BUSY)

    def _again(self, question: Question) -> list[str]:
        """The command that waits for the reply to a question that was asked, if it is short."""
        name, text = shlex.quote(question.message_id), shlex.quote(question.text)
        fits = len(question.text) <= SHORT_QUESTION
        return [f"its reply: {self.way_back} --message-id {name} --message {text}"] if fits else []

    def close(self) -> None:
        """Leave the session."""
        self._follower.close()


def ways_back(workflow_id: str) -> list[str]:
    """The commands that lead back to a session."""
    name = shlex.quote(workflow_id)
    words = {"chat": "go on talking", "transcript": "read it", "stop": "end it for good"}
    return [f"  {f'{PROGRAM} {verb} {name}':<60} {meaning}" for verb, meaning in words.items()]


async def open_conversation(
    cli: Cli, session_id: str | None, options: RunOptions, *, yes: bool, wait: float
) -> Conversation:
    """Connect to a session that exists, or prepare a new one, which its first question starts."""
    kinds = {info.name: info for info in cli.workflows()}
    given = build_input(options, kinds[SESSION].input, requester=requester())
    workflow_id = f"chat-{uuid.uuid4().hex[:12]}" if session_id is None else check_id(session_id, "ID")
    session = await open_session(cli)
    before = None if session_id is None else await _existing(session, workflow_id)
    if before is not None and before.status is WorkflowExecutionStatus.RUNNING and options != RunOptions():
        how = f"`{PROGRAM} configure {shlex.quote(workflow_id)}` changes it"
        cli.out.note(f"session {workflow_id} is open already: the options for a new one do not count; {how}")
    worker = await session.worker(replace=True)
    lines, here = Lines(), is_terminal()
    person = ChatPerson(cli.out) if here and cli.out.is_text else None
    follower = Follower(session, person or Nobody(), yes=yes, wait=wait, lines=lines if here else None)
    follower.keep(worker)
    asker = Asker(session, workflow_id, given, lambda run_id: follower.join(workflow_id, run_id))
    cli.way_back = ways_back(workflow_id)
    return Conversation(session, workflow_id, asker, follower, lines, person, before)


async def _existing(session: Session, workflow_id: str) -> WorkflowExecutionDescription | None:
    """The session with this id, or None; raises CliError when the id belongs to a run of another kind."""
    try:
        described = await session.describe(workflow_id)
    except CliError as error:
        if error.kind != "UnknownRun":
            raise
        return None
    if described.workflow_type != SESSION:
        message = f"{workflow_id} is a run of {described.workflow_type}, not a session"
        hint = f"tell it something with `{PROGRAM} steer {shlex.quote(workflow_id)} TEXT`, or choose another id"
        raise CliError(ExitCode.USAGE, "NotASession", message, hint)
    return described
