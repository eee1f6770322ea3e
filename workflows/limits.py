"""What happens at a limit: the run stops, asks a person for more, or has the model say what was reached."""

from pydantic import ValidationError
from temporalio import workflow

from perdure.domain.agents import Limits
from perdure.domain.approvals import VERDICTS, Request, RequestKind, Verdict
from perdure.domain.explain import explain
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.policy import LONGEST, Level
from perdure.domain.run import StopReason
from perdure.domain.tools import Effect, call_digest
from workflows.control import RunEndedError
from workflows.run import AgentRun

__all__ = ["LIMITS", "reach"]

LIMITS: dict[StopReason, str] = {
    StopReason.TURN_LIMIT: "turns",
    StopReason.TOOL_CALL_LIMIT: "tool_calls",
    StopReason.TOKEN_LIMIT: "tokens",
    StopReason.COST_LIMIT: "cost_usd",
    StopReason.TIME_LIMIT: "seconds",
}
"""Stop reasons that a person can lift, and the limit behind each."""
SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "turns": {"type": "integer", "minimum": 1},
        "tool_calls": {"type": "integer", "minimum": 1},
        "tokens": {"type": "integer", "minimum": 1},
        "cost_usd": {"type": "number", "exclusiveMinimum": 0},
        "seconds": {"type": "number", "exclusiveMinimum": 0},
    },
    "additionalProperties": False,
    "minProperties": 1,
}


async def reach(run: AgentRun, reason: StopReason) -> None:
    """Return when the run may go on with wider limits; otherwise end it with this reason."""
    name = LIMITS.get(reason)
    deadline = run.setup.limits.deadline
    if run.given.on_limit != "ask" or name is None or (deadline is not None and workflow.now() >= deadline):
        raise RunEndedError(reason)
    now = _named(run.setup.limits, name)
    more = {name: min(now * 2, LONGEST) if name == "seconds" else now * 2}
    if more[name] <= now:
        raise RunEndedError(reason)
    request = _request(run, reason, {"limit": name, "now": now, "approve": more[name]})
    if not run.approvals.carries(request.request_id):
        run.approvals.withdraw(RequestKind.LIMIT)
    decision = await run.approvals.ask(request, None)
    run.extended += 1
    run.notice("decision", f"{request.request_id}: {decision.verdict} by {decision.by} ({decision.via})")
    if decision.verdict is Verdict.REJECT:
        raise RunEndedError(reason)
    wider = decision.arguments if decision.verdict is Verdict.EDIT and decision.arguments is not None else more
    try:
        run.limit(Limits.model_validate({key: _whole(value) for key, value in wider.items()}))
    except ValidationError as error:  # the schema of the request lets nothing through that this refuses
        run.notice("decision.refused", explain(error))


def _whole(value: JsonValue) -> JsonValue:
    """5.0 is an integer to JSON Schema, and so it is here."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _named(limits: Limits, name: str) -> int | float:
    value = getattr(limits, name)
    assert value is not None, f"the limit {name} was reached, so it is set"  # noqa: S101
    return value


def _request(run: AgentRun, reason: StopReason, arguments: dict[str, JsonValue]) -> Request:
    spent, name = run.spent, arguments["limit"]
    used = f"{spent.turns} turns, {spent.tool_calls} tool calls, {spent.tokens} tokens"
    return Request(
        request_id=f"req-limit-{run.extended + 1}-{name}",
        kind=RequestKind.LIMIT,
        title=f"The run has reached its limit of {arguments['now']} {name}. Approve: {arguments['approve']}",
        agent=run.setup.agent.name,
        tool="",
        arguments=dict(arguments),
        effect=Effect.PURE,
        level=Level.CONFIRM,
        digest=call_digest("", dict(arguments)),
        verdicts=VERDICTS[RequestKind.LIMIT],
        answer_schema=SCHEMA,
        requester=run.given.requester,
        reason=f"{reason}: used so far: {used}",
        asked_at=workflow.now(),
        workflow_id=workflow.info().workflow_id,
    )
