"""Runs below a run: started under its policy and on its budget, told what it is told, and awaited to their end."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError, CancelledError, ChildWorkflowError, WorkflowAlreadyStartedError
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

from perdure.domain.control import ControlPayload
from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue, Model
from perdure.domain.run import AgentInput, Child, Lineage, RunResult, RunState, Usage, Used
from workflows.run import AgentRun

__all__ = ["ChildEnd", "inherited", "level_below", "run_child", "seconds_left", "tell_child"]


class ChildEnd(NamedTuple):
    """How a child ended: with a result, or with the failure that it could not make a result of.

    `details` are the fields of its result that a pattern has beyond those of an agent. Of a failure `result` has what
    was used, if that is known.
    """

    result: RunResult | None
    error: ErrorInfo | None = None
    details: JsonObject = {}
    usage: Usage | None = None
    tool_calls: int = 0


def level_below(run: AgentRun) -> int:
    """Levels of delegation from the root to a child of this run."""
    return 1 + (run.given.lineage.level if run.given.lineage else 0)


def inherited(run: AgentRun) -> dict[str, object]:
    """Fields of a child's input that are its parent's, its lineage among them."""
    info = workflow.info()
    root = run.given.lineage.root if run.given.lineage else info.workflow_id
    lineage = Lineage(root=root, parent=info.workflow_id, level=level_below(run), model=run.setup.model)
    return {
        "policy": run.setup.policy,
        "requester": run.given.requester,
        "tenant": run.given.tenant,
        **({} if run.given.tools is None else {"tools": run.given.tools}),
        "lineage": lineage,
    }


async def run_child(run: AgentRun, kind: str, given: AgentInput, identity: str, agent: str) -> ChildEnd:
    """Start a child of this workflow type and wait for its end; only a cancelled parent raises."""
    run.children[identity] = Child(workflow_id=identity, agent=agent, state=RunState.EXECUTING)
    try:
        handle = await workflow.start_child_workflow(
            kind,
            given,
            id=identity,
            result_type=dict[str, JsonValue],
            parent_close_policy=ParentClosePolicy.REQUEST_CANCEL,
            # A cancelled parent does not wait: its cancellation reaches only the child's first run, the close policy
            # also one that has continued as new.
            cancellation_type=ChildWorkflowCancellationType.TRY_CANCEL,
            static_summary=f"{agent}: {given.goal}"[:100].replace("\n", " "),
        )
        await _catch_up(run, identity)
        end = _split(await handle)
    except WorkflowAlreadyStartedError:
        _close(run, identity, RunState.FAILED)
        return ChildEnd(None, ErrorInfo.of("ChildNotStarted", f"a run {identity} is already open"))
    except ChildWorkflowError as error:
        _close(run, identity, RunState.FAILED)
        cause = error.cause
        if isinstance(cause, CancelledError) and workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError from error
        return _failed(cause or error)
    except asyncio.CancelledError:
        _close(run, identity, RunState.CANCELLED)
        raise
    _close(run, identity, RunState.COMPLETED)
    return end


async def tell_child(identity: str, signal: str, payload: Model) -> None:
    """Send a signal to a run below, by its id alone: it may have continued as new, and a handle names its first run."""
    with suppress(ApplicationError):  # it has not started or has closed: there is nothing to tell it
        await workflow.get_external_workflow_handle(identity).signal(signal, payload)


async def _catch_up(run: AgentRun, identity: str) -> None:
    """Pass on what the run was told while the child was starting."""
    if run.control.stopping or run.control.paused:
        await tell_child(identity, "stop" if run.control.stopping else "pause", ControlPayload(by="parent run"))


def _split(value: JsonObject) -> ChildEnd:
    fields = RunResult.model_fields.keys()
    result = RunResult.model_validate({name: value[name] for name in value if name in fields})
    return ChildEnd(result, details={name: value[name] for name in value if name not in fields})


def _failed(cause: BaseException) -> ChildEnd:
    if not isinstance(cause, ApplicationError):
        return ChildEnd(None, ErrorInfo.of("ChildFailed", str(cause)))
    error = ErrorInfo.of(cause.type or "ChildFailed", cause.message)
    try:  # its last detail, since `workflows.lifetime` puts it there
        used = Used.model_validate(cause.details[-1] if cause.details else None)
    except ValidationError:
        return ChildEnd(None, error)
    return ChildEnd(None, error, usage=used.usage, tool_calls=used.tool_calls)


def _close(run: AgentRun, identity: str, state: RunState) -> None:
    run.elsewhere.forget(identity)
    run.journal.add("child", run.setup.agent.name, {"workflow_id": identity, "state": state}, event="child", waits=True)
    run.children[identity] = run.children[identity].model_copy(update={"state": state})


def seconds_left(run: AgentRun) -> float:
    """Working time that a child may have, in seconds."""
    return max(timedelta(seconds=1), run.time_left()).total_seconds()
