"""The tool calls of one turn: checked, gated, run as their effects allow, and answered in the model's order."""

from collections.abc import Sequence

from temporalio import workflow

from perdure.domain.approvals import Decision, RequestKind, Verdict
from perdure.domain.arguments import check_arguments, closest
from perdure.domain.calls import Planned
from perdure.domain.messages import AssistantMessage, CallPart, ToolResultMessage
from perdure.domain.model import JsonObject, canonical_json
from perdure.domain.policy import Level, matches_any
from perdure.domain.run import StopReason
from perdure.domain.tools import CallOutcome, CallState, Effect, ToolCall, ToolSpec, call_digest, call_key
from workflows import hosted
from workflows.control import RolloverError, RunEndedError
from workflows.effects import perform
from workflows.limits import reach
from workflows.metrics import count_answers
from workflows.requests import ask_about_call, request_id
from workflows.run import NOT_RUN, AgentRun
from workflows.together import together

__all__ = ["plan_calls", "run_call", "run_calls"]

MOST_CALLS = 500
"""Calls of one turn that are looked at: a workflow task must stay short."""
MOST_AT_ONCE = 100
"""Calls that run together: a run may have 2,000 activities pending, or its workflow task fails for ever."""
MAX_SHOWN = 2_000
"""Characters of edited arguments that the model is shown again."""
MAX_WHY = 500
"""Characters of what the agent said with its call that people who decide are shown."""
MAX_NAME = 100


def plan_calls(run: AgentRun, parts: Sequence[CallPart]) -> None:
    """Enter the calls of a turn into the ledger, and find what stands against each before anyone is asked."""
    run.turn = [_plan(run, part, number) for number, part in enumerate(parts, start=1)]


async def run_calls(run: AgentRun) -> bool:
    """Answer every planned call of the turn in the transcript; says whether at least one did not fail.

    All approvals of the turn are asked at once, then neighbouring repeatable calls run together and all others one at
    a time, in order. Whatever ends the run in between, no call stays unanswered; a run that continues as new comes
    back here with what was planned, and goes on where it was.
    """
    plans = run.turn or []
    try:
        if not any(plan.begun for plan in plans):
            await _reserve(run, plans)
        await together(_gate(run, plan) for plan in plans if plan.answer is None and not plan.gated)
        for group in _groups(run, plans):
            await run.control.hold()
            await together(_execute(run, plan) for plan in group)
    except (RolloverError, GeneratorExit):  # GeneratorExit: a worker drops the run from its memory
        raise
    except BaseException:
        _close(run, plans)
        raise
    _close(run, plans)
    return any(not plan.answer.error or plan.answer.error == "REJECTED" for plan in plans if plan.answer)


async def run_call(run: AgentRun, part: CallPart) -> CallOutcome:
    """Answer one call that the run itself makes, under the same policy, approvals and ledger; others may be at work.

    The transcript gets the call with its answer. Raises RunEndedError like a turn.
    """
    plan = _plan(run, part, 1)
    if plan.answer is None:
        await _reserve(run, [plan])
        await _gate(run, plan)
    if plan.answer is None:
        await run.control.hold()
        await _execute(run, plan)
    result = _message(run, plan)
    run.log.extend([AssistantMessage(content=(part,)), result])
    count_answers([result], run.tools)
    return plan.answer or CallOutcome(error=NOT_RUN, text=result.text)


def _close(run: AgentRun, plans: Sequence[Planned]) -> None:
    """Put the results into the transcript: the turn is over."""
    results = [_message(run, plan) for plan in plans]
    run.log.extend(results)
    run.steps.answered(results)
    count_answers(results, run.tools)
    run.turn = None
    run.reconfigure()


def _plan(run: AgentRun, part: CallPart, number: int) -> Planned:
    spec = run.tools.get(part.tool)
    effect = Effect.PURE if spec is None else spec.effect
    plan = Planned(run.ledger.plan(part.tool, effect, call_digest(part.tool, part.arguments)), part, part.arguments)
    plan.answer = _problem(run, plan, number)
    if plan.answer is not None:
        run.mark(plan.number, CallState.FAILED, plan.answer.error)
        return plan
    ruling = run.ruling(part.tool, effect, part.arguments)
    plan.level, plan.rule = ruling.level, ruling.rule
    return plan


