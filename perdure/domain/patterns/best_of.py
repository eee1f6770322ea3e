"""How the best of several candidates is chosen, and what the pattern `BestOf` takes and comes to."""

import math
from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import Field, model_validator

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue, Model
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepSpec, Worker, named

__all__ = ["BestOfInput", "BestOfResult", "Ranking", "best", "labels", "ranking_schema"]

TASK = "Judge how well each candidate in the context does this task: a score from 0 to 100 for each, and why."


class Ranking(Model, frozen=True):
    """What a judge answers: a score by label, and why."""

    scores: dict[str, float]
    reason: str


def labels(count: int) -> list[str]:
    """Names that say nothing of who made a candidate: only the order of the input."""
    return [f"candidate-{number}" for number in range(1, count + 1)]


def ranking_schema(shown: Sequence[str]) -> JsonObject:
    """What a judge of these labels must answer: a score for each of them and for nobody else."""
    score: JsonObject = {"type": "number", "minimum": 0, "maximum": 100}
    return {
        "type": "object",
        "properties": {
            "scores": {
                "type": "object",
                "properties": dict.fromkeys(shown, score),
                "required": list(shown),
                "additionalProperties": False,
            },
            "reason": {"type": "string"},
        },
        "required": ["scores", "reason"],
        "additionalProperties": False,
    }


def best(candidates: Sequence[str], scores: Mapping[str, float]) -> str | None:
    """The candidate with the highest score, of equal ones the earliest; None when there is no candidate.

    Zero is a score like any other. A candidate without one, or with one that is no number, comes after all others.
    """

    def score(name: str) -> float:
        found = scores.get(name, -math.inf)
        return -math.inf if math.isnan(found) else found

    return max(candidates, key=score, default=None)


class BestOfInput(PatternInput, frozen=True):
    """Input of `BestOf`: `candidates`, or `samples` candidates that are all made by the pattern's own agent.

    `judge` is who scores them (default: the pattern's agent).
    """

    candidates: tuple[StepSpec, ...] = Field(default=(), max_length=100)
    samples: int = Field(default=3, ge=1, le=100)
    judge: Worker | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        named(self.candidates, "candidate")
        if self.candidates and "samples" in self.model_fields_set:
            msg = "candidates and samples: say one of both; candidates are counted by themselves"
            raise ValueError(msg)
        return self

    @property
    def everybody(self) -> tuple[StepSpec, ...]:
        """The candidates, also when only their number was said."""
        return self.candidates or tuple(StepSpec() for _ in range(self.samples))


class BestOfResult(PatternResult, frozen=True):
    """Result of `BestOf`: `output` is that of the `winner`; `scores` is empty when nobody had to judge."""

    winner: str | None = None
    candidates: dict[str, JsonValue] = {}
    failures: dict[str, ErrorInfo] = {}
    scores: dict[str, float] = {}
    reason: str = ""
