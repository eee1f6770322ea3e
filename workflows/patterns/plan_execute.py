"""The workflow `PlanExecute`."""

from functools import partial

from temporalio import workflow

from perdure.domain.approvals import RequestKind, Verdict
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.patterns.planning import (
    PlanExecuteInput,
    PlanExecuteResult,
    PlanItem,
    as_answer,
    described,
    plan_of,
    plan_schema,
)
from perdure.domain.patterns.steps import Done, Found, Step
from perdure.domain.run import ContextItem
from workflows.patterns.pattern import Pattern
from workflows.patterns.planning import Plan, Planner, Said
from workflows.patterns.reviewing import reviewed

__all__ = ["PlanExecute"]

MAX_REASON = 2_000


@workflow.defn(name="PlanExecute")
class PlanExecute(Pattern):
    """A planner makes a plan, agents do its items, the rest is planned anew when one fails, and the planner answers.

    goal --> plan --> (people) --> items, as their needs allow --> answer
              ^                              |
              +---- what failed, and why ----+   (at most `replans` times)

    Source: Plan-and-Solve Prompting, Wang et al., 2023; the plan as data that is mended: ReWOO, Xu et al., 2023.
    Cost: one model call for each plan, those of each item, and one for the answer; up to two more for a plan with
    mistakes or that people reject. Failures: a plan with cycles or unknown needs goes back to the planner with all
    mistakes, and the third in a row is PLAN_INVALID; an item that fails stops nobody but those that need it, which
    are skipped; failures after the last replan end PLAN_FAILED, with what is done as output. With `review` a rejected
    plan is planned again with the notes; the third rejection in a row, or silence, ends PLAN_REJECTED.
    """

    takes = PlanExecuteInput

    @workflow.run
    async def run(self, *payload: JsonValue) -> PlanExecuteResult:
        """Run to the end."""
        return await self.conduct(PlanExecuteInput, PlanExecuteResult, payload, self._work)

    async def _work(self, given: PlanExecuteInput) -> Found:
        schema = plan_schema(given.agents, given.max_items)
        planner = Planner(given.planner, schema, described(given.descriptions))
        plan = Plan(self._run, self.team, given, planner)

        async def do(item: PlanItem, context: list[ContextItem], parts: int) -> Done:
            who = given.agents.get(item.agent)
            step = Step(id=item.id, goal=item.text, agent=who, context=tuple(context), iteration=plan.plans)
            return await self.team.ask(step, parts)

        if given.review:
            plan.reviewed = partial(self._reviewed, given, plan, schema)
        return await plan.achieve(do)

    async def _reviewed(
        self, given: PlanExecuteInput, plan: Plan, schema: JsonObject, items: tuple[PlanItem, ...]
    ) -> Said:
        """Ask people about a plan; an edited plan with mistakes goes back to them, with the mistakes as the reason."""
        content = as_answer(items)
        title, reason = f"Plan {plan.plans}: {given.goal}", given.goal[:MAX_REASON]
        while True:
            decision = await reviewed(
                self._run, RequestKind.PLAN, title, content, schema, rule=given.reviewers, reason=reason
            )
            if decision.verdict is Verdict.REJECT:
                return Said(items, refused=True, notes=decision.reason, over=decision.via == "timer")
            if decision.verdict is Verdict.EDIT:
                content = decision.arguments or content
                items = plan_of(content)
            if not (problems := plan.problems(items)):
                return Said(items)
            reason = f"the edited plan cannot be carried out: {'; '.join(problems)}"[:MAX_REASON]
