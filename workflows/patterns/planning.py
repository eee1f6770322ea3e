"""Work by a plan: a planner makes it, the scheduler carries it out, and what fails is planned anew within a bound."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.patterns.planning import (
    ItemStatus,
    PlanItem,
    PlannedInput,
    plan_mistakes,
    plan_nodes,
    plan_of,
    report_of,
    shown,
)
from perdure.domain.patterns.steps import Done, Found, Step, text_of
from perdure.domain.run import ContextItem, RunState, StopReason
from workflows.patterns.scheduling import Turn, schedule

if TYPE_CHECKING:
    from perdure.domain.patterns.graph import Skipped
    from perdure.domain.patterns.steps import Worker
    from workflows.patterns.team import Team
    from workflows.run import AgentRun

__all__ = ["Plan", "Planner", "Said"]

ASKS = 3
"""How often a planner is asked for one plan: what is wrong with its last answer is told along."""

FIRST = """Make a plan for the task below. Answer with items that others can do by themselves: each with a short id, \
a text that says all that has to be done, and in `needs` the ids of the items whose results it builds on. Items that \
do not need each other are done at the same time.

Task: """
REST = """The plan for the task below has failed in part. Give the rest of the plan: items only for what is still to \
be done, with ids that no finished item has. They may need items that are done. No items at all when what is done is \
enough.

Task: """
LAST = """All that was planned for the task below is done, and the results are given. Give the final answer to the task.

