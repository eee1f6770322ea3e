"""Reading over Temporal: the runs that wait, what they ask, and one run whole. Nothing is kept here."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import quote

from temporalio.client import (
    Client,
    RPCError,
    WorkflowExecution,
    WorkflowFailureError,
    WorkflowQueryFailedError,
)
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCStatusCode

from perdure.contact import ANSWER, Handle, NoAnswer, answered, shown_state, waiting_runs
from perdure.domain.approvals import Request, RequestId
from perdure.domain.control import PageRequest
from perdure.domain.errors import ErrorInfo
from perdure.domain.messages import StoredMessages
from perdure.domain.model import JsonValue, Model
from perdure.domain.run import RunStatus
from perdure.serve.problems import Problem, ended

__all__ = ["Inbox", "Item", "Run", "Runs"]

AT_ONCE = 8
MOST_RUNS = 200
"""Waiting runs on one page."""
LOOK = timedelta(seconds=5)
"""How long one run has to tell what it waits for: a run whose worker is away must not hold up all others."""
PATIENCE = 15.0
"""Seconds for all queries of one inbox: where no worker is, each of them waits for its own timeout."""

AGENT = SearchAttributeKey.for_keyword("PerdureAgent")
ROOT = SearchAttributeKey.for_keyword("PerdureRoot")
COST = SearchAttributeKey.for_float("PerdureCostUsd")


class _Requests(Model, frozen=True):
    """Answer of the query `pending_approvals`."""

    requests: tuple[Request, ...]


class _Outcome(Model, frozen=True):
    """How a closed run ended: its result, or why there is none."""

    result: JsonValue = None
    error: ErrorInfo | None = None


@dataclass(frozen=True)
class Run:
    """What the server knows of a run without waking it; `cost_usd` may be a tenth behind.

    `goal` is the beginning of what it was asked; listings do not have it.
    """

    workflow_id: str
    run_id: str
    type: str
    status: str
    state: str
    agent: str
    root: str
    cost_usd: float | None
    started_at: datetime
    closed_at: datetime | None
    goal: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status == "RUNNING"

    @classmethod
    def of(cls, found: WorkflowExecution) -> "Run":
        """From a listing or a description."""
        known, status = found.typed_search_attributes, found.status.name if found.status else "UNKNOWN"
        return cls(
            workflow_id=found.id,
            run_id=found.run_id,
            type=found.workflow_type,
            status=status,
            state=shown_state(found),
            agent=known.get(AGENT) or "",
            root=known.get(ROOT) or found.root_id or found.id,
            cost_usd=known.get(COST),
            started_at=found.start_time,
            closed_at=found.close_time,
        )


@dataclass(frozen=True)
class Item:
    """One request and the run that asks."""

    request: Request
    run: Run


@dataclass(frozen=True)
class Inbox:
    """What waits for people, oldest first; `silent` are waiting runs that no worker answered for."""

    items: Sequence[Item]
    silent: Sequence[Run]
    more: bool


class Runs:
    """Reads runs of the client's namespace; `kinds` are our workflow types, `ui` the address of Temporal's Web UI."""

    def __init__(self, client: Client, kinds: Sequence[str], ui: str = "") -> None:
        """Keep the connection."""
        self._client = client
        self._kinds = kinds
        self._ui = ui

    def handle(self, workflow_id: str) -> Handle:
        """Handle of the latest run with this id."""
        return self._client.get_workflow_handle(workflow_id)

    def link(self, run: Run) -> str:
        """Address of a run in the Web UI; empty where the Web UI is not known."""
        path = f"namespaces/{self._client.namespace}/workflows/{quote(run.workflow_id, safe='')}/{run.run_id}/history"
        return f"{self._ui}/{path}" if self._ui else ""

    async def inbox(self) -> Inbox:
        """Requests of all open runs: children are runs of their own."""
        found = [Run.of(item) for item in await waiting_runs(self._client, self._kinds, MOST_RUNS + 1)]
        shown, turn = found[:MOST_RUNS], asyncio.Semaphore(AT_ONCE)
        asked = [asyncio.create_task(self._requests_of(run, turn)) for run in shown]
        if asked:
            _, late = await asyncio.wait(asked, timeout=PATIENCE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        answers = [None if task.cancelled() else task.result() for task in asked]
        items = dict[tuple[str, str], Item]()
        for run, answer in zip(shown, answers, strict=True):
            for request in answer or ():
                # A run tells of the requests below it too: what the run itself tells is newer.
                name = (request.workflow_id, request.request_id)
                if name not in items or request.workflow_id == run.workflow_id:
                    items[name] = Item(request, run)
        silent = [run for run, answer in zip(shown, answers, strict=True) if answer is None]
        return Inbox(
            sorted(items.values(), key=lambda item: item.request.asked_at), silent, more=len(found) > MOST_RUNS
        )

    async def _requests_of(self, run: Run, turn: asyncio.Semaphore) -> Sequence[Request] | None:
        async with turn:
            handle = self._client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
            question = handle.query("pending_approvals", result_type=_Requests, rpc_timeout=LOOK)
            try:
                answer: _Requests = await answered(question)
            except (NoAnswer, WorkflowQueryFailedError):
                return None
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:  # it has ended meanwhile
                    return ()
                raise
        return answer.requests

    async def run(self, workflow_id: str) -> Run:
        """The latest run with this id; raises Problem (404) when there is none."""
        try:
            found = await self.handle(workflow_id).describe(rpc_timeout=ANSWER)
        except RPCError as error:
            if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                raise Problem(HTTPStatus.NOT_FOUND, "UnknownRun", f"there is no run {workflow_id!r}") from error
            raise
        return replace(Run.of(found), goal=await found.static_summary() or "")

    async def request(self, run: Run, request_id: str) -> Request:
        """One waiting request, whole; raises Problem: 404 when none waits under this id, 410 when the run has ended."""
        if not run.is_open:
            raise ended(run.workflow_id, run.status)
        question = self.handle(run.workflow_id).query(
            "request", RequestId(request_id=request_id), result_type=Request, rpc_timeout=ANSWER
        )
        try:
            return await answered(question)
        except WorkflowQueryFailedError as error:
            words = (
                f"no request {request_id!r} of run {run.workflow_id!r} waits: it was decided already, or never asked"
            )
            raise Problem(HTTPStatus.NOT_FOUND, "UnknownRequest", words) from error

    async def status(self, workflow_id: str) -> RunStatus | None:
        """Answer of the query `status`; None where the run cannot tell any more."""
        try:
            question = self.handle(workflow_id).query("status", result_type=RunStatus, rpc_timeout=ANSWER)
            answer: RunStatus = await answered(question)
        except WorkflowQueryFailedError:
            return None
        return answer

    async def outcome(self, run: Run) -> _Outcome:
        """How a closed run ended."""
        handle = self._client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
        try:
            return _Outcome(result=await handle.result(follow_runs=False, rpc_timeout=ANSWER))
        except WorkflowFailureError as error:
            cause = error.cause
            kind = (cause.type if isinstance(cause, ApplicationError) else None) or type(cause).__name__
            words = cause.message if isinstance(cause, ApplicationError) else str(cause)
            return _Outcome(error=ErrorInfo(code=kind, type=kind, message=words))

    async def transcript(self, workflow_id: str, offset: int, limit: int) -> StoredMessages:
        """A page of the conversation."""
        wanted = PageRequest(offset=offset, limit=limit)
        question = self.handle(workflow_id).query(
            "transcript", wanted, result_type=StoredMessages, rpc_timeout=ANSWER + timedelta(seconds=5)
        )
        try:
            return await answered(question)
        except WorkflowQueryFailedError as error:
            raise Problem(HTTPStatus.CONFLICT, "NoTranscript", "the run cannot show its conversation now") from error
