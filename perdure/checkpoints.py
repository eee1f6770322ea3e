"""Checkpoints: every turn of a run can be looked at and gone back to, because the event history holds them all."""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType, UpdateWorkflowExecutionLifecycleStage
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.update.v1 import Request, WaitPolicy
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    ResetWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
)
from temporalio.client import Client, RPCError
from temporalio.converter import DataConverter, WorkflowSerializationContext
from temporalio.service import RPCStatusCode

from perdure.domain.messages import Message
from perdure.domain.run import ModelReply, ModelRequest
from perdure.domain.tools import CallOutcome, ToolCall

__all__ = ["Chain", "Turn", "find_chain", "go_back", "turns"]

MODEL, TOOL = "llm.reply", "tools.call"
SESSION = "Session"
TIMEOUT = timedelta(seconds=10)

FORGOTTEN = (
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_NEXUS,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_CANCEL_REQUEST,
)
"""What came after a checkpoint does not come again: a `stop` that ended the run would end it at once."""

ACCEPTED = UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED


@dataclass(frozen=True)
class Chain:
    """The runs that a long run is made of, oldest first. `complete`: none has gone from the server."""

    workflow_id: str
    run_ids: tuple[str, ...]
    complete: bool


@dataclass
class Turn:
    """One model call and the tool calls it asked for; `number` counts over the chain, from 0.

    `event_id` is the end of the workflow task in which the turn began. `told` are the messages since the last turn as
    far as the call carried them; `reply` is None while there is none, `calls` are those that were started.
    """

    number: int
    run_id: str
    event_id: int
    at: datetime
    told: tuple[Message, ...] = ()
    reply: ModelReply | None = None
    calls: list[tuple[ToolCall, CallOutcome | None]] = field(default_factory=list[tuple[ToolCall, CallOutcome | None]])
    begun_by: list[Request] = field(default_factory=list[Request])


async def find_chain(client: Client, workflow_id: str) -> Chain:
    """The chain that the latest run of this id ends; raises RPCError when there is no run of this id."""
    described = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=TIMEOUT)
    found: list[str] = []
    run_id: str | None = described.run_id
    while run_id:
        try:
            first = await _first_event(client, workflow_id, run_id)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or not found:
                raise
            return Chain(workflow_id, tuple(reversed(found)), complete=False)
        found.append(run_id)
        run_id = first.workflow_execution_started_event_attributes.continued_execution_run_id
        if not run_id and described.workflow_type == SESSION:
            run_id = await _opened_before(client, workflow_id, _time(first))
    return Chain(workflow_id, tuple(reversed(found)), complete=True)


async def _first_event(client: Client, workflow_id: str, run_id: str) -> HistoryEvent:
    request = GetWorkflowExecutionHistoryRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        maximum_page_size=1,
    )
    answer = await client.workflow_service.get_workflow_execution_history(request, retry=True, timeout=TIMEOUT)
    return answer.history.events[0]


async def _opened_before(client: Client, workflow_id: str, time: datetime) -> str | None:
    """The run of a session that had closed when this one was opened: the conversation is the same."""
    name = workflow_id.replace("\\", "\\\\").replace("'", "\\'")
    query = f"WorkflowId = '{name}' AND WorkflowType = '{SESSION}' AND CloseTime <= '{time.isoformat()}'"
    earlier = [(run.close_time, run.run_id) async for run in client.list_workflows(query, rpc_timeout=TIMEOUT)]
    return max(earlier)[1] if earlier else None


def _time(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)


async def turns(client: Client, chain: Chain, first: int = 0) -> AsyncIterator[Turn]:
    """Every turn of a chain in order, each as far as it has come; `first` skips runs of the chain."""
    context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=chain.workflow_id)
    reader = _Reader(client.data_converter.with_context(context))
    for run_id in chain.run_ids[first:]:
        handle = client.get_workflow_handle(chain.workflow_id, run_id=run_id)
        async for event in handle.fetch_history_events(skip_archival=True):
            finished = await reader.read(run_id, event)
            if finished is not None:
                yield finished
    if reader.turn is not None:
        yield reader.turn


class _Reader:
    """Makes turns of events; a turn may go on over the end of a run."""

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter
        self._asked: set[int] = set()
        self._called: dict[int, int] = {}
        self._updates: list[Request] = []
        self.turn: Turn | None = None

    async def read(self, run_id: str, event: HistoryEvent) -> Turn | None:
        """Take in an event; returns the turn before when this one begins the next."""
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            self._asked, self._called, self._updates = set(), {}, []
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            self._updates = []
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            accepted = event.workflow_execution_update_accepted_event_attributes
            self._updates.append(accepted.accepted_request)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            return await self._scheduled(run_id, event)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            completed = event.activity_task_completed_event_attributes
            await self._completed(completed.scheduled_event_id, completed.result)
        return None

    async def _scheduled(self, run_id: str, event: HistoryEvent) -> Turn | None:
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_type.name == TOOL and self.turn is not None:
            self._called[event.event_id] = len(self.turn.calls)
            self.turn.calls.append((await self._decode(scheduled.input, ToolCall), None))
        if scheduled.activity_type.name != MODEL:
            return None
        self._asked.add(event.event_id)
        before, last = self.turn, -1 if self.turn is None else self.turn.number
        if before is not None and before.reply is None:
            # The same question again, after an outage.
            return None
        request: ModelRequest = await self._decode(scheduled.input, ModelRequest)
        self.turn = Turn(
            number=max(request.turn, last + 1),
            run_id=run_id,
            event_id=scheduled.workflow_task_completed_event_id,
            at=_time(event),
            told=request.new,
            begun_by=[update for update in self._updates if update.HasField("input")],
        )
        return before

    async def _completed(self, scheduled: int, result: Payloads) -> None:
        if self.turn is None:
            return
        if scheduled in self._asked:
            self.turn.reply = await self._decode(result, ModelReply)
        elif scheduled in self._called:
            index = self._called[scheduled]
            self.turn.calls[index] = (self.turn.calls[index][0], await self._decode(result, CallOutcome))

    async def _decode(self, payloads: Payloads, kind: type) -> Any:  # noqa: ANN401 - an instance of `kind`
        return (await self._converter.decode(payloads.payloads, [kind]))[0]


async def go_back(client: Client, workflow_id: str, turn: Turn, reason: str) -> str:
    """Reset the run to where a turn began; returns the id of the run that goes on from there.

    Whatever is open under this id is terminated, and what came after the turn is forgotten, but not undone. Raises
    RPCError.
    """
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=turn.run_id),
        reason=reason,
        workflow_task_finish_event_id=turn.event_id,
        request_id=str(uuid.uuid4()),
        reset_reapply_exclude_types=FORGOTTEN,
        identity=client.identity,
    )
    answer = await client.workflow_service.reset_workflow_execution(request, retry=True, timeout=TIMEOUT)
    await _send_again(client, workflow_id, answer.run_id, turn.begun_by)
    return answer.run_id


async def _send_again(client: Client, workflow_id: str, run_id: str, updates: Sequence[Request]) -> None:
    """Send the updates that a turn began with: they came in the workflow task that was taken back."""
    for update in updates:
        request = UpdateWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            wait_policy=WaitPolicy(lifecycle_stage=ACCEPTED),
            request=update,
        )
        await client.workflow_service.update_workflow_execution(request, retry=True, timeout=TIMEOUT)
