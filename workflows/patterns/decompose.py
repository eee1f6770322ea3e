"""The workflow `Decompose`."""

from pydantic import ValidationError
from temporalio import workflow

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.patterns.decompose import (
    DecomposeInput,
    DecomposeResult,
    TaskNode,
    outcome_of,
    plan_schema,
    subtasks_of,
)
from perdure.domain.patterns.steps import Done, Found, Step, StepSpec
from perdure.domain.run import ContextItem
from workflows.patterns.pattern import Pattern

__all__ = ["Decompose"]

PLAN = (
    "Decide how the task below is best done. If one person can do it in one go, answer direct: true and no subtasks. "
    "Otherwise divide it into at most {most} subtasks that do not depend on each other and together are the whole "
    "task; write each so that it can be understood without the others.\n\nTask: {goal}"
)
PART = "the larger task that this is a part of"
WHOLE = (
    "The task below was divided, and each part was worked on by itself; the results are above. Put them together into "
    "one answer to the task. Parts that failed say so: do not invent what they would have said.\n\nTask: {goal}"
)


@workflow.defn(name="Decompose")
class Decompose(Pattern):
    """A task is divided into subtasks, these again, until they can be solved directly; then all is put together.

    task --> plan --+--> direct: solve -----------------------------> output
                    +--> subtask 1 (a run of this type) --+
                    +--> subtask 2 (a run of this type) --+--> synthesis --> output

    Source: Least-to-most prompting, Zhou et al., 2022; Decomposed prompting, Khot et al., 2022.
    Cost: two model calls and more for each task that is divided, two for each that is found direct, one for each at
    `max_depth`. Failures: a subtask that fails is data: the synthesis is told of it, and `failed` counts it; when all
    of them fail it ends SUBTASKS_FAILED. A plan, solution or synthesis that fails ends PLAN_FAILED, SOLVE_FAILED or
    SYNTHESIS_FAILED. Each subtask is on a lease of what is free, shared evenly with those that have not begun and
    with the synthesis; all together never have more than the limits of the root.
    """

    takes = DecomposeInput

    @workflow.run
    async def run(self, *payload: JsonValue) -> DecomposeResult:
        """Run to the end."""
        return await self.conduct(DecomposeInput, DecomposeResult, payload, self._work)

    async def _work(self, given: DecomposeInput) -> Found:
        if given.max_depth == 0:
            return await self._solve(given)
        self.team.stage("plan")
        planner = given.planner.model_copy(update={"output_schema": plan_schema(given.max_subtasks)})
        asked = PLAN.format(most=given.max_subtasks, goal=given.goal)
        plan = await self.team.ask(planner.step("plan", asked))
        if plan.error is not None:
            return _found(outcome_of(given.goal, None, ErrorInfo.of("PLAN_FAILED", plan.error.message)))
        subtasks = subtasks_of(plan.output)
        if not subtasks:
            return await self._solve(given)
        self.team.stage("subtasks", len(subtasks) + 2)
        steps = [self._subtask(given, number, goal) for number, goal in enumerate(subtasks, start=1)]
        ended = await self.team.ask_all(steps, given.max_concurrent, after=1)
        return await self._synthesis(given, ended)

    async def _solve(self, given: DecomposeInput) -> Found:
        self.team.stage("solve")
        done = await self.team.ask(_with(given.solver, given.output_schema).step("solve", given.goal))
        error = None if done.error is None else ErrorInfo.of("SOLVE_FAILED", done.error.message)
        return _found(outcome_of(given.goal, done.output, error), done.output)

    def _subtask(self, given: DecomposeInput, number: int, goal: str) -> Step:
        below: JsonObject = {
            "max_depth": given.max_depth - 1,
            "max_subtasks": given.max_subtasks,
            "max_concurrent": given.max_concurrent,
        }
        for name in ("planner", "solver", "synthesis"):
            spec: StepSpec = getattr(given, name)
            below[name] = spec.model_dump(mode="json", exclude_unset=True)
        context = (ContextItem(title=PART, text=given.goal),)
        return Step(id=f"subtask-{number}", goal=goal, context=context, workflow="Decompose", given=below)

    async def _synthesis(self, given: DecomposeInput, ended: list[Done]) -> Found:
        nodes = tuple(_node(done) for done in ended)
        self.team.kept = _counted(outcome_of(given.goal, self.team.reached, None, nodes))
        if not any(done.success for done in ended):
            words = "; ".join(f"{done.step.id}: {done.error.message}" for done in ended if done.error)[:2_000]
            error = ErrorInfo.of("SUBTASKS_FAILED", f"none of {len(ended)} subtasks succeeded: {words}")
            return _found(outcome_of(given.goal, None, error, nodes))
        self.team.stage("synthesis", len(ended) + 2)
        parts = [ContextItem(title=f"result of: {done.step.goal}"[:500], text=_told(done)) for done in ended]
        step = _with(given.synthesis, given.output_schema).step("synthesis", WHOLE.format(goal=given.goal), parts)
        done = await self.team.ask(step)
        error = None if done.error is None else ErrorInfo.of("SYNTHESIS_FAILED", done.error.message)
        output = self.team.reached if error else done.output
        return _found(outcome_of(given.goal, output, error, nodes), output)


def _with(spec: StepSpec, schema: JsonObject | None) -> StepSpec:
    """The step with the schema of the whole answer, unless it has one of its own."""
    return spec if schema is None or spec.output_schema else spec.model_copy(update={"output_schema": schema})


def _told(done: Done) -> str:
    return done.text if done.error is None else f"This part failed ({done.error.code}): {done.error.message}"


def _node(done: Done) -> TaskNode:
    """The tree of a subtask, as its run tells it; of one that has not told any, what is known."""
    try:
        node = TaskNode.model_validate(done.details.get("tree"))
    except ValidationError:
        return outcome_of(done.step.goal, done.output, done.error)
    return node if node.error == done.error or done.error is None else node.model_copy(update={"error": done.error})


def _found(node: TaskNode, output: JsonValue = None) -> Found:
    return Found(output, _counted(node), node.error)


def _counted(node: TaskNode) -> dict[str, object]:
    return {"tree": node, "tasks": _count(node), "failed": _count(node, failed=True)}


def _count(node: TaskNode, *, failed: bool = False) -> int:
    own = 1 if not failed or node.error is not None else 0
    return own + sum(_count(each, failed=failed) for each in node.subtasks)
