"""Tasks that need each other: what is wrong with such a graph, what is ready when; and what `Graph` takes."""

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from perdure.domain.arguments import closest
from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepSpec

__all__ = [
    "MAX_TASKS",
    "Frontier",
    "GraphInput",
    "GraphResult",
    "Node",
    "Skipped",
    "TaskSpec",
    "TaskStatus",
    "cycles",
    "layers",
    "mistakes",
    "sinks",
]

MAX_TASKS = 1_000
MAX_CYCLES = 20
"""Cycles that are named; who mends those sees the others."""
MAX_HINTS = 20
"""Unknown ids for which a similar one is looked for, which takes milliseconds for each."""

TaskStatus = Literal["done", "failed", "skipped"]


class Node(NamedTuple):
    """A task of a graph: it begins when all it needs is done; of those that are ready the highest priority is first."""

    id: str
    needs: tuple[str, ...] = ()
    priority: int = 0


class Skipped(NamedTuple):
    """A task that was not run, and which task that it needs, directly or not, has failed."""

    id: str
    because: str

    @property
    def reason(self) -> str:
        """Why, in words."""
        return f"it needs {self.because!r}, which failed"


def mistakes(nodes: Sequence[Node], known: Iterable[str] = ()) -> list[str]:
    """Say everything that is wrong with a graph; empty when it can be run.

    `known` are ids that may be needed besides those of the graph: what is done already.
    """
    counts = Counter(node.id for node in nodes)
    names = {*counts, *known}
    found = [f"{count} tasks are called {name!r}: ids must differ" for name, count in counts.items() if count > 1]
    unknown = 0
    for node in nodes:
        for need, count in Counter(node.needs).items():
            if need == node.id:
                found.append(f"task {node.id!r} needs itself")
            elif need not in names:
                unknown += 1
                hint = closest(need, names) if unknown <= MAX_HINTS else ""
                found.append(f"task {node.id!r} needs {need!r}, which is no task.{hint}")
            if count > 1:
                found.append(f"task {node.id!r} needs {need!r} {count} times: once is enough")
    named = cycles(nodes)
    found += [f"tasks wait for each other: {' -> '.join(path)}" for path in named[:MAX_CYCLES]]
    if len(named) > MAX_CYCLES:
        found.append("tasks wait for each other in more cycles than these")
    return found


def cycles(nodes: Iterable[Node]) -> list[tuple[str, ...]]:
    """Cycles of two tasks and more, each as a path that ends where it begins: each task needs the next.

    Every need that lies on a cycle lies on one of these (the first `MAX_CYCLES` and one more).
    """
    needs: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        needs.setdefault(node.id, tuple(need for need in node.needs if need != node.id))
    component = _components(needs)
    found: list[tuple[str, ...]] = []
    named: set[tuple[str, str]] = set()
    for name, wanted in needs.items():
        for need in wanted:
            if component.get(need) != component[name] or (name, need) in named:
                continue
            path = (name, *_way(need, name, needs, component))
            named.update(pairwise(path))
            found.append(path)
            if len(found) > MAX_CYCLES:
                return found
    return found


def _components(needs: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """Number of the strongly connected component of each task: two passes (Kosaraju), without recursion."""
    users: dict[str, list[str]] = {name: [] for name in needs}
    for name, wanted in needs.items():
        for need in wanted:
            if need in users:
                users[need].append(name)
    order: list[str] = []
    seen: set[str] = set()
    for root in needs:
        stack = [] if root in seen else [(root, iter(needs[root]))]
        seen.add(root)
        while stack:
            name, rest = stack[-1]
            following = next((need for need in rest if need in needs and need not in seen), None)
            if following is None:
                order.append(name)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(needs[following])))
    component: dict[str, int] = {}
    for number, root in enumerate(reversed(order)):
        reached = [] if root in component else [root]
        while reached:
            name = reached.pop()
            if name not in component:
                component[name] = number
                reached += users[name]
    return component


def _way(start: str, end: str, needs: Mapping[str, tuple[str, ...]], component: Mapping[str, int]) -> tuple[str, ...]:
    """The shortest way from `start` to `end` inside their component."""
    before: dict[str, str] = {start: ""}
    queue = deque([start])
    while end not in before:
        name = queue.popleft()
        for need in needs[name]:
            if component.get(need) == component[start] and need not in before:
                before[need] = name
                queue.append(need)
    way = [end]
    while way[-1] != start:
        way.append(before[way[-1]])
    return tuple(reversed(way))


