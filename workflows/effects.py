"""One call of an activity tool to its end, with what happens when nobody knows whether its effect took place."""

from datetime import datetime

from temporalio import workflow

from perdure.domain.approvals import RequestKind, Verdict
from perdure.domain.calls import Lost, Planned
from perdure.domain.model import canonical_json
from perdure.domain.policy import Rule
from perdure.domain.tools import CallOutcome, CallState, ToolCall, ToolSpec
from workflows import calls
from workflows.requests import ask_about_call, unknown_id
from workflows.run import AgentRun

__all__ = ["perform"]

MAX_UNATTENDED = 3
"""Attempts after which a person is asked although the read-back says again that nothing happened."""


async def perform(run: AgentRun, spec: ToolSpec, call: ToolCall, plan: Planned) -> CallOutcome:
    """Run the call; a lost answer of an effect that must not repeat is settled by its read-back hook or by a person.

    A further attempt goes out under the same key and never before the last one's time is over: a worker that only
    lost its connection may still be at work until then. A read-back that finds nothing is believed a few times.
    Who may decide about the call may decide about its outcome. `plan` remembers the lost attempt, so that a run that
    continues as new while a person is asked does not start another.
    """
    while True:
        if plan.lost is None:
            plan.attempts += 1
            run.mark(call.number, CallState.RUNNING)
            over = workflow.now() + calls.first_attempt(spec)
            outcome = await calls.call_tool(run.control, spec, call)
            if not outcome.unknown:
                return outcome
            run.mark(call.number, CallState.UNKNOWN, outcome.error)
            plan.lost = Lost(why=outcome.text, over=over)
        settled = await _settle(run, spec, call, plan.rule, plan.lost, believed=plan.attempts < MAX_UNATTENDED)
        if settled is not None:
            return settled
        await _outlast(run, spec, plan.lost.over)
        plan.lost = None
        await run.control.hold()


async def _outlast(run: AgentRun, spec: ToolSpec, over: datetime) -> bool:
    """Wait until a lost attempt can no longer be at work; says whether there was anything to wait for."""
    rest = over - workflow.now()
    if rest.total_seconds() <= 0:
        return False
    with run.control.waiting(f"the first attempt of {spec.name} to be over"):
        await run.control.rest(rest)
    return True


async def _settle(  # noqa: PLR0913 - what is known of a lost call
    run: AgentRun, spec: ToolSpec, call: ToolCall, rule: Rule | None, lost: Lost, *, believed: bool
) -> CallOutcome | None:
    """What became of the effect, or None: it did not happen and may be run again.

    What the read-back does not find counts as not having happened once the lost attempt can no longer be at work, if
    the read-back is still `believed`.
    """
    why = lost.why
    asked = run.approvals.carries(unknown_id(call.number, spec, call.arguments))
    if spec.verify and not asked:
        found = await calls.verify(spec, call)
        if believed and found.absent and await _outlast(run, spec, lost.over):
            found = await calls.verify(spec, call)
        if found.happened:
            return CallOutcome(text=found.text)
        if believed and found.absent:
            return None
        why = f"{why}; read-back: {found.problem or 'it did not happen, again'}"
    decision = await ask_about_call(
        run,
        RequestKind.UNKNOWN_OUTCOME,
        call.number,
        spec,
        call.arguments,
        title=f"Did it happen? {spec.name} was started and its answer was lost",
        reason=why,
        answer_schema={},
        rule=None
        if rule is None
        else rule.model_copy(update={"timeout": None, "quorum": 1}),  # silence settles no payment
    )
    if decision.verdict is Verdict.APPROVE:
        return None
    if decision.verdict is Verdict.RESPOND:
        response = decision.response
        return CallOutcome(text=response if isinstance(response, str) else canonical_json(response))
    reason = f": {decision.reason}" if decision.reason else ""
    return CallOutcome(error="NOT_HAPPENED", text=f"{decision.by} found that this call did not happen{reason}.")
