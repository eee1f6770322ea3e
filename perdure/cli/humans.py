"""Who answers the requests of a run that is followed: `--yes`, the person at the terminal, or nobody here."""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence

from perdure.cli.asking import ask_person
from perdure.cli.deciding import decide, me
from perdure.cli.errors import CliError, ExitCode
from perdure.cli.output import clean
from perdure.cli.rendering import answer_commands, request_lines
from perdure.cli.session import Session
from perdure.cli.terminal import Lines, is_terminal
from perdure.domain.approvals import Decide, Request, RequestKind, Verdict
from perdure.domain.policy import Level

__all__ = ["AUTOMATIC", "Humans", "approved_by_yes"]

AUTOMATIC = "automatic: --yes"

RETRY_SECONDS = 2.0

Key = tuple[str, str, str]
"""Run, request and digest: a call that somebody has changed is another one to ask about."""


def approved_by_yes(request: Request) -> bool:
    """Whether `--yes` may approve it: calls at the level `confirm`, never a review or an unknown outcome."""
    return request.kind is RequestKind.TOOL_CALL and request.level is Level.CONFIRM


def _key(request: Request) -> Key:
    return request.workflow_id, request.request_id, request.digest


class Humans:
    """Answers what waits. Call `consider` with all that waits whenever that may have changed."""

    def __init__(  # noqa: PLR0913 - who asks, and how they are told
        self,
        session: Session,
        *,
        yes: bool,
        wait: float,
        wake: Callable[[], None],
        lines: Lines | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """`wait` is how many seconds somebody elsewhere has to answer; `wake` makes `consider` be called again.

        `lines` are those of a terminal that somebody else reads too. `tell` hears decisions in words; by default they
        are written with the rest of what happens.
        """
        self._session = session
        self._out = session.cli.out
        self._yes = yes
        self._wait = wait
        self._wake = wake
        self._tell = tell or session.cli.out.text
        self._lines = lines or (Lines() if is_terminal() else None)
        self._settled: set[Key] = set()
        self._left: set[Key] = set()
        self._refused: set[Key] = set()
        self._asked: set[tuple[str, str]] = set()
        self._asking: tuple[Key, asyncio.Task[None]] | None = None
        self._deadline: float | None = None

    async def consider(self, waiting: Sequence[Request]) -> None:
        """Answer what can be answered; raises CliError with exit code 4 when that takes a person who is not here."""
        open_requests = [request for request in waiting if _key(request) not in self._settled]
        if self._yes:
            done = self._left | self._refused
            for request in [each for each in open_requests if approved_by_yes(each) and _key(each) not in done]:
                await self._approve(request)
        rest = [request for request in open_requests if _key(request) not in self._settled]
        if self._lines is None:
            self._give_up_in_time(rest)
        else:
            await self._ask_next(rest, self._lines)

    def close(self) -> None:
        """Withdraw the question that is open."""
        if self._asking is not None and not self._asking[1].done():
            self._asking[1].cancel()
            self._out.note("")

    async def _approve(self, request: Request) -> None:
        self._settled.add(_key(request))
        await self._send(
            request,
            Decide(
                request_id=request.request_id,
                verdict=Verdict.APPROVE,
                approver=me(),
                digest=request.digest,
                reason=AUTOMATIC,
            ),
        )

    async def _send(self, request: Request, decision: Decide) -> None:
        try:
            answer = await decide(self._session, request.workflow_id, decision)
        except CliError as error:
            self._settled.discard(_key(request))
            if error.kind == "RunEnded" or error.extra.get("code") == "already_decided":
                self._settled.add(_key(request))
            elif error.kind == "DecisionRefused":
                self._refused.add(_key(request))
            elif error.code is ExitCode.UNREACHABLE:
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._wake)
            self._out.note(f"{request.request_id}: {clean(error.message)}")
            return
        # A reason is told while it waits on: for the approvals of others, as far as we are concerned.
        (self._left if answer.reason else self._settled).add(_key(request))
        if answer.reason:
            self._settled.discard(_key(request))
        self._out.event("decision", workflow_id=request.workflow_id, **answer.model_dump(mode="json"))
        words = [f"{answer.verdict} by {decision.approver}", decision.reason, answer.reason and f"({answer.reason})"]
        self._tell(f"  {answer.request_id}: {clean(' '.join(filter(None, words)))}")

    def _give_up_in_time(self, rest: Sequence[Request]) -> None:
        if not rest:
            self._deadline = None
            return
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._wait
            asyncio.get_running_loop().call_later(self._wait, self._wake)
        if now >= self._deadline:
            raise needs_human(rest)

    async def _ask_next(self, rest: Sequence[Request], lines: Lines) -> None:
        """Keep one question open; withdraw it when somebody else has answered it."""
        if self._asking is not None:
            key, task = self._asking
            if task.done():
                self._asking = None
                if isinstance(task.exception(), EOFError):
                    self._lines = None
                    self._give_up_in_time(rest)
                    return
                await task
            elif key not in {_key(request) for request in rest}:
                task.cancel()
                self._asking = None
                changed = any(_key(request)[:2] == key[:2] for request in rest)
                self._out.note(f"\n{key[1]} was {'changed' if changed else 'decided'} elsewhere")
        unasked = [request for request in rest if _key(request) not in self._left]
        if self._asking is None and unasked:
            self._asking = (_key(unasked[0]), asyncio.create_task(self._ask(unasked[0], lines)))
            self._asking[1].add_done_callback(lambda _: self._wake())

    async def _ask(self, request: Request, lines: Lines) -> None:
        stream = sys.stdout if self._out.is_text else sys.stderr
        # A listener has shown it as text; what somebody has changed since is shown again.
        if not self._out.is_text or _key(request)[:2] in self._asked:
            for line in request_lines(request):
                self._out.note(line)
        self._asked.add(_key(request)[:2])
        decision = await ask_person(request, me(), lambda prompt: lines.ask(prompt, stream), stream)
        if decision is None:
            self._left.add(_key(request))
            self._out.note("left for later; these commands answer it:\n" + "\n".join(answer_commands(request)))
            return
        await self._send(request, decision)


def needs_human(waiting: Sequence[Request]) -> CliError:
    """A person is needed and none is at the terminal: exit code 4, with the commands that answer."""
    count = "a request waits" if len(waiting) == 1 else f"{len(waiting)} requests wait"
    commands = "\n".join(line for request in waiting for line in answer_commands(request))
    message = f"{count} for a person, and none is at this terminal; the run goes on waiting"
    pending = [request.model_dump(mode="json") for request in waiting]
    return CliError(ExitCode.HUMAN, "HumanNeeded", message, commands, {"pending": pending})
