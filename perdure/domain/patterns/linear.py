"""What the pattern `Linear` takes and comes to."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from perdure.domain.model import JsonValue
from perdure.domain.patterns.steps import Done, PatternInput, PatternResult, StepId, StepSpec, named
from perdure.domain.run import ContextItem

__all__ = ["LinearInput", "LinearResult", "carried"]

Carry = Literal["previous", "all"]


class LinearInput(PatternInput, frozen=True):
    """Input of `Linear`: `steps` in their order.

    Each is given the output of the step before it, or with `carry` "all" of every step before it, as context that has
    the step's id as its title. `output_schema` is that of the last step, unless it has its own.
    """

    steps: tuple[StepSpec, ...] = Field(min_length=1, max_length=1_000)
    carry: Carry = "previous"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        named(self.steps, "step")
        return self

    @property
    def line(self) -> tuple[StepSpec, ...]:
        """The steps; the last one with the schema of the whole."""
        *first, last = self.steps
        return (*first, last.model_copy(update={"output_schema": last.output_schema or self.output_schema}))


class LinearResult(PatternResult, frozen=True):
    """Result of `Linear`: `output` is that of the last step that succeeded.

    `outputs` are those of all that succeeded, by step; `failed` is the step that it stopped at, None when all did.
    """

    outputs: dict[str, JsonValue] = {}
    failed: StepId | None = None


def carried(earlier: Sequence[Done], carry: Carry) -> tuple[ContextItem, ...]:
    """What the next step is given of the steps before it."""
    return tuple(done.as_context() for done in (earlier if carry == "all" else earlier[-1:]))