def _spec(run: AgentRun, plan: Planned) -> ToolSpec:
    """The tool of a call: calls of unknown tools are answered already, and tools stay as they are for a turn."""
    return run.tools[plan.part.tool]


def _problem(run: AgentRun, plan: Planned, number: int) -> CallOutcome | None:
    name = plan.part.tool
    spec = run.tools.get(name)
    if number > MOST_CALLS:
        return CallOutcome(error="TOO_MANY_CALLS", text=f"At most {MOST_CALLS} calls fit into one turn: ask again.")
    if spec is None:
        known = ", ".join(run.tools) or "none"
        text = f"There is no tool {name[:MAX_NAME]!r}.{closest(name, run.tools)} Tools you have: {known}."
        return CallOutcome(error="UNKNOWN_TOOL", text=text)
    wrong = (
        f"the arguments were not a JSON object: {plan.part.malformed[:200]!r}"
        if plan.part.malformed
        else check_arguments(spec.parameters, plan.part.arguments)
    )
    if wrong:
        text = f"Invalid arguments for {name}: {wrong}. Valid arguments: {canonical_json(spec.parameters)[:2_000]}"
        return CallOutcome(error="INVALID_ARGUMENTS", text=text)
    if matches_any(run.setup.deny, name):
        return CallOutcome(error="DENIED", text=f"The operator of this worker does not allow {name}.")
    return None


async def _gate(run: AgentRun, plan: Planned) -> None:
    """Let the call through, or answer it: by the policy, or by a person."""
    spec = _spec(run, plan)
    if plan.level is Level.DENY:
        _refuse(run, plan, CallOutcome(error="DENIED", text="The policy of this run does not allow this call."))
    elif plan.level is Level.NOTIFY:
        run.notice("call.notified", f"{spec.name} {canonical_json(plan.arguments)}")
    if plan.answer is not None:
        return
    if spec.name == hosted.ASK_HUMAN:
        plan.answer = await hosted.ask_human(run, plan.number, spec, plan.arguments, plan.rule)
        run.spent.tool_calls += 1
        run.mark(plan.number, CallState.FAILED if plan.answer.error else CallState.DONE, plan.answer.error)
    elif plan.level.waits:
        _apply(run, plan, _granted(run, plan, spec) or await _asked(run, plan, spec))
    plan.gated = True


async def _asked(run: AgentRun, plan: Planned, spec: ToolSpec) -> Decision:
    kind, said = RequestKind.TOOL_CALL, run.log.held[-1:]
    why = " ".join(said[0].text.split())[:MAX_WHY] if said and isinstance(said[0], AssistantMessage) else ""
    return await ask_about_call(
        run, kind, plan.number, spec, plan.arguments, level=plan.level, rule=plan.rule, reason=why
    )


def _granted(run: AgentRun, plan: Planned, spec: ToolSpec) -> Decision | None:
    """The decision of a standing grant: nobody is asked again."""
    if run.approvals.carries(request_id(plan.number, spec.name, plan.arguments)):
        return None
    digest = call_digest(spec.name, plan.arguments)
    decision = run.approvals.grants.use(spec.name, digest, plan.level, plan.rule)
    if decision is not None:
        run.notice("decision", f"{spec.name} #{plan.number}: approved by {decision.by}, {decision.reason}")
        said: JsonObject = {"verdict": decision.verdict, "via": "grant", "reason": decision.reason}
        run.journal.add("decision", decision.by, {"tool": spec.name, "digest": digest, **said})
    return decision


