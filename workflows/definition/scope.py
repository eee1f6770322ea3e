"""What the expressions of a stage see, and what stages come to."""

from dataclasses import dataclass, field, replace

from perdure.domain.definition.expressions import evaluate, is_true, render, render_text
from perdure.domain.definition.run import StageEnd
from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue

__all__ = ["Scope", "failed", "skipped", "succeeded"]


@dataclass(frozen=True)
class Scope:
    """Goal and inputs of the whole, ends of stages by id, and the item of each map around.

    `parts` is into how many parts the budget is divided here: about as many stages may be at work at a time.
    """

    goal: str
    inputs: JsonObject
    stages: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    ends: dict[str, StageEnd] = field(default_factory=dict[str, StageEnd])
    items: JsonObject = field(default_factory=dict[str, JsonValue])
    parts: int = 1

    @property
    def values(self) -> JsonObject:
        """Everything that an expression sees."""
        return {**self.items, "goal": self.goal, "inputs": self.inputs, "stages": self.stages}

    def value(self, expression: str) -> JsonValue:
        """Value of an expression; raises ExpressionError."""
        return evaluate(expression, self.values)

    def holds(self, expression: str) -> bool:
        """Whether an expression is true; raises ExpressionError."""
        return is_true(self.value(expression))

    def text(self, text: str) -> str:
        """A text with the values of its pieces; raises ExpressionError."""
        return render_text(text, self.values)

    def filled(self, value: JsonObject) -> JsonObject:
        """An object with the values of all pieces in it; raises ExpressionError."""
        found = render(value, self.values)
        return found if isinstance(found, dict) else {}

    def take(self, identity: str, end: StageEnd) -> None:
        """From now on a stage has come to this."""
        self.ends[identity] = end
        self.stages[identity] = end.model_dump(mode="json")

    def inside(self, item: str, value: JsonValue, parts: int) -> "Scope":
        """The scope of one item of a map: what its stages come to is not seen outside."""
        items = {**self.items, item: value}
        return replace(self, stages={**self.stages}, ends={**self.ends}, items=items, parts=parts)

    def divided(self, parts: int) -> "Scope":
        """The same where so many more stages may be at work."""
        return replace(self, parts=self.parts * max(1, parts))


def succeeded(output: JsonValue) -> StageEnd:
    """A stage that has done its work."""
    return StageEnd(output=output, success=True)


def failed(code: str, message: str, output: JsonValue = None) -> StageEnd:
    """A stage that has not; `output` is what it had reached."""
    return StageEnd(output=output, success=False, error=ErrorInfo.of(code, message))


def skipped(why: str, *, success: bool) -> StageEnd:
    """A stage that does not run; what needs it runs only when that is no failure."""
    return StageEnd(success=success, skipped=why)
