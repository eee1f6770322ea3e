"""What the server knows of the runs that wrote the audit logs of a workflow id."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel
from temporalio.api.common.v1 import WorkflowExecution as ExecutionRef
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetWorkflowExecutionHistoryRequest
from temporalio.client import RPCError, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCStatusCode

from perdure.cli.session import Session
from perdure.contact import ANSWER, answered
from perdure.domain.audit import AuditHead
from perdure.domain.audit_check import RunHeads

__all__ = ["LoggedRun", "chains", "heads", "retained_since"]

QUERY = "audit"


class _Answer(BaseModel):
    """The part of the answer to the query `audit` that is needed here."""

    written: AuditHead
    head: AuditHead


@dataclass(frozen=True)
class LoggedRun:
    """A run that may have written to a log. `run_id` is None for one that is open: it may continue as another one.

    `went_back`: it began at a checkpoint of another run, and its log goes on from there.
    """

    run_id: str | None
    went_back: bool

    @property
    def is_open(self) -> bool:
        """Whether it may still write."""
        return self.run_id is None


async def chains(session: Session, workflow_id: str) -> dict[str, list[LoggedRun]]:
    """The runs of an id that did not continue as new, oldest first, under the id of the first run of their chain.

    Raises RPCError; the server has forgotten the id when that says NOT_FOUND.
    """
    # Lists lag behind; the latest run is asked for by itself.
    latest = await session.handle(workflow_id).describe(rpc_timeout=ANSWER)
    name = workflow_id.replace("\\", "\\\\").replace("'", "\\'")
    query = f"WorkflowId = '{name}' AND ExecutionStatus != 'ContinuedAsNew'"
    listed = [run async for run in session.client.list_workflows(query, rpc_timeout=ANSWER)]
    earlier = sorted((run for run in listed if run.run_id != latest.run_id), key=lambda run: run.start_time)
    found: dict[str, list[LoggedRun]] = {}
    runs: list[WorkflowExecution] = [*earlier, latest]
    for run in runs:
        began = await _beginning(session, workflow_id, run.run_id)
        if began is not None:
            is_open = run.run_id == latest.run_id and run.status is WorkflowExecutionStatus.RUNNING
            went_back = began.original_execution_run_id != run.run_id
            logged = LoggedRun(None if is_open else run.run_id, went_back)
            found.setdefault(began.first_execution_run_id, []).append(logged)
    return found


async def _beginning(session: Session, workflow_id: str, run_id: str) -> WorkflowExecutionStartedEventAttributes | None:
    """How a run began; None: it has gone since it was listed."""
    request = GetWorkflowExecutionHistoryRequest(
        namespace=session.client.namespace,
        execution=ExecutionRef(workflow_id=workflow_id, run_id=run_id),
        maximum_page_size=1,
    )
    try:
        answer = await session.client.workflow_service.get_workflow_execution_history(
            request, retry=True, timeout=ANSWER
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
    return answer.history.events[0].workflow_execution_started_event_attributes


async def heads(session: Session, workflow_id: str, run_id: str | None) -> RunHeads:
    """What a run says of its log. Raises NoAnswer, or WorkflowQueryFailedError for one that does not say."""
    handle = session.handle(workflow_id, run_id)
    said = _Answer.model_validate(await answered(handle.query(QUERY, result_type=dict, rpc_timeout=ANSWER)))
    return RunHeads(written=said.written, head=said.head)


async def retained_since(session: Session) -> datetime:
    """A time such that the server still has every run that ended later."""
    request = DescribeNamespaceRequest(namespace=session.client.namespace)
    answer = await session.client.workflow_service.describe_namespace(request, retry=True, timeout=ANSWER)
    return datetime.now(UTC) - answer.config.workflow_execution_retention_ttl.ToTimedelta()