def _apply(run: AgentRun, plan: Planned, decision: Decision) -> None:
    if decision.verdict is Verdict.REJECT:
        reason = f": {decision.reason}" if decision.reason else ""
        text = f"{decision.by} rejected this call{reason}. It was not run; do not repeat it unchanged."
        _refuse(run, plan, CallOutcome(error="REJECTED", text=text))
    elif decision.verdict is Verdict.RESPOND:
        response = decision.response
        text = response if isinstance(response, str) else canonical_json(response)
        plan.answer = CallOutcome(text=f"[{decision.by} answered instead of running the tool]\n{text}")
        run.mark(plan.number, CallState.DONE)
    elif decision.verdict is Verdict.EDIT and decision.arguments is not None:
        plan.arguments = decision.arguments
        plan.note = f"[{decision.by} changed the arguments to {canonical_json(decision.arguments)[:MAX_SHOWN]}]\n"


def _refuse(run: AgentRun, plan: Planned, outcome: CallOutcome) -> None:
    plan.answer = outcome
    run.mark(plan.number, CallState.FAILED, outcome.error)
    if plan.rule is not None and plan.rule.on_deny == "stop":
        raise RunEndedError(StopReason.REJECTED)


async def _reserve(run: AgentRun, plans: Sequence[Planned]) -> None:
    """End the run, or ask for more, before anything starts when the calls of a turn do not fit into what is left."""
    wanted = sum(plan.answer is None for plan in plans)
    while wanted > run.setup.limits.tool_calls - run.spent.tool_calls:
        await reach(run, StopReason.TOOL_CALL_LIMIT)


def _groups(run: AgentRun, plans: Sequence[Planned]) -> list[list[Planned]]:
    """Calls that run together: neighbours that may overlap; every other call alone; the order is kept."""
    groups: list[list[Planned]] = []
    for plan in (plan for plan in plans if plan.answer is None):
        if groups and len(groups[-1]) < MOST_AT_ONCE and _overlaps(run, plan) and _overlaps(run, groups[-1][-1]):
            groups[-1].append(plan)
        else:
            groups.append([plan])
    return groups


def _overlaps(run: AgentRun, plan: Planned) -> bool:
    """Whether the call may run beside its neighbours."""
    spec = _spec(run, plan)
    return spec.effect.repeatable and spec.host == "activity"


async def _execute(run: AgentRun, plan: Planned) -> None:
    """Run one call whose arguments are final; its key is fixed here, before anything is scheduled."""
    spec, info, digest = _spec(run, plan), workflow.info(), call_digest(plan.part.tool, plan.arguments)
    key = call_key(info.workflow_id, info.first_execution_run_id, plan.number, digest)
    if not plan.begun:
        plan.begun = True
        run.ledger.run(plan.number, digest, key)
        run.spent.tool_calls += 1
    if spec.host == "workflow":
        plan.answer = await hosted.delegate(run, plan.number, plan.arguments)
    else:
        call = ToolCall(number=plan.number, tool=plan.part.tool, arguments=plan.arguments, key=key)
        plan.answer = await perform(run, spec, call, plan)
    run.mark(plan.number, CallState.FAILED if plan.answer.error else CallState.DONE, plan.answer.error)
    if spec.effect is not Effect.PURE:
        _journal_effect(run, plan, spec, digest, key)


def _journal_effect(run: AgentRun, plan: Planned, spec: ToolSpec, digest: str, key: str) -> None:
    error = plan.answer.error if plan.answer else ""
    data: JsonObject = {"call": plan.number, "tool": spec.name, "effect": spec.effect, "digest": digest, "key": key}
    run.journal.add("effect", run.setup.agent.name, {**data, "error": error}, waits=True)


def _message(run: AgentRun, plan: Planned) -> ToolResultMessage:
    answer = plan.answer or CallOutcome(error=NOT_RUN, text="Not run: the run ended before this call.")
    spec = run.tools.get(plan.part.tool)
    return ToolResultMessage(
        call_id=plan.part.id,
        tool=plan.part.tool,
        text=plan.note + answer.text,
        error=answer.error,
        untrusted=spec is not None and spec.untrusted and not answer.error,
        blob=answer.blob,
        size=answer.size,
    )
