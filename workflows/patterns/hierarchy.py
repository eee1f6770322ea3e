"""The workflow `Hierarchy`."""

from collections import Counter

from temporalio import workflow

from perdure.domain.model import JsonValue
from perdure.domain.patterns.hierarchy import HierarchyInput, HierarchyResult, assign
from perdure.domain.patterns.planning import PlanItem, described, plan_schema
from perdure.domain.patterns.steps import Done, Found, Step
from perdure.domain.run import ContextItem
from workflows.patterns.pattern import Pattern
from workflows.patterns.planning import Plan, Planner
from workflows.patterns.team import not_run

__all__ = ["Hierarchy"]


@workflow.defn(name="Hierarchy")
class Hierarchy(Pattern):
    """A manager plans, workers do the tasks that fit what they can, and the manager puts the results together.

                      +-> worker with most of the capabilities --+
    goal --> manager -+-> worker that the manager names ---------+--> manager --> output
                ^     +-> the default worker --------------------+
                +---------- what failed, and why ----------------+   (at most `replans` times)

    Source: "orchestrator-workers" in Building effective agents, Anthropic, 2024.
    Cost: one model call of the manager for each plan and one for the answer, and those of each task. Failures: as in
    `PlanExecute`; a task that no worker fits, with no `default`, fails as UNASSIGNED without a model call, and the
    manager is told so when it plans the rest.
    """

    takes = HierarchyInput

    @workflow.run
    async def run(self, *payload: JsonValue) -> HierarchyResult:
        """Run to the end."""
        return await self.conduct(HierarchyInput, HierarchyResult, payload, self._work)

    async def _work(self, given: HierarchyInput) -> Found:
        schema = plan_schema(given.workers, given.max_items, skilled=True)
        words = described({name: worker.words for name, worker in given.workers.items()})
        plan = Plan(self._run, self.team, given, Planner(given.manager, schema, words))
        problems: dict[str, str] = {}

        def placed(items: tuple[PlanItem, ...]) -> tuple[PlanItem, ...]:
            load = Counter(item.agent for item in plan.items)
            found = assign(items, given.workers, given.default, load)
            problems.update({name: one.problem for name, one in found.items()})
            return tuple(item.model_copy(update={"agent": found[item.id].worker}) for item in items)

        async def do(item: PlanItem, context: list[ContextItem], parts: int) -> Done:
            if item.agent not in given.workers:
                return not_run(Step(id=item.id, goal=item.text), "UNASSIGNED", problems[item.id])
            return await self.team.ask(given.workers[item.agent].step(item, context, plan.plans), parts)

        plan.placed = placed
        return await plan.achieve(do)
