"""A definition that a coordinator leads: it gives out the work, and makes one answer of what came of it."""

from perdure.domain.definition.leading import Plan, Task, plan_of, plan_schema
from perdure.domain.definition.models import Definition
from perdure.domain.definition.names import ids_of
from perdure.domain.definition.run import StageEnd
from perdure.domain.model import JsonValue
from perdure.domain.patterns.steps import Done, Step, text_of
from perdure.domain.run import ContextItem
from workflows.definition.interpreter import Halt, Interpreter
from workflows.definition.order import by_needs
from workflows.definition.scope import Scope, failed, skipped
from workflows.definition.stages import Doing
from workflows.patterns.team import Team

__all__ = ["Leading"]

PLAN, RESULT = "coordinator.plan", "coordinator.result"
TRIES = 2
"""Plans that the coordinator may make before its mistakes are final."""


class Leading:
    """Lets the coordinator plan, has the plan or the stages done, and lets the coordinator answer.

    With stages, the coordinator says how each is to be done; without, it gives tasks to the agents. A task that fails
    is told to the coordinator; what needs it does not run.
    """

    def __init__(self, team: Team, doing: Doing, course: Interpreter, definition: Definition, at_once: int) -> None:
        """Lead this definition."""
        self._team = team
        self._doing = doing
        self._course = course
        self._definition = definition
        self._at_once = at_once

    async def lead(self, scope: Scope) -> tuple[JsonValue, Halt]:
        """Run it; the output is the coordinator's answer."""
        stages = self._definition.stages
        if not stages:
            halt = await self._tasks(scope)
        else:
            words = "\n".join(
                f"- {name}: {stage.description}" for name, stage in zip(ids_of(stages), stages, strict=True)
            )
            goal = f"{scope.goal}\n\nYou lead this work. Say briefly how each stage is to be done:\n{words}"
            brief = await self._ask(PLAN, goal, scope)
            if brief.error is not None:
                return None, self._failed(PLAN, brief, scope)
            self._doing.brief = (ContextItem(title="brief of the coordinator", text=brief.text),)
            ordered = any(stage.needs for stage in stages)
            halt = await (self._course.by_needs(stages, scope) if ordered else self._course.in_turn(stages, "", scope))
        if halt is not None:
            return None, halt
        context = tuple(_told(name, end) for name, end in scope.ends.items() if name != PLAN)
        goal = f"{scope.goal}\n\nYou led this work. Here is what came of it: answer with the result of the whole."
        done = await self._ask(RESULT, goal, scope, context)
        if done.error is not None:
            return None, self._failed(RESULT, done, scope)
        scope.take(RESULT, StageEnd(output=done.output, success=True))
        return done.output, None

    async def _ask(self, name: str, goal: str, scope: Scope, context: tuple[ContextItem, ...] = ()) -> Done:
        self._team.stage(name)
        who = self._doing.worker(self._definition.coordinator)
        return await self._team.ask(Step(id=name, goal=goal, agent=who, context=context), scope.parts)

    @staticmethod
    def _failed(name: str, done: Done, scope: Scope) -> Halt:
        end = StageEnd(output=done.output, success=False, error=done.error)
        scope.take(name, end)
        return name, end

    async def _tasks(self, scope: Scope) -> Halt:
        """Have tasks planned and done."""
        plan, halt = await self._plan(scope)
        if plan is None:
            return halt
        tasks = {task.id: task for task in plan.tasks}

        async def do(name: str, parts: int) -> bool:
            await self._task(tasks[name], scope.divided(parts), len(tasks) + 2)
            return True

        await by_needs({name: task.needs for name, task in tasks.items()}, do, self._at_once)
        return None

    async def _task(self, task: Task, scope: Scope, total: int) -> None:
        self._team.stage(task.id, total)
        missing = [need for need in task.needs if not scope.ends[need].success]
        if missing:
            scope.take(task.id, skipped(f"it needs {', '.join(missing)}, which did not succeed", success=False))
            return
        context = tuple(_told(need, scope.ends[need]) for need in task.needs)
        step = Step(id=task.id, goal=task.goal, agent=self._doing.worker(task.agent), context=context)
        done = await self._team.ask(step, scope.parts)
        scope.take(task.id, StageEnd(output=done.output, success=done.success, error=done.error))

    async def _plan(self, scope: Scope) -> tuple[Plan | None, Halt]:
        leader, agents = self._definition.coordinator, self._definition.agents
        others = [name for name in agents if name != leader] or [*agents]
        words = "\n".join(f"- {name}: {agents[name].description or agents[name].instructions[:200]}" for name in others)
        ask = "You lead this work. Give tasks to these agents; a task sees what those it needs came to:"
        goal = f"{scope.goal}\n\n{ask}\n{words}"
        context: tuple[ContextItem, ...] = ()
        wrong = ""
        for _ in range(TRIES):
            self._team.stage(PLAN)
            step = Step(
                id=PLAN,
                goal=goal,
                agent=self._doing.worker(leader),
                context=context,
                output_schema=plan_schema(others),
            )
            done = await self._team.ask(step, scope.parts)
            if done.error is not None:
                return None, self._failed(PLAN, done, scope)
            plan, wrong = plan_of(done.output, others)
            if plan is not None:
                scope.take(PLAN, StageEnd(output=done.output, success=True))
                return plan, None
            context = (ContextItem(title="your plan cannot be done: make another", text=f"{wrong}\n{done.text}"),)
        end = failed("PLAN_INVALID", wrong)
        scope.take(PLAN, end)
        return None, (PLAN, end)


def _told(name: str, end: StageEnd) -> ContextItem:
    """What a stage came to, as context of another: a failure with its words."""
    if end.error is not None and not end.success:
        return ContextItem(title=f"{name} failed", text=end.error.message)
    return ContextItem(title=name, text=text_of(end.output) if not end.skipped else f"not run: {end.skipped}")
