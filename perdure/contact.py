"""Contact with open runs in bounded time: queries, updates, and which of them wait for people."""

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import TypeVar, cast

from temporalio.client import (
    Client,
    RPCError,
    RPCTimeoutOrCancelledError,
    WorkflowExecution,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCStatusCode

from perdure.domain.approvals import Decide
from perdure.domain.model import canonical_json

__all__ = [
    "ANSWER",
    "MAX_ID",
    "Handle",
    "NoAnswer",
    "answered",
    "failure_of",
    "is_id",
    "send_update",
    "shown_state",
    "type_filter",
    "update_id",
    "waiting_runs",
]

ANSWER = timedelta(seconds=10)
"""How long a worker may take to answer a query or an update."""
TRIES = 3
MAX_ID = 1_000
"""Bytes of a workflow id (Temporal's limit)."""
STATE = SearchAttributeKey.for_keyword("PerdureState")

UNANSWERED = frozenset({RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED, RPCStatusCode.FAILED_PRECONDITION})

Handle = WorkflowHandle[object, object]

T = TypeVar("T")


class NoAnswer(Exception):
    """No worker answered a query or an update in time."""


async def answered(question: Awaitable[T]) -> T:
    """Answer of a query or update; raises NoAnswer when no worker gives one in time."""
    try:
        return await question
    except RPCTimeoutOrCancelledError as error:
        if isinstance(error.__cause__, asyncio.CancelledError):
            # The SDK took a Ctrl-C for a timeout.
            raise asyncio.CancelledError from error
        raise NoAnswer from error
    except RPCError as error:
        if error.status in UNANSWERED:
            raise NoAnswer from error
        raise


async def send_update(handle: Handle, name: str, payload: object, answer: type[T], *, identity: str) -> T:
    """Send an update to an open run and return its answer.

    It is sent again under the same id within `ANSWER`: a server can forget an update whose workflow task fails.
    Raises NoAnswer, WorkflowUpdateFailedError and RPCError.
    """
    for _ in range(TRIES):
        with contextlib.suppress(NoAnswer):
            sent = handle.execute_update(  # pyright: ignore[reportUnknownMemberType] - open generic
                name, payload, id=identity, result_type=answer, rpc_timeout=ANSWER / TRIES
            )
            return cast("T", await answered(sent))
    raise NoAnswer


def failure_of(error: WorkflowUpdateFailedError) -> tuple[str, str]:
    """Type and words of the failure of an update."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return cause.type or "UpdateFailed", cause.message
    return "UpdateFailed", str(cause or error)


def update_id(decision: Decide, salt: str = "") -> str:
    """Id under which the same decision of the same person counts once, however often it is sent.

    One with another token is another one: the refusal of an old token must not answer for a new one. Whoever signs
    for the person does so afterwards, since each signature differs. `salt` tells two attempts apart on purpose.
    """
    payload = canonical_json([decision.model_dump(mode="json"), salt])
    return f"{decision.request_id}:{decision.approver}:{hashlib.sha256(payload.encode()).hexdigest()[:16]}"


def is_id(text: str) -> bool:
    """Whether Temporal takes this as a workflow id, and people can read it."""
    return bool(text.strip()) and len(text.encode()) <= MAX_ID and text.isprintable()


def shown_state(run: WorkflowExecution) -> str:
    """The state of a run: its own word while it is open or has completed, else how it closed.

    A run that was terminated, or failed before it wrote its state, cannot have said so itself.
    """
    status = run.status.name if run.status else "UNKNOWN"
    own = run.typed_search_attributes.get(STATE)
    return own if own and status in {"COMPLETED", "RUNNING"} else status.lower()


def type_filter(kinds: Sequence[str]) -> str:
    """Visibility query for runs of these workflow types."""
    return "WorkflowType IN ({})".format(", ".join(f"'{kind}'" for kind in kinds))


async def waiting_runs(client: Client, kinds: Sequence[str], limit: int | None = None) -> list[WorkflowExecution]:
    """Open runs that wait for a person; all open runs on a server without our search attributes."""
    query = f"{type_filter(kinds)} AND ExecutionStatus = 'Running'"
    try:
        return [run async for run in client.list_workflows(f"{query} AND PerdurePending > 0", limit=limit)]
    except RPCError as error:
        if error.status is not RPCStatusCode.INVALID_ARGUMENT:
            raise
        return [run async for run in client.list_workflows(query, limit=limit)]
