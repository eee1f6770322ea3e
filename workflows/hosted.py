"""The tools that the workflow runs itself: asking a person, and delegating to another agent as a child workflow."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError, CancelledError, ChildWorkflowError, WorkflowAlreadyStartedError
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

from perdure.domain.approvals import RequestKind, Verdict
from perdure.domain.control import ControlPayload
from perdure.domain.explain import explain
from perdure.domain.model import JsonObject, JsonValue, canonical_json
from perdure.domain.policy import Rule
from perdure.domain.run import AgentInput, Child, Lineage, RunResult, RunState
from perdure.domain.tools import CallOutcome, ToolSpec
from workflows.requests import ask_about_call
from workflows.run import AgentRun

__all__ = ["ASK_HUMAN", "ask_human", "delegate"]

ASK_HUMAN = "ask_human"


async def ask_human(
    run: AgentRun, number: int, spec: ToolSpec, arguments: JsonObject, rule: Rule | None = None
) -> CallOutcome:
    """Ask a person a question and wait for the answer, for as long as it takes."""
    options = arguments.get("options")
    schema: JsonObject = {"enum": options} if options else {"type": "string"}
    decision = await ask_about_call(
        run,
        RequestKind.QUESTION,
        number,
        spec,
        arguments,
        title=str(arguments["question"]),
        answer_schema=schema,
        rule=rule,
    )
    if decision.verdict is Verdict.REJECT:
        reason = f": {decision.reason}" if decision.reason else ""
        return CallOutcome(error="REJECTED", text=f"{decision.by} will not answer{reason}.")
    return CallOutcome(text=_text(decision.response))


async def delegate(run: AgentRun, number: int, arguments: JsonObject) -> CallOutcome:
    """Start another agent on a goal and wait for its result; it inherits the policy and what is left of the budget."""
    level = 1 + (run.given.lineage.level if run.given.lineage else 0)
    if level > run.setup.limits.depth:
        return CallOutcome(error="DEPTH_LIMIT", text="No further delegation is allowed: do this yourself.")
    info = workflow.info()
    agent, identity = str(arguments["agent"]), f"{info.workflow_id}.{number}"
    try:
        child_input = _child_input(run, agent, str(arguments["goal"]), level)
    except ValidationError as error:
        return CallOutcome(error="INVALID_ARGUMENTS", text=f"Invalid arguments for delegate: {explain(error)}")
    run.children[identity] = Child(workflow_id=identity, agent=agent, state=RunState.EXECUTING)
    try:
        handle = await workflow.start_child_workflow(
            "Agent",
            child_input,
            id=identity,
            result_type=RunResult,
            parent_close_policy=ParentClosePolicy.REQUEST_CANCEL,
            # A cancelled parent does not wait: its cancellation reaches only the child's first run, the close policy
            # also one that has continued as new.
            cancellation_type=ChildWorkflowCancellationType.TRY_CANCEL,
            static_summary=f"{agent}: {child_input.goal}"[:100].replace("\n", " "),
        )
        await _catch_up(run, identity)
        result = await handle
    except WorkflowAlreadyStartedError:
        _close(run, identity, RunState.FAILED)
        return CallOutcome(error="CHILD_FAILED", text=f"{agent} could not start: a run {identity} is already open.")
    except ChildWorkflowError as error:
        _close(run, identity, RunState.FAILED)
        cause = error.cause
        if isinstance(cause, CancelledError) and workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError from error
        words = cause.message if isinstance(cause, ApplicationError) else str(cause or error)
        return CallOutcome(error="CHILD_FAILED", text=f"{agent} failed: {words}")
    _close(run, identity, RunState.COMPLETED)
    run.spent.settle_child(result.usage, result.tool_calls)
    if result.success:
        return CallOutcome(text=_text(result.output))
    return CallOutcome(error="CHILD_FAILED", text=f"{agent} ended with {result.stop_reason}: {_text(result.output)}")


async def _catch_up(run: AgentRun, identity: str) -> None:
    """Pass on what the run was told while the child was starting."""
    if run.control.stopping or run.control.paused:
        with suppress(ApplicationError):  # it has closed already
            verb = "stop" if run.control.stopping else "pause"
            await workflow.get_external_workflow_handle(identity).signal(verb, ControlPayload(by="parent run"))


def _child_input(run: AgentRun, agent: str, goal: str, level: int) -> AgentInput:
    limits, spent, info = run.setup.limits, run.spent, workflow.info()
    left: dict[str, object] = {
        "tokens": max(1, limits.tokens - spent.tokens),
        "tool_calls": max(1, limits.tool_calls - spent.tool_calls),
        "seconds": max(timedelta(seconds=1), run.time_left()).total_seconds(),
        "depth": limits.depth,
    }
    if limits.cost_usd is not None:
        left["cost_usd"] = max(1e-6, limits.cost_usd - spent.cost_usd)
    if limits.deadline is not None:
        left["deadline"] = limits.deadline
    root = run.given.lineage.root if run.given.lineage else info.workflow_id
    return AgentInput.model_validate(
        {
            "goal": goal,
            "agent": agent,
            "limits": left,
            "policy": run.setup.policy,
            "requester": run.given.requester,
            "tenant": run.given.tenant,
            **({} if run.given.tools is None else {"tools": run.given.tools}),
            "lineage": Lineage(root=root, parent=info.workflow_id, level=level, model=run.setup.model),
        }
    )


def _close(run: AgentRun, identity: str, state: RunState) -> None:
    run.elsewhere.forget(identity)
    run.journal.add("child", run.setup.agent.name, {"workflow_id": identity, "state": state}, event="child", waits=True)
    run.children[identity] = run.children[identity].model_copy(update={"state": state})


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical_json(value)
