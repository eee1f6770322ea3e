"""The activities `run.record`, `run.notify` and `run.decide`: what a run tells the outside, and passes on below."""

import asyncio

import structlog
from temporalio import activity
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.answering import written
from activities.failures import reporting
from activities.heartbeat import heartbeating
from perdure.domain.approvals import Decide, DecisionAnswer
from perdure.domain.audit import AuditHead
from perdure.domain.record import Notification, RecordRequest
from perdure.outlets import Outlets

__all__ = ["RecordActivities"]

log = structlog.get_logger()


class RecordActivities:
    """What the runs of a worker tell of themselves."""

    def __init__(self, client: Client, outlets: Outlets) -> None:
        """Write to these outlets; pass decisions on with this client."""
        self._client = client
        self._outlets = outlets

    @activity.defn(name="run.record")
    async def record(self, request: RecordRequest) -> AuditHead | None:
        """Put events before readers and entries into the audit log; a log that cannot be written fails retryably.

        Returns the head of the last entry, None without entries.

        Damage that is found in the log is told in our own log: the entries are kept all the same, and it stays found.
        """
        info = activity.info()
        workflow_id = info.workflow_id or ""
        for event in request.events:
            self._outlets.events.put(workflow_id, event, urgent=True)
        async with reporting(info.attempt), heartbeating():
            problems = await asyncio.to_thread(self._outlets.audit.append, request.log, request.entries)
            await written(self._outlets.events, workflow_id)
        for problem in problems:
            log.error("audit.damaged", workflow_id=workflow_id, problem=problem)
        return request.entries[-1].head if request.entries else None

    @activity.defn(name="run.notify")
    async def notify(self, notification: Notification) -> None:
        """Tell people over every channel there is; what may work later fails retryably."""
        async with reporting(activity.info().attempt), heartbeating():
            await self._outlets.notifier.notify(notification)

    @activity.defn(name="run.decide")
    async def decide(self, workflow_id: str, decide: Decide) -> DecisionAnswer:
        """Pass a decision on to the run that waits for it; its refusal is ours."""
        handle = self._client.get_workflow_handle(workflow_id)
        info = activity.info()
        attempt = f"{info.workflow_run_id}:{info.activity_id}"  # sent again by the next attempt, it counts once
        try:
            return await handle.execute_update(  # pyright: ignore[reportUnknownMemberType] - open generic
                "decide", decide, id=attempt, result_type=DecisionAnswer
            )
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            kind = cause.type if isinstance(cause, ApplicationError) else None
            raise ApplicationError(str(cause), type=kind or "UnknownRequest", non_retryable=True) from None
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            words = f"the run {workflow_id} that waited for {decide.request_id} has ended"
            raise ApplicationError(words, type="UnknownRequest", non_retryable=True) from None
