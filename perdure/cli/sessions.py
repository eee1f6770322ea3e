"""Sessions in a list: what the server knows of each without waking its workflow."""

import asyncio
from datetime import UTC
from typing import TypedDict

from pydantic import BaseModel, ValidationError
from temporalio.api.common.v1 import WorkflowExecution as ExecutionRef
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import RPCError, WorkflowExecution
from temporalio.converter import DataConverter
from temporalio.service import RPCStatusCode

from perdure.asking import SESSION
from perdure.cli.catalogue import LATEST, run_item
from perdure.cli.inbox import type_filter
from perdure.cli.session import Session
from perdure.contact import ANSWER

__all__ = ["SessionItem", "sessions"]

AT_ONCE = 8


class SessionItem(TypedDict):
    """A session in a list; `questions` is only known of one that is closed, `last_activity` while its history is."""

    workflow_id: str
    run_id: str
    status: str
    state: str
    agent: str | None
    model: str | None
    pending: int | None
    cost_usd: float | None
    questions: int | None
    opened_at: str
    last_activity: str | None


class _Closed(BaseModel):
    """The part of a session's result that a list shows."""

    questions: int


async def sessions(session: Session, limit: int) -> list[SessionItem]:
    """The sessions that were opened last, each once however often it was opened."""
    latest: dict[str, WorkflowExecution] = {}
    async for run in session.client.list_workflows(f"{type_filter([SESSION])} AND {LATEST}"):
        if run.id not in latest and len(latest) == limit:
            break
        latest.setdefault(run.id, run)
    turn = asyncio.Semaphore(AT_ONCE)
    return list(await asyncio.gather(*(_item(session, run, turn) for run in latest.values())))


async def _item(session: Session, run: WorkflowExecution, turn: asyncio.Semaphore) -> SessionItem:
    async with turn:
        last = await _last_event(session, run)
        questions = await _questions(session.converter(run.id), last)
    known = run_item(run)
    return SessionItem(
        workflow_id=run.id,
        run_id=run.run_id,
        status=known["status"],
        state=known["state"],
        agent=known["agent"],
        model=known["model"],
        pending=known["pending"],
        cost_usd=known["cost_usd"],
        questions=questions,
        opened_at=known["started_at"],
        last_activity=last and last.event_time.ToDatetime(tzinfo=UTC).isoformat(timespec="seconds"),
    )


async def _last_event(session: Session, run: WorkflowExecution) -> HistoryEvent | None:
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=session.client.namespace,
        execution=ExecutionRef(workflow_id=run.id, run_id=run.run_id),
        maximum_page_size=1,
    )
    service = session.client.workflow_service
    try:
        answer = await service.get_workflow_execution_history_reverse(request, retry=True, timeout=ANSWER)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
    return answer.history.events[0] if answer.history.events else None


async def _questions(converter: DataConverter, last: HistoryEvent | None) -> int | None:
    """How many questions were answered, from the result of a session that is closed."""
    if last is None or not last.HasField("workflow_execution_completed_event_attributes"):
        return None
    payloads = last.workflow_execution_completed_event_attributes.result.payloads
    try:
        return _Closed.model_validate((await converter.decode(payloads))[0]).questions
    except (ValidationError, IndexError):
        return None
