"""A question to a session, by update-with-start under the question's own id: how it is sent, and how it can fail."""

from pydantic import BaseModel, ValidationError
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateStage,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCStatusCode

from perdure.contact import ANSWER
from perdure.domain.run import RunResult
from perdure.domain.sessions import Ask

__all__ = ["LOST", "MOVING", "SESSION", "result_of", "send_question"]

SESSION = "Session"
"""Name of the workflow type."""
LOST = frozenset({"AcceptedUpdateCompletedWorkflow", "ContinuedAsNew", "SessionBusy"})
"""Types of failure of updates whose run ended before they were answered: asking again under the same id helps."""
MOVING = frozenset({RPCStatusCode.ABORTED, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.NOT_FOUND})
"""The session closes or continues as new just now."""


async def send_question(  # noqa: PLR0913 - what a question is made of
    client: Client, task_queue: str, workflow_id: str, given: BaseModel, asked: Ask, *, summary: str
) -> "WorkflowUpdateHandle[object]":
    """Send the question until the session, which is started with `given` if it is not open, has taken it in."""
    start = WithStartWorkflowOperation[object, object](
        SESSION,
        given,
        id=workflow_id,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=summary,
    )
    return await client.start_update_with_start_workflow(  # pyright: ignore[reportUnknownMemberType] - open generic
        "ask",
        asked,
        start_workflow_operation=start,
        wait_for_stage=WorkflowUpdateStage.ACCEPTED,
        id=asked.message_id,
        rpc_timeout=ANSWER,
    )


def result_of(error: WorkflowUpdateFailedError) -> RunResult | None:
    """What a question that ended without success has reached: the first detail of its failure."""
    cause = error.cause
    details = cause.details if isinstance(cause, ApplicationError) else ()
    try:
        return RunResult.model_validate(details[0]) if details else None
    except ValidationError:
        return None