Task: """


class Planner(NamedTuple):
    """Who plans and gives the answer, what it is told besides the goal, and the shape of its plans."""

    agent: "Worker | None"
    schema: JsonObject
    briefing: Sequence[ContextItem] = ()


class Said(NamedTuple):
    """What people said of a plan: the plan as it is to be carried out, or what is wrong with it in their words.

    `over` says that nobody has said anything: then another plan would wait in vain too.
    """

    items: tuple[PlanItem, ...]
    refused: bool = False
    notes: str = ""
    over: bool = False


Do = Callable[[PlanItem, list[ContextItem], int], Awaitable[Done]]
"""Does one item, with this context, on one of so many parts of the free budget."""


class Plan:
    """The plan of a pattern: made, shown as it stands, carried out and mended."""

    def __init__(self, run: "AgentRun", team: "Team", given: PlannedInput, planner: Planner) -> None:
        """Nothing is planned yet."""
        self._run, self._team, self._given, self._planner = run, team, given, planner
        self._items: dict[str, PlanItem] = {}
        self.plans = 0
        self.placed: Callable[[tuple[PlanItem, ...]], tuple[PlanItem, ...]] = lambda items: items
        """Decides who does the items of a new plan."""
        self.reviewed: Callable[[tuple[PlanItem, ...]], Awaitable[Said]] = _as_it_is
        """Asks people what they say of a new plan."""

    @property
    def items(self) -> tuple[PlanItem, ...]:
        """The plan as it stands."""
        return tuple(self._items.values())

    @property
    def results(self) -> dict[str, JsonValue]:
        """What was done, by item."""
        return {item.id: item.result for item in self.items if item.status == "done"}

    async def achieve(self, do: Do) -> Found:
        """Plan, carry out, plan the rest anew when something failed, and give the answer."""
        lost: list[str] = []
        for _ in range(self._given.replans + 1):
            if (wrong := await self._made()) is not None:
                return self._found(wrong)
            self._run.control.enter(RunState.EXECUTING)
            if not (lost := await self._carried_out(do)):
                return await self._answered()
        words = f"failed: {', '.join(lost)}; the plan was made {self.plans} times (replans: {self._given.replans})"
        return self._found(ErrorInfo.of("PLAN_FAILED", words))

    async def _made(self) -> ErrorInfo | None:
        """Have a plan made, or the rest of one; says why there is none."""
        notes: list[ContextItem] = []
        wrong: ErrorInfo | None = None
        self.plans += 1
        self._run.control.enter(RunState.PLANNING)
        for number in range(1, ASKS + 1):
            self._team.stage(f"plan {self.plans}", len(self._run.steps.closed) + 1)
            done = await self._team.ask(self._planning(notes, number))
            if done.error is not None:
                return ErrorInfo.of("PLANNING_FAILED", f"the planner failed: {done.error.message}")
            said = Said(plan_of(done.output))
            problems = self.problems(said.items)
            if not problems:
                said = await self.reviewed(self.placed(said.items))
                if not said.refused:
                    self._take(said.items)
                    return None
                wrong = ErrorInfo.of("PLAN_REJECTED", f"the plan was rejected{f': {said.notes}' if said.notes else ''}")
                notes = [ContextItem(title="people rejected your last plan", text=said.notes or "without a reason")]
                if said.over:
                    return wrong
            else:
                wrong = ErrorInfo.of("PLAN_INVALID", f"the planner gave no valid plan: {'; '.join(problems)}"[:2_000])
                notes = [ContextItem(title="mistakes in your last plan", text="\n".join(problems))]
            notes.append(ContextItem(title="your last plan", text=text_of(done.output)))
        return wrong

    def problems(self, items: tuple[PlanItem, ...]) -> list[str]:
        """Everything that is wrong with this as a plan, or as the rest of this plan."""
        return plan_mistakes(items, self.results, first=self.plans == 1)

    def _planning(self, notes: Sequence[ContextItem], number: int) -> Step:
        so_far = [report_of(self.items)] if self._items else []
        return Step(
            id=f"plan-{self.plans}",
            goal=(REST if self._items else FIRST) + self._given.goal,
            agent=self._planner.agent,
            context=(*self._planner.briefing, *so_far, *notes),
            output_schema=self._planner.schema,
            tools=() if self._planner.agent is None else None,
            iteration=number,
        )

    def _take(self, items: Sequence[PlanItem]) -> None:
        """Put the rest of the plan behind what was tried; an item whose id is used again is tried again."""
        again = {item.id for item in items}
        tried = [item for item in self.items if item.id not in again]
        self._items = {item.id: item for item in (*tried, *items)}
        self._show()

    async def _carried_out(self, do: Do) -> list[str]:
        """Run what is pending; returns what has failed of it."""
        todo = [item for item in self.items if item.status == "pending"]
        self._team.stage("items", len(self._run.steps.closed) + len(todo))

        async def run_one(turn: Turn) -> Done:
            item = self._move(turn.id, "running")
            context = [ContextItem(title="the whole task", text=self._given.goal)]
            context += [
                ContextItem(title=f"result of {need}", text=text_of(self._items[need].result)) for need in item.needs
            ]
            return await do(item, context, turn.parts)

        def ended(name: str, end: "Done | Skipped") -> None:
            if not isinstance(end, Done):
                self._move(name, "skipped", error=end.reason)
            elif end.error is not None:
                self._move(name, "failed", error=end.error.message)
            else:
                self._move(name, "done", end.output)

        nodes = {node.id: node for node in plan_nodes(todo, self.results)}
        await schedule(nodes, run_one, self._given.max_concurrent, ended)
        return [name for name in nodes if self._items[name].status == "failed"]

    def _move(self, name: str, status: ItemStatus, result: JsonValue = None, error: str = "") -> PlanItem:
        update = {"status": status, "result": result, "error": error}
        self._items[name] = self._items[name].model_copy(update=update)
        self._show()
        return self._items[name]

    def _show(self) -> None:
        self._run.plan = [shown(item) for item in self.items]
        self._team.keep(self.results, plan=self.items, plans=self.plans)
        self._run.changed()

    async def _answered(self) -> Found:
        """The planner's answer to the task, from the results."""
        self._team.stage("answer", len(self._run.steps.closed) + 1)
        results = [ContextItem(title=f"result of {name}", text=text_of(value)) for name, value in self.results.items()]
        step = Step(
            id="answer",
            goal=LAST + self._given.goal,
            agent=self._planner.agent,
            context=tuple(results),
            output_schema=self._given.output_schema,
            tools=() if self._planner.agent is None else None,
        )
        done = await self._team.ask(step)
        if done.error is not None:
            return self._found(
                ErrorInfo.of("ANSWER_FAILED", f"the plan is done, but not the answer: {done.error.message}")
            )
        return Found(done.output, self._details)

    @property
    def _details(self) -> dict[str, object]:
        return {"plan": self.items, "plans": self.plans}

    def _found(self, error: ErrorInfo) -> Found:
        reason = StopReason.REJECTED if error.code == "PLAN_REJECTED" else StopReason.ERROR
        return Found(dict(self.results), self._details, error, reason)


async def _as_it_is(items: tuple[PlanItem, ...]) -> Said:
    return Said(items)
