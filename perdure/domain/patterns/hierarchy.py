"""Who does what in a hierarchy: assignment of tasks by capability, as a pure function; and what `Hierarchy` takes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from pydantic import Field, model_validator

from perdure.domain.agents import Name
from perdure.domain.arguments import closest
from perdure.domain.model import Partial
from perdure.domain.patterns.planning import PlanItem, PlannedInput, PlannedResult
from perdure.domain.patterns.steps import Step, Worker
from perdure.domain.policy import Seconds
from perdure.domain.run import ContextItem

__all__ = ["Assignment", "HierarchyInput", "HierarchyResult", "WorkerSpec", "assign"]


class WorkerSpec(Partial, frozen=True):
    """A worker: who it is and what it can do. Without `agent` it is the pattern's agent.

    `timeout` is in seconds or as "15m"; a task that fails is tried `retries` times more.
    """

    agent: Worker | None = None
    description: str = ""
    capabilities: tuple[str, ...] = ()
    tools: tuple[str, ...] | None = None
    model: str | None = None
    timeout: Seconds | None = None
    retries: int = Field(default=0, ge=0, le=10)

    @property
    def words(self) -> str:
        """What a manager is told of it."""
        skills = f"can do: {', '.join(self.capabilities)}" if self.capabilities else ""
        return "; ".join(part for part in (self.description, skills) if part)

    def step(self, item: PlanItem, context: Sequence[ContextItem], iteration: int) -> Step:
        """This worker at this task."""
        return Step(
            id=item.id,
            goal=item.text,
            agent=self.agent,
            context=tuple(context),
            tools=self.tools,
            model=self.model,
            timeout=self.timeout,
            retries=self.retries,
            iteration=iteration,
        )


class Assignment(NamedTuple):
    """Who does a task; empty when nobody can, and `problem` says why."""

    worker: str
    problem: str = ""


def assign(
    tasks: Sequence[PlanItem],
    workers: Mapping[str, WorkerSpec],
    default: str | None = None,
    load: Mapping[str, int] | None = None,
) -> dict[str, Assignment]:
    """Give each task a worker: the one it names, else the one with most of the capabilities it takes.

    Tasks of higher priority choose first. Of workers that fit alike the one with the fewest tasks so far has it
    (`load`: those it had before), then the one that stands first. A task that takes no capabilities fits everybody; one
    that nobody fits goes to `default`, or to nobody.
    """
    counts = {name: (load or {}).get(name, 0) for name in workers}
    found: dict[str, Assignment] = {}
    for task in sorted(tasks, key=lambda task: -task.priority):
        worker = task.agent if task.agent in workers else _fittest(task, workers, counts) or default
        if worker is None:
            wanted = ", ".join(task.capabilities)
            found[task.id] = Assignment("", f"no worker can do {wanted}, and there is no default worker")
        else:
            counts[worker] += 1
            found[task.id] = Assignment(worker)
    return {task.id: found[task.id] for task in tasks}


def _fittest(task: PlanItem, workers: Mapping[str, WorkerSpec], counts: Mapping[str, int]) -> str | None:
    wanted = {skill.casefold() for skill in task.capabilities}
    fits = {name: len(wanted & {skill.casefold() for skill in worker.capabilities}) for name, worker in workers.items()}
    fitting = [name for name, count in fits.items() if count or not wanted]
    return min(fitting, key=lambda name: (-fits[name], counts[name]), default=None)


class HierarchyInput(PlannedInput, frozen=True):
    """Input of `Hierarchy`: a manager, and workers by name with what each can do.

    Without `manager` the pattern's agent manages, without tools. `default` names the worker of tasks that nobody fits.
    """

    manager: Worker | None = None
    workers: dict[Name, WorkerSpec] = Field(min_length=1, max_length=100)
    default: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.default is not None and self.default not in self.workers:
            msg = f"default: no worker is called {self.default!r}.{closest(self.default, self.workers)}"
            raise ValueError(msg)
        return self


class HierarchyResult(PlannedResult, frozen=True):
    """Result of `Hierarchy`: in `plan` the `agent` of each task is the worker that it was assigned to."""
