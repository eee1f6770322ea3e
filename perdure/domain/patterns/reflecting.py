"""What the pattern `Reflexion` takes and comes to, and what a trial is told of those before it."""

from collections.abc import Sequence
from typing import cast

from pydantic import Field

from perdure.domain.model import JsonObject, JsonValue, Model
from perdure.domain.patterns.attempts import Attempt
from perdure.domain.patterns.scoring import Adviser, Judge, Scoring
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepSpec
from perdure.domain.run import ContextItem

__all__ = ["REFLECTION", "Reflection", "ReflexionInput", "ReflexionResult", "learnt", "lessons", "strategy_for"]

REFLECTION: JsonObject = {
    "type": "object",
    "properties": {
        "what_went_wrong": {"type": "string", "minLength": 1},
        "next_strategy": {"type": "string", "minLength": 1},
    },
    "required": ["what_went_wrong", "next_strategy"],
    "additionalProperties": False,
}
"""What the one who reflects answers, about a trial that is known."""


class Reflection(Model, frozen=True):
    """What was learnt from a trial that was not good enough; `trial` is its number."""

    trial: int
    what_went_wrong: str
    next_strategy: str


class ReflexionInput(PatternInput, frozen=True):
    """Input of `Reflexion`: at most `trials` by the `worker`, until one is scored `threshold` (0 to 1) or better.

    The `reflector` says after each other trial what went wrong.
    """

    worker: StepSpec = StepSpec()
    trials: int = Field(default=3, ge=1, le=100)
    threshold: float = Field(default=0.8, ge=0, le=1)
    score: Scoring = Judge()
    reflector: Adviser = Adviser()


class ReflexionResult(PatternResult, frozen=True):
    """Result of `Reflexion`: `output` is that of trial number `best`, `score` its score, None without any."""

    trials: tuple[Attempt, ...] = ()
    reflections: tuple[Reflection, ...] = ()
    best: int | None = None
    score: float | None = None


def learnt(trial: int, answer: JsonValue) -> Reflection:
    """The reflection on this trial, from an answer that fits `REFLECTION`."""
    return Reflection.model_validate({"trial": trial, **cast("JsonObject", answer)})


def lessons(reflections: Sequence[Reflection]) -> tuple[ContextItem, ...]:
    """All reflections so far as context, oldest first."""
    return tuple(
        ContextItem(
            title=f"reflection on trial {each.trial}",
            text=f"What went wrong: {each.what_went_wrong}\nStrategy for the next trial: {each.next_strategy}",
        )
        for each in reflections
    )


def strategy_for(number: int, reflections: Sequence[Reflection]) -> str:
    """The strategy that this trial (from 1) is to follow: that of the trial just before it; empty when it has none."""
    return next((each.next_strategy for each in reversed(reflections) if each.trial == number - 1), "")
