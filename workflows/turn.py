"""The tool calls of one turn: checked, gated, run as their effects allow, and answered in the model's order."""

from collections.abc import Sequence
from dataclasses import dataclass

from temporalio import workflow

from perdure.domain.approvals import Decision, RequestKind, Verdict
from perdure.domain.arguments import check_arguments, closest
from perdure.domain.messages import CallPart, ToolResultMessage
from perdure.domain.model import JsonObject, canonical_json
from perdure.domain.policy import Level, Policy, Rule, Ruling, matches_any, rule_for, stricter
from perdure.domain.run import StopReason
from perdure.domain.tools import CallOutcome, CallState, Effect, LedgerEntry, ToolCall, ToolSpec, call_digest, call_key
from workflows import hosted
from workflows.control import RunEndedError
from workflows.effects import perform
from workflows.requests import ask_about_call
from workflows.run import NOT_RUN, AgentRun
from workflows.together import together

__all__ = ["run_calls"]

MOST_CALLS = 500
"""Calls of one turn that are looked at: a workflow task must stay short."""
MOST_AT_ONCE = 100
"""Calls that run together: a run may have 2,000 activities pending, or its workflow task fails for ever."""
MAX_SHOWN = 2_000
"""Characters of edited arguments that the model is shown again."""
MAX_NAME = 100


@dataclass
class Planned:
    """One call on its way; `answer` is set as soon as it is known, also without running anything."""

    number: int
    part: CallPart
    spec: ToolSpec | None
    arguments: JsonObject
    level: Level = Level.NONE
    rule: Rule | None = None
    note: str = ""
    answer: CallOutcome | None = None

    @property
    def overlaps(self) -> bool:
        """Whether the call may run beside its neighbours."""
        return self.spec is not None and self.spec.effect.repeatable and self.spec.host == "activity"


async def run_calls(run: AgentRun, parts: Sequence[CallPart]) -> bool:
    """Answer every call of a turn in the transcript; says whether at least one did not fail.

    Calls are checked first, all approvals of the turn are asked at once, then neighbouring repeatable calls run
    together and all others one at a time, in order. Whatever ends the run in between, no call stays unanswered.
    """
    plans = [_plan(run, part, number) for number, part in enumerate(parts, start=1)]
    try:
        _reserve(run, plans)
        await together(_gate(run, plan) for plan in plans if plan.answer is None)
        for group in _groups(plans):
            await run.control.hold()
            await together(_execute(run, plan) for plan in group)
    finally:
        for plan in plans:
            run.transcript.add(_message(plan))
    return any(not plan.answer.error or plan.answer.error == "REJECTED" for plan in plans if plan.answer)


def _plan(run: AgentRun, part: CallPart, number: int) -> Planned:
    """Enter the call into the ledger and find what stands against it before anyone is asked."""
    spec = run.tools.get(part.tool)
    plan = Planned(run.next_number(), part, spec, part.arguments)
    problem = _problem(run, plan, number)
    effect = Effect.PURE if spec is None else spec.effect
    digest = call_digest(part.tool, part.arguments)
    run.ledger[plan.number] = LedgerEntry(
        number=plan.number, tool=part.tool, effect=effect, digest=digest, key="", state=CallState.PLANNED
    )
    if problem is not None:
        plan.answer = problem
        run.mark(plan.number, CallState.FAILED, problem.error)
        return plan
    ruling = _ruling(run, part.tool, effect, part.arguments)
    plan.level, plan.rule = ruling.level, ruling.rule
    return plan


def _ruling(run: AgentRun, tool: str, effect: Effect, arguments: JsonObject) -> Ruling:
    def by(policy: Policy) -> Ruling:
        agent, tenant = run.setup.agent.name, run.given.tenant
        return rule_for(policy, agent=agent, tool=tool, effect=effect, arguments=arguments, tenant=tenant)

    ruling, own = by(run.setup.policy), run.setup.own_policy
    also = ruling if own is None else by(own)
    return ruling if also.rule is None else stricter(ruling, also)


def _problem(run: AgentRun, plan: Planned, number: int) -> CallOutcome | None:
    name, spec = plan.part.tool, plan.spec
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
    assert plan.spec is not None  # noqa: S101 - calls of unknown tools are answered already
    if plan.level is Level.DENY:
        _refuse(run, plan, CallOutcome(error="DENIED", text="The policy of this run does not allow this call."))
    elif plan.level is Level.NOTIFY:
        run.notice("call.notified", f"{plan.spec.name} {canonical_json(plan.arguments)}")
    if plan.answer is not None:
        return
    if plan.spec.name == hosted.ASK_HUMAN:
        plan.answer = await hosted.ask_human(run, plan.number, plan.spec, plan.arguments, plan.rule)
        run.spent.tool_calls += 1
        run.mark(plan.number, CallState.FAILED if plan.answer.error else CallState.DONE, plan.answer.error)
    elif plan.level.waits:
        spec = plan.spec
        decision = await ask_about_call(
            run,
            RequestKind.TOOL_CALL,
            plan.number,
            spec,
            plan.arguments,
            level=plan.level,
            rule=plan.rule,
            ruling_of=lambda arguments: _ruling(run, spec.name, spec.effect, arguments),
        )
        _apply(run, plan, decision)


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


def _reserve(run: AgentRun, plans: Sequence[Planned]) -> None:
    """End the run before anything of this turn starts when its calls do not fit into what is left."""
    wanted = sum(plan.answer is None for plan in plans)
    if wanted > run.setup.limits.tool_calls - run.spent.tool_calls:
        raise RunEndedError(StopReason.TOOL_CALL_LIMIT)


def _groups(plans: Sequence[Planned]) -> list[list[Planned]]:
    """Calls that run together: neighbours that may overlap; every other call alone; the order is kept."""
    groups: list[list[Planned]] = []
    for plan in (plan for plan in plans if plan.answer is None):
        if groups and plan.overlaps and groups[-1][-1].overlaps and len(groups[-1]) < MOST_AT_ONCE:
            groups[-1].append(plan)
        else:
            groups.append([plan])
    return groups


async def _execute(run: AgentRun, plan: Planned) -> None:
    """Run one call whose arguments are final; its key is fixed here, before anything is scheduled."""
    assert plan.spec is not None  # noqa: S101 - calls of unknown tools are answered already
    info, digest = workflow.info(), call_digest(plan.part.tool, plan.arguments)
    key = call_key(info.workflow_id, info.first_execution_run_id, plan.number, digest)
    entry = run.ledger[plan.number]
    run.ledger[plan.number] = entry.model_copy(update={"digest": digest, "key": key, "state": CallState.RUNNING})
    run.spent.tool_calls += 1
    call = ToolCall(number=plan.number, tool=plan.part.tool, arguments=plan.arguments, key=key)
    if plan.spec.host == "workflow":
        plan.answer = await hosted.delegate(run, plan.number, plan.arguments)
    else:
        plan.answer = await perform(run, plan.spec, call, plan.rule)
    run.mark(plan.number, CallState.FAILED if plan.answer.error else CallState.DONE, plan.answer.error)


def _message(plan: Planned) -> ToolResultMessage:
    answer = plan.answer or CallOutcome(error=NOT_RUN, text="Not run: the run ended before this call.")
    return ToolResultMessage(
        call_id=plan.part.id,
        tool=plan.part.tool,
        text=plan.note + answer.text,
        error=answer.error,
        untrusted=plan.spec is not None and plan.spec.untrusted and not answer.error,
    )
