"""What the pattern `Iterative` takes and comes to."""

from pydantic import Field

from perdure.domain.patterns.attempts import Attempt
from perdure.domain.patterns.scoring import Judge, Scoring
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepSpec

__all__ = ["IterativeInput", "IterativeResult"]


class IterativeInput(PatternInput, frozen=True):
    """Input of `Iterative`: at most `attempts` by the `worker`, until one is scored `threshold` (0 to 1) or better."""

    worker: StepSpec = StepSpec()
    attempts: int = Field(default=3, ge=1, le=100)
    threshold: float = Field(default=0.8, ge=0, le=1)
    score: Scoring = Judge()


class IterativeResult(PatternResult, frozen=True):
    """Result of `Iterative`: `output` is that of attempt number `best`, `score` its score, None without any."""

    attempts: tuple[Attempt, ...] = ()
    best: int | None = None
    score: float | None = None
