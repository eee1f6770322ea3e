"""The workflow `PlanExecute`."""

from temporalio import workflow

from perdure.domain.model import JsonValue
from perdure.domain.patterns.planning import (
    PlanExecuteInput,
    PlanExecuteResult,
    PlanItem,
    described,
    plan_schema,
)
from perdure.domain.patterns.steps import Done, Found, Step
from perdure.domain.run import ContextItem
from workflows.patterns.pattern import Pattern
from workflows.patterns.planning import Plan, Planner

__all__ = ["PlanExecute"]


@workflow.defn(name="PlanExecute")
class PlanExecute(Pattern):
    """A planner makes a plan, agents do its items, the rest is planned anew when one fails, and the planner answers.

    goal --> plan --> (people) --> items, as their needs allow --> answer
              ^                              |
              +---- what failed, and why ----+   (at most `replans` times)

    Source: Plan-and-Solve Prompting, Wang et al., 2023; the plan as data that is mended: ReWOO, Xu et al., 2023.
    Cost: one model call for each plan, those of each item, and one for the answer; up to two more for a plan with
    mistakes or that people reject. Failures: a plan with cycles or unknown needs goes back to the planner with all
    mistakes, and the third in a row is PLAN_INVALID; an item that fails stops nobody but those that need it, which are
    skipped; failures after the last replan end PLAN_FAILED, with the results of what is done as output.
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

        return await plan.achieve(do)
