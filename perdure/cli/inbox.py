"""Requests of all open runs, or of one run and those below it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from temporalio.client import RPCError, WorkflowExecution, WorkflowQueryFailedError
from temporalio.service import RPCStatusCode

from perdure.cli.questions import family_requests, merged, status_of
from perdure.cli.session import Session
from perdure.contact import NoAnswer, type_filter, waiting_runs
from perdure.domain.approvals import Request

__all__ = ["Waiting", "inbox", "type_filter", "waiting_below"]

AT_ONCE = 8
GONE = frozenset({RPCStatusCode.NOT_FOUND})


@dataclass(frozen=True)
class Waiting:
    """A request, and the run that was started by a person: it may have been asked by one below it."""

    request: Request
    root: str


async def waiting_below(session: Session, run: WorkflowExecution) -> list[Waiting]:
    """Requests of one run and those it started, oldest first; raises CliError when no worker answers."""
    try:
        requests = await family_requests(session, run.id)
    except NoAnswer:
        raise session.no_worker() from None
    return [Waiting(request, run.root_id or run.id) for request in requests]


async def inbox(session: Session, kinds: Sequence[str]) -> list[Waiting]:
    """Requests of every open run of these workflow types, each once, oldest first.

    Raises CliError when no worker answers for any of them.
    """
    roots = {run.id: run.root_id or run.id for run in await waiting_runs(session.client, kinds)}
    turn = asyncio.Semaphore(AT_ONCE)
    answers = await asyncio.gather(*(_requests_of(session, name, turn) for name in roots))
    told = {name: answer for name, answer in zip(roots, answers, strict=True) if answer is not None}
    if roots and not told:
        raise session.no_worker()
    for name in roots:
        if name not in told:
            session.cli.out.note(f"no worker answered for run {name}")
    return [Waiting(request, _root(request.workflow_id, roots)) for request in merged(told)]


def _root(workflow_id: str, roots: Mapping[str, str]) -> str:
    """The root of a run. One that was not found itself was told of by a run above, whose id its own begins with."""
    above = [name for name in roots if workflow_id.startswith(f"{name}.")]
    return roots.get(workflow_id) or roots.get(max(above, key=len, default=""), workflow_id)


async def _requests_of(session: Session, workflow_id: str, turn: asyncio.Semaphore) -> Sequence[Request] | None:
    async with turn:
        try:
            return (await status_of(session.handle(workflow_id))).pending
        except (NoAnswer, WorkflowQueryFailedError):
            return None
        except RPCError as error:
            if error.status in GONE:
                return ()
            raise