def layers(nodes: Sequence[Node]) -> list[tuple[str, ...]]:
    """The tasks by the length of the longest way to them, each layer in their order: none needs one of its own layer.

    Takes a graph without mistakes.
    """
    frontier, depth = Frontier(nodes), dict[str, int]()
    needs = {node.id: node.needs for node in nodes}
    while (name := frontier.take()) is not None:
        depth[name] = 1 + max((depth[need] for need in needs[name]), default=-1)
        frontier.ended(name, success=True)
    found: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for node in nodes:
        found[depth[node.id]].append(node.id)
    return [tuple(layer) for layer in found]


def sinks(nodes: Sequence[Node]) -> tuple[str, ...]:
    """The tasks that no other needs: what they come to is what the whole comes to."""
    needed = {need for node in nodes for need in node.needs}
    return tuple(node.id for node in nodes if node.id not in needed)


class Frontier:
    """Which tasks of a graph without mistakes are ready, while others run: each need is looked at once."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        """Begin with those that need nothing."""
        self._nodes = {node.id: node for node in nodes}
        self._rank = {name: (-node.priority, number) for number, (name, node) in enumerate(self._nodes.items())}
        self._open = {name: len(node.needs) for name, node in self._nodes.items()}
        self._users: dict[str, list[str]] = {name: [] for name in self._nodes}
        for node in self._nodes.values():
            for need in node.needs:
                self._users[need].append(node.id)
        self._ready: list[tuple[tuple[int, int], str]] = []
        self.waiting = len(self._nodes)
        """Tasks that have not been taken and are not skipped."""
        for name, count in self._open.items():
            if count == 0:
                self._enqueue(name)

    @property
    def has_ready(self) -> bool:
        """Whether a task could begin now."""
        return bool(self._ready)

    def take(self) -> str | None:
        """The task that begins next: the highest priority, then the order they were given in; None: none is ready."""
        if not self._ready:
            return None
        self.waiting -= 1
        return heapq.heappop(self._ready)[1]

    def ended(self, name: str, *, success: bool) -> list[Skipped]:
        """Note the end of a task that was taken; returns those that will never run because it failed."""
        if not success:
            return self._lost(name)
        for user in self._users[name]:
            self._open[user] -= 1
            if self._open[user] == 0:
                self._enqueue(user)
        return []

    def _enqueue(self, name: str) -> None:
        heapq.heappush(self._ready, (self._rank[name], name))

    def _lost(self, cause: str) -> list[Skipped]:
        skipped: list[Skipped] = []
        queue = deque([cause])
        while queue:
            for user in self._users[queue.popleft()]:
                if self._open[user] >= 0:
                    # Below zero for ever: no end of another need can make it ready.
                    self._open[user] = -1
                    skipped.append(Skipped(user, cause))
                    queue.append(user)
        self.waiting -= len(skipped)
        return skipped


class TaskSpec(StepSpec, frozen=True):
    """A task: a step that begins when the tasks it `needs` are done, with their outputs as context."""

    needs: tuple[str, ...] = Field(default=(), max_length=MAX_TASKS)
    priority: int = Field(default=0, ge=-1_000, le=1_000)


class GraphInput(PatternInput, frozen=True):
    """Input of `Graph`: tasks and what they need; without an id a task is called task-1, task-2 and so on.

    Of tasks that are ready those of higher `priority` begin first, then those that stand first.
    """

    tasks: tuple[TaskSpec, ...] = Field(min_length=1, max_length=MAX_TASKS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if wrong := mistakes(self.nodes):
            raise ValueError("; ".join(wrong))
        return self

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The tasks as a graph."""
        return tuple(
            Node(task.id or f"task-{number}", task.needs, task.priority)
            for number, task in enumerate(self.tasks, start=1)
        )


class GraphResult(PatternResult, frozen=True):
    """Result of `Graph`: `status`, `outputs`, `failures` and `skipped` (with the reason) by task.

    `output` is that of the last task, the one that no other needs, or an object of them when there are several.
    """

    status: dict[str, TaskStatus] = {}
    outputs: dict[str, JsonValue] = {}
    failures: dict[str, ErrorInfo] = {}
    skipped: dict[str, str] = {}
