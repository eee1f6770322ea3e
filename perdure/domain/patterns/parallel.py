"""What the pattern `Parallel` takes and comes to."""

from typing import Self

from pydantic import Field, model_validator

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepSpec, named

__all__ = ["ParallelInput", "ParallelResult"]


class ParallelInput(PatternInput, frozen=True):
    """Input of `Parallel`: branches that know nothing of each other, at most `max_concurrent` at a time.

    It succeeds when `min_successes` branches did; by default all must.
    """

    branches: tuple[StepSpec, ...] = Field(min_length=1, max_length=1_000)
    min_successes: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        named(self.branches, "branch")
        if self.min_successes is not None and self.min_successes > len(self.branches):
            msg = f"min_successes: {self.min_successes}, but there are only {len(self.branches)} branches"
            raise ValueError(msg)
        return self


class ParallelResult(PatternResult, frozen=True):
    """Result of `Parallel`: `output` and `outputs` are what succeeded, `failures` what did not, by branch."""

    outputs: dict[str, JsonValue] = {}
    failures: dict[str, ErrorInfo] = {}
