"""The tools that the workflow runs itself: asking a person, and delegating to another agent as a child workflow."""

from pydantic import ValidationError
from temporalio import workflow

from perdure.domain.approvals import RequestKind, Verdict
from perdure.domain.explain import explain
from perdure.domain.model import JsonObject, JsonValue, canonical_json
from perdure.domain.policy import Rule
from perdure.domain.run import AgentInput
from perdure.domain.tools import CallOutcome, ToolSpec
from workflows.children import inherited, level_below, run_child, seconds_left
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
    if level_below(run) > run.setup.limits.depth:
        return CallOutcome(error="DEPTH_LIMIT", text="No further delegation is allowed: do this yourself.")
    agent, identity = str(arguments["agent"]), f"{workflow.info().workflow_id}.{number}"
    try:
        given = AgentInput.model_validate(
            {"goal": str(arguments["goal"]), "agent": agent, "limits": _left(run), **inherited(run)}
        )
    except ValidationError as error:
        return CallOutcome(error="INVALID_ARGUMENTS", text=f"Invalid arguments for delegate: {explain(error)}")
    end = await run_child(run, "Agent", given, identity, agent)
    if end.usage is not None:
        run.spent.settle_child(end.usage, end.tool_calls)
    if end.result is None:
        return CallOutcome(
            error="CHILD_FAILED", text=f"{agent} failed: {'' if end.error is None else end.error.message}"
        )
    run.spent.settle_child(end.result.usage, end.result.tool_calls)
    if end.result.success:
        return CallOutcome(text=_text(end.result.output))
    words = f"{agent} ended with {end.result.stop_reason}: {_text(end.result.output)}"
    return CallOutcome(error="CHILD_FAILED", text=words)


def _left(run: AgentRun) -> dict[str, object]:
    limits, spent = run.setup.limits, run.spent
    left: dict[str, object] = {
        "tokens": max(1, limits.tokens - spent.tokens),
        "tool_calls": max(1, limits.tool_calls - spent.tool_calls),
        "seconds": seconds_left(run),
        "depth": limits.depth,
    }
    if limits.cost_usd is not None:
        left["cost_usd"] = max(1e-6, limits.cost_usd - spent.cost_usd)
    if limits.deadline is not None:
        left["deadline"] = limits.deadline
    return left


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical_json(value)
