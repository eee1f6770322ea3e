"""Requests of all open runs."""

import asyncio
from collections.abc import Sequence

from temporalio.client import RPCError, WorkflowQueryFailedError
from temporalio.service import RPCStatusCode

from perdure.cli.questions import family_requests, status_of
from perdure.cli.session import NoAnswer, Session
from perdure.domain.approvals import Request

__all__ = ["inbox", "type_filter"]

AT_ONCE = 8
GONE = frozenset({RPCStatusCode.NOT_FOUND})


def type_filter(kinds: Sequence[str]) -> str:
    """Visibility query for runs of these workflow types."""
    return "WorkflowType IN ({})".format(", ".join(f"'{kind}'" for kind in kinds))


async def inbox(session: Session, workflow_id: str | None, kinds: Sequence[str]) -> list[Request]:
    """Requests of one run and those it started, or of every open run of these workflow types; oldest first.

    Raises CliError when no worker answers for any of them.
    """
    if workflow_id is not None:
        try:
            return await family_requests(session, workflow_id)
        except NoAnswer:
            raise session.no_worker() from None
    names = await _waiting_runs(session, kinds)
    turn = asyncio.Semaphore(AT_ONCE)
    answers = await asyncio.gather(*(_requests_of(session, name, turn) for name in names))
    if names and all(answer is None for answer in answers):
        raise session.no_worker()
    for name, answer in zip(names, answers, strict=True):
        if answer is None:
            session.cli.out.note(f"no worker answered for run {name}")
    return sorted((request for answer in answers for request in answer or ()), key=lambda request: request.asked_at)


async def _waiting_runs(session: Session, kinds: Sequence[str]) -> list[str]:
    """Ids of the open runs that wait for a person; of all open runs on a server without our search attributes."""
    query = f"{type_filter(kinds)} AND ExecutionStatus = 'Running'"
    try:
        return [run.id async for run in session.client.list_workflows(f"{query} AND PerdurePending > 0")]
    except RPCError as error:
        if error.status is not RPCStatusCode.INVALID_ARGUMENT:
            raise
        return [run.id async for run in session.client.list_workflows(query)]


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
