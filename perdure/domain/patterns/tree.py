"""A search over a tree of attempts: selection by UCT, backpropagation and the best path, without any chance."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Self

from pydantic import Field, model_validator

from perdure.domain.model import JsonObject, JsonValue, Model
from perdure.domain.patterns.steps import MAX_STEPS, PatternInput, PatternResult, Worker, text_of

__all__ = ["ROOT", "SCORE", "Tree", "TreeNode", "TreeSearchInput", "TreeSearchResult"]

ROOT = "0"
MAX_HEAD = 500
"""Characters of an attempt in the result's list of nodes."""

NodeState = Literal["open", "expanded", "failed"]

SCORE: JsonObject = {
    "type": "object",
    "properties": {
        "score": {"type": "number", "minimum": 0, "maximum": 1, "description": "how well it leads to the goal"},
        "done": {"type": "boolean", "description": "whether the goal is reached with this step"},
        "feedback": {"type": "string", "description": "what is wrong or missing, for the next attempt"},
    },
    "required": ["score", "done"],
    "additionalProperties": False,
}
"""Shape of an evaluation."""


class TreeNode(Model, frozen=True):
    """One node. `score` is its own evaluation (None: it has none), `value` the sum of those of it and all below it.

    `visits` counts the evaluations in `value`; `done` says that the goal is reached here; `text` is the beginning of
    the attempt.
    """

    id: str
    parent: str | None = None
    depth: int = 0
    state: NodeState = "open"
    score: float | None = None
    done: bool = False
    visits: int = 0
    value: float = 0.0
    text: str = ""
    feedback: str = ""


@dataclass
class Tree:
    """Nodes of a search that goes `depth` levels down; the root is the task itself. Equal calls give equal trees.

    A node is exhausted when there is nothing left to try below it: it failed, is done, is at the last level, or was
    expanded and all its children are exhausted.
    """

    depth: int
    exploration: float = 1.4
    nodes: dict[str, TreeNode] = field(default_factory=lambda: {ROOT: TreeNode(id=ROOT)})
    outputs: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    _children: dict[str, list[str]] = field(default_factory=lambda: {ROOT: list[str]()})
    _exhausted: set[str] = field(default_factory=set[str])

    def add(self, parent: str, output: JsonValue, score: float, *, done: bool, feedback: str = "") -> str:
        """Add an evaluated attempt below `parent`; its score counts for every node on the way to the root."""
        depth = self.nodes[parent].depth + 1
        name = self._added(parent, TreeNode(
            id="", parent=parent, depth=depth, score=score, done=done, text=text_of(output)[:MAX_HEAD],
            feedback=feedback,
        ))  # fmt: skip
        self.outputs[name] = output
        if done or depth >= self.depth:
            self._exhausted.add(name)
        for each in (name, *self._above(name)):
            node = self.nodes[each]
            self.nodes[each] = node.model_copy(update={"visits": node.visits + 1, "value": node.value + score})
        return name

    def fail(self, parent: str, why: str) -> str:
        """Add an attempt below `parent` that came to nothing: it has no score, an error is not a zero."""
        depth = self.nodes[parent].depth + 1
        name = self._added(parent, TreeNode(id="", parent=parent, depth=depth, state="failed", feedback=why))
        self._exhausted.add(name)
        return name

    def expanded(self, name: str) -> None:
        """Note that all attempts below this node are there; one below which nothing is left is gone back from."""
        self.nodes[name] = self.nodes[name].model_copy(update={"state": "expanded"})
        for each in (name, *self._above(name)):
            if self.nodes[each].state != "expanded" or not self._exhausted.issuperset(self._children[each]):
                break
            self._exhausted.add(each)

    def select(self) -> str | None:
        """The node to expand next: from the root down by the highest UCT, ties by order; None when all is exhausted."""
        name = ROOT
        while name not in self._exhausted:
            if self.nodes[name].state != "expanded":
                return name
            rest = [child for child in self._children[name] if child not in self._exhausted]
            name = max(rest, key=self.uct)
        return None

    def uct(self, name: str) -> float:
        """Upper confidence bound of a node with a parent: its mean score, and more the less it was visited.

        Rounded, because the last digits of a logarithm may differ from machine to machine.
        """
        node = self.nodes[name]
        above = self.nodes[node.parent or ROOT]
        spread = self.exploration * math.sqrt(math.log(max(above.visits, 1)) / node.visits)
        return round(node.value / node.visits + spread, 9)

    @property
    def best(self) -> TreeNode | None:
        """The node with the highest score, also when that is zero; of equal ones a done one, then the first."""
        scored = [node for node in self.nodes.values() if node.score is not None]
        return max(scored, key=lambda node: (node.score or 0.0, node.done), default=None)

    def reached(self, threshold: float) -> TreeNode | None:
        """The best of the nodes at which the goal is reached with such a score; of equal ones the first."""
        good = [node for node in self.nodes.values() if node.done and (node.score or 0.0) >= threshold]
        return max(good, key=lambda node: node.score or 0.0, default=None)

    def path(self, name: str) -> tuple[str, ...]:
        """Ids from the first step to this node; the root, which is the task, is not one of them."""
        return tuple(each for each in (*reversed(list(self._above(name))), name) if each != ROOT)

    def _added(self, parent: str, node: TreeNode) -> str:
        name = f"{parent}.{len(self._children[parent]) + 1}"
        self.nodes[name] = node.model_copy(update={"id": name})
        self._children[parent].append(name)
        self._children[name] = []
        return name

    def _above(self, name: str) -> Iterable[str]:
        parent = self.nodes[name].parent
        while parent is not None:
            yield parent
            parent = self.nodes[parent].parent


class TreeSearchInput(PatternInput, frozen=True):
    """Input of `TreeSearch`: `expansions` times `width` attempts at the next step, at most `depth` steps deep.

    It ends when an attempt is done with a score of at least `threshold`. `evaluator` scores the attempts, without it
    the pattern's agent without tools. `exploration` is the weight of what was tried little. With `output_schema` every
    attempt has that shape.
    """

    evaluator: Worker | None = None
    width: int = Field(default=3, ge=1, le=10)
    depth: int = Field(default=4, ge=1, le=20)
    expansions: int = Field(default=8, ge=1, le=200)
    threshold: float = Field(default=0.9, ge=0, le=1)
    exploration: float = Field(default=1.4, ge=0, le=100, allow_inf_nan=False)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        steps = 2 * self.width * self.expansions
        if steps > MAX_STEPS:
            msg = f"width {self.width} and expansions {self.expansions} make {steps} steps, at most {MAX_STEPS} fit"
            raise ValueError(msg)
        return self


class TreeSearchResult(PatternResult, frozen=True):
    """Result of `TreeSearch`: all `nodes`, the ids of the best `path`, and its `score`; `output` is its last attempt.

    Without success they are the best that was reached; `score` is None when no attempt could be evaluated.
    """

    nodes: tuple[TreeNode, ...] = ()
    path: tuple[str, ...] = ()
    score: float | None = None
    expansions: int = 0
