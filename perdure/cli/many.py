"""One verb on many runs: which they are, whether that is meant, and what became of each."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from temporalio.client import RPCError

from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ExitCode, translated
from perdure.cli.inputs import invalid
from perdure.cli.output import clean, table
from perdure.cli.session import Session
from perdure.cli.terminal import Lines, is_terminal
from perdure.cli.visibility import found
from perdure.contact import NoAnswer

__all__ = ["Outcome", "each", "matching", "one_or_many", "tell_one"]

AT_ONCE = 8
QUIET_SECONDS = 2.0
NAMED = 5
OVER = "RunEnded"
"""What has ended while the command was on its way needs no more to be done."""

Act = Callable[[str], Awaitable[str]]
"""Does it to one run and returns the state or status that follows; raises CliError."""


@dataclass(frozen=True)
class Outcome:
    """What became of one run; `kind` and `message` say why it failed."""

    workflow_id: str
    state: str
    kind: str = ""
    message: str = ""

    @property
    def failed(self) -> bool:
        """Whether it was not done."""
        return bool(self.kind)

    def plain(self) -> dict[str, object]:
        """The JSON of it."""
        error = {"type": self.kind, "message": self.message} if self.failed else None
        return {"workflow_id": self.workflow_id, "state": self.state, "error": error}


def one_or_many(run: str | None, query: str | None, token: str | None) -> str | None:
    """The query, or None for one run; raises CliError unless exactly one of the two was given."""
    if (run is None) == (query is None):
        raise invalid("name one run by its ID, or many by --query", "say one of the two")
    if query is not None and not query.strip():
        raise invalid("--query is empty", "for example --query \"PerdureTenant = 'acme'\"")
    if query is not None and token is not None:
        message = "--token is good for one run, and --query may name many"
        raise invalid(message, "set PERDURE_SIGNING_KEY, with which each of them is signed")
    return query


def tell_one(cli: Cli, run: str, **now: str) -> ExitCode:
    """Tell what one run is now: its state or its status, under that name."""
    if cli.out.is_text:
        cli.out.text(f"run {run} is {', '.join(now.values())}")
    else:
        cli.out.document({"workflow_id": run, **now})
    return ExitCode.SUCCESS


async def matching(session: Session, query: str) -> list[str]:
    """Ids of the open runs and sessions that match a visibility query, oldest first; raises CliError."""
    kinds = [info.name for info in session.cli.workflows()]
    runs = await found(session, kinds, "ExecutionStatus = 'Running'", query)
    return [run.id for run in sorted(runs, key=lambda run: run.start_time)]


async def each(session: Session, verb: str, names: Sequence[str], act: Act, *, yes: bool) -> ExitCode:
    """Do it to each of these runs, after asking whether that is meant, and write what became of each.

    Raises CliError when nobody said yes, and when Ctrl-C ended it: then with what was done until then.
    """
    out = session.cli.out
    if names and not yes:
        await _confirm(verb, names)
    if names:
        await session.worker()
    outcomes = dict[str, Outcome]()
    try:
        await _all(session, verb, names, act, outcomes)
    except asyncio.CancelledError:
        raise _interrupted(verb, names, outcomes) from None
    done = [outcomes[name] for name in names]
    if not out.is_text:
        out.items([outcome.plain() for outcome in done])
    else:
        rows = [[outcome.workflow_id, outcome.state, clean(outcome.message) or "-"] for outcome in done]
        for line in table(["ID", "STATE", "PROBLEM"], rows) if rows else ["no open run matches"]:
            out.text(line)
    return ExitCode.FAILURE if any(outcome.failed for outcome in done) else ExitCode.SUCCESS


async def _confirm(verb: str, names: Sequence[str]) -> None:
    count = "1 run" if len(names) == 1 else f"{len(names)} runs"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    asked = f"{verb} {count}: {', '.join(clean(name, kept='') for name in names[:NAMED])}{more}"
    if not is_terminal():
        message = f"this would {asked}; nobody at a terminal can say yes"
        raise CliError(ExitCode.HUMAN, "ConfirmationNeeded", message, "--yes says it here", {"runs": list(names)})
    answer = await Lines().ask(f"{asked}? [y/N] ", sys.stderr)
    if (answer or "").lower() not in ("y", "yes"):
        raise CliError(ExitCode.FAILURE, "NotConfirmed", "nothing was done")


async def _all(session: Session, verb: str, names: Sequence[str], act: Act, outcomes: dict[str, Outcome]) -> None:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with turn:
            outcomes[name] = await _outcome(session, name, act)

    telling = asyncio.create_task(_progress(session, verb, len(names), outcomes))
    try:
        await asyncio.gather(*(one(name) for name in names))
    finally:
        telling.cancel()


async def _outcome(session: Session, name: str, act: Act) -> Outcome:
    try:
        return Outcome(name, await act(name))
    except NoAnswer:
        error = session.no_worker()
    except CliError as told:
        error = told
    except RPCError as lost:
        error = translated(lost)
    if error.kind == OVER:
        return Outcome(name, "ended")
    return Outcome(name, "unknown", error.kind, error.message)


async def _progress(session: Session, verb: str, count: int, outcomes: dict[str, Outcome]) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(QUIET_SECONDS)
        passed = time.monotonic() - began
        session.cli.out.note(f"{verb}: {len(outcomes)} of {count} runs after {passed:.0f} s")


def _interrupted(verb: str, names: Sequence[str], outcomes: dict[str, Outcome]) -> CliError:
    done = [name for name in names if name in outcomes and not outcomes[name].failed]
    failed = [name for name in names if name in outcomes and outcomes[name].failed]
    left = [name for name in names if name not in outcomes]
    message = f"interrupted: {verb} was done to {len(done)} of {len(names)} runs and failed for {len(failed)}"
    hint = "\n".join(
        f"{words}: {', '.join(some)}"
        for words, some in (("done", done), ("failed", failed), ("not done, or not known to be", left))
        if some
    )
    items = [outcomes[name].plain() for name in names if name in outcomes]
    return CliError(ExitCode.INTERRUPTED, "Interrupted", message, hint, {"items": items, "left": left})
