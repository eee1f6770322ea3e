"""Questions to runs: status, transcript and pending requests, their children's included."""

from collections.abc import AsyncIterator, Mapping, Sequence

from temporalio.client import RPCError, WorkflowQueryFailedError
from temporalio.service import RPCStatusCode

from perdure.cli.session import Session
from perdure.contact import ANSWER, Handle, NoAnswer, answered
from perdure.domain.approvals import Request
from perdure.domain.control import PageRequest
from perdure.domain.machine import ENDED
from perdure.domain.messages import MessagePage
from perdure.domain.run import RunStatus

__all__ = ["PAGE", "Page", "family_requests", "merged", "pages", "status_of"]

PAGE = 100
MAX_CHILDREN = 200


class Page(MessagePage, frozen=True):
    """Some messages; `problem` says why those of a stored page cannot be read, and then there are none."""

    problem: str = ""


async def status_of(handle: Handle) -> RunStatus:
    """Answer of the query `status`; raises NoAnswer when no worker gives it in time."""
    return await answered(handle.query("status", result_type=RunStatus, rpc_timeout=ANSWER))


async def pages(handle: Handle, offset: int, limit: int | None = None) -> AsyncIterator[Page]:
    """Pages of the transcript from `offset`, at most `limit` messages in all; raises NoAnswer."""
    following: int | None = offset
    while following is not None and (limit is None or limit > 0):
        wanted = PageRequest(offset=following, limit=min(PAGE, limit) if limit is not None else PAGE)
        question = handle.query("transcript", wanted, result_type=Page, rpc_timeout=ANSWER)
        page: Page = await answered(question)
        yield page
        following = page.next_offset
        limit = None if limit is None else limit - len(page.messages)


async def family_requests(session: Session, workflow_id: str) -> list[Request]:
    """Requests that a run and the runs it started wait for, oldest first; raises NoAnswer for the run itself."""
    status = await status_of(session.handle(workflow_id))
    told, waiting, seen = {workflow_id: status.pending}, list(status.children), {workflow_id}
    while waiting and len(seen) < MAX_CHILDREN:
        child = waiting.pop(0)
        if child.workflow_id in seen or child.state in ENDED:
            continue
        seen.add(child.workflow_id)
        below = await _status_or_none(session.handle(child.workflow_id))
        if below is not None:
            told[child.workflow_id] = below.pending
            waiting += below.children
    return merged(told)


def merged(told: Mapping[str, Sequence[Request]]) -> list[Request]:
    """What these runs, by id, say that waits: each request once, oldest first.

    A root also tells of the requests of the runs below it; what a run says of its own requests counts for more.
    """
    found = {
        (request.workflow_id, request.request_id): request
        for teller, requests in told.items()
        for request in requests
        if request.workflow_id == teller or request.workflow_id not in told
    }
    return sorted(found.values(), key=lambda request: request.asked_at)


async def _status_or_none(handle: Handle) -> RunStatus | None:
    """Status of a child, or None when it is not there yet or no longer."""
    try:
        return await status_of(handle)
    except (NoAnswer, WorkflowQueryFailedError):
        return None
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
