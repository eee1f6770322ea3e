"""What the pattern `Decompose` takes and comes to: a tree of tasks that are solved or divided."""

from typing import Self

from pydantic import Field, model_validator

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue, Model
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepSpec, text_of

__all__ = ["DecomposeInput", "DecomposeResult", "TaskNode", "outcome_of", "plan_schema", "subtasks_of"]

SHOWN = 2_000
"""Characters of an output in the tree: every level holds the whole tree below it."""


class DecomposeInput(PatternInput, frozen=True):
    """Input of `Decompose`: a task is divided at most `max_depth` times, each time into at most `max_subtasks`.

    `planner`, `solver` and `synthesis` are the steps of every task; each is the pattern's agent unless it says who.
    """

    max_depth: int = Field(default=2, ge=0, le=10)
    max_subtasks: int = Field(default=5, ge=1, le=50)
    planner: StepSpec = StepSpec()
    solver: StepSpec = StepSpec()
    synthesis: StepSpec = StepSpec()

    @model_validator(mode="after")
    def _deep_enough(self) -> Self:
        above = 0 if self.lineage is None else self.lineage.level
        needed = above + self.max_depth + 1
        if self.limits.depth < needed:
            msg = (
                f"limits.depth: {self.limits.depth} is too small for max_depth {self.max_depth}: it must be at least "
                f"{needed}, one for each level of tasks and one for their agents"
                + (f", below the {above} levels above this run" if above else "")
            )
            raise ValueError(msg)
        return self


class TaskNode(Model, frozen=True):
    """One task of the tree: `direct` when nobody divided it; `output` is the beginning of what it came to, as text."""

    goal: str
    direct: bool = True
    output: str = ""
    error: ErrorInfo | None = None
    subtasks: "tuple[TaskNode, ...]" = ()


class DecomposeResult(PatternResult, frozen=True):
    """Result of `Decompose`: the tree of tasks, how many there were in all, and how many of those failed."""

    tree: TaskNode | None = None
    tasks: int = 0
    failed: int = 0


def plan_schema(most: int) -> JsonObject:
    """What a planner answers: solve it directly, or in these subtasks."""
    return {
        "type": "object",
        "properties": {
            "direct": {"type": "boolean"},
            "subtasks": {"type": "array", "maxItems": most, "items": {"type": "string", "minLength": 1}},
        },
        "required": ["direct", "subtasks"],
        "additionalProperties": False,
    }


def subtasks_of(plan: JsonValue) -> list[str]:
    """The subtasks of a plan, each once; none when it says that the task is solved directly."""
    fields = plan if isinstance(plan, dict) else {}
    listed = fields.get("subtasks")
    if fields.get("direct") or not isinstance(listed, list):
        return []
    return list(dict.fromkeys(text.strip() for text in map(str, listed) if text.strip()))


def outcome_of(
    goal: str, output: JsonValue, error: ErrorInfo | None = None, subtasks: tuple[TaskNode, ...] = ()
) -> TaskNode:
    """The node of a task that has ended."""
    text = "" if output is None else text_of(output)[:SHOWN]
    return TaskNode(goal=goal[:SHOWN], direct=not subtasks, output=text, error=error, subtasks=subtasks)
