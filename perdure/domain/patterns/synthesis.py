"""What the pattern `Synthesis` takes and comes to."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepSpec, Worker, named

__all__ = ["SynthesisInput", "SynthesisResult", "synthesis_goal"]


def synthesis_goal(goal: str, missing: Sequence[str]) -> str:
    """What the synthesiser is asked: to answer from the contributions, and to know which there are none of."""
    task = (
        "Make one answer to this task from the contributions in the context: keep what they agree on, settle what "
        "they contradict each other in, and leave nothing of weight out."
    )
    gaps = f" These contributors failed, so their part is missing: {', '.join(missing)}." if missing else ""
    return f"{task}{gaps}\n\n{goal}"


class SynthesisInput(PatternInput, frozen=True):
    """Input of `Synthesis`: who contributes, and who makes one answer of it (default: the pattern's agent).

    Fewer than `min_contributions` contributions are a failure.
    """

    contributors: tuple[StepSpec, ...] = Field(min_length=1, max_length=100)
    synthesiser: Worker | None = None
    min_contributions: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        named(self.contributors, "contributor")
        if self.min_contributions > len(self.contributors):
            count = len(self.contributors)
            msg = f"min_contributions: {self.min_contributions}, but there are only {count} contributors"
            raise ValueError(msg)
        return self


class SynthesisResult(PatternResult, frozen=True):
    """Result of `Synthesis`: `output` is the one answer, `contributions` what it was made of, by contributor."""

    contributions: dict[str, JsonValue] = {}
    failures: dict[str, ErrorInfo] = {}
