"""Attempts at one task: which is the best, what the next one is told, and what they come to in the end."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self, TypeVar

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue, Model
from perdure.domain.patterns.scoring import Verdict
from perdure.domain.patterns.steps import Done, Found, PatternInput, Step, StepSpec, text_of
from perdure.domain.run import ContextItem

__all__ = ["Attempt", "best_of", "concluded", "latest", "scored_as", "shown", "task_of", "told", "work_on"]


class Attempt(Model, frozen=True):
    """One attempt; `number` counts from 1.

    `output` is None and `error` says why when the step failed. `score` (0 to 1) is None when nobody could say how good
    it is; `unscored` then says why.
    """

    number: int
    output: JsonValue = None
    score: float | None = None
    issues: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    error: ErrorInfo | None = None
    unscored: ErrorInfo | None = None

    @classmethod
    def of(cls, number: int, done: Done) -> Self:
        """What a step came to, before it is scored."""
        return cls(number=number, output=done.output if done.success else None, error=done.error)

    @property
    def text(self) -> str:
        """The output as a model reads it."""
        return text_of(self.output)

    def reaches(self, threshold: float) -> bool:
        """Whether it was scored and is good enough."""
        return self.score is not None and self.score >= threshold

    @property
    def feedback(self) -> str:
        """What was found of this attempt, in words; empty when there is nothing."""
        score = [] if self.score is None else [f"Score: {self.score:g} of 1"]
        issues = [f"Issue: {text}" for text in self.issues]
        return "\n".join([*score, *issues, *(f"Suggestion: {text}" for text in self.suggestions)])


A = TypeVar("A", bound=Attempt)


def scored_as(attempt: A, verdict: Verdict) -> A:
    """The attempt with its score and what was found of it."""
    return attempt.model_copy(
        update={"score": verdict.score, "issues": verdict.issues, "suggestions": verdict.suggestions}
    )


def best_of(attempts: Sequence[A]) -> A | None:
    """The attempt with the highest score, of equal ones the first; without any score the first that has an output.

    A score of 0.0 is a score; None when no attempt has an output.
    """
    usable = [attempt for attempt in attempts if attempt.error is None]
    return max(usable, key=lambda each: -1.0 if each.score is None else each.score, default=None)


def latest(attempts: Sequence[A]) -> A | None:
    """The last attempt that has an output: the one that the next can build on."""
    return next((attempt for attempt in reversed(attempts) if attempt.error is None), None)


def told(attempts: Sequence[Attempt], name: str = "attempt") -> tuple[ContextItem, ...]:
    """Context of the next attempt: the last one that has an output, and what was found of exactly that one."""
    before = latest(attempts)
    return () if before is None else shown(before, name)


def shown(attempt: Attempt, name: str) -> tuple[ContextItem, ...]:
    """An attempt as context: its output, or why it has none, and what was found of it."""
    title = f"{name} {attempt.number}"
    if attempt.error is not None:
        return (ContextItem(title=f"{title} failed", text=f"{attempt.error.code}: {attempt.error.message}"),)
    feedback = attempt.feedback
    about = (ContextItem(title=f"feedback on {title}", text=feedback),) if feedback else ()
    return (ContextItem(title=title, text=attempt.text), *about)


def work_on(  # noqa: PLR0913 - what makes up one attempt
    given: PatternInput,
    worker: StepSpec,
    name: str,
    number: int,
    *,
    context: Sequence[ContextItem] = (),
    words: str = "",
) -> Step:
    """The step of one attempt: the task, and below it what is new this time.

    A worker without an own `output_schema` has that of the pattern.
    """
    own = worker.model_copy(update={"id": None, "goal": None})
    step = own.step(f"{worker.id or name}-{number}", task_of(given, worker), context, iteration=number)
    goal = f"{step.goal}\n\n{words}" if words else step.goal
    return replace(step, goal=goal, output_schema=step.output_schema or given.output_schema)


def task_of(given: PatternInput, worker: StepSpec) -> str:
    """What the attempts are at."""
    return worker.goal or given.goal


def concluded(
    attempts: Sequence[A], best: A | None, missed: str, details: Mapping[str, object], name: str = "attempt"
) -> Found:
    """The end of all attempts: the output of the best one, with a warning when something was `missed`.

    Attempts that failed or that nobody could score are warned of; it is no success when none has an output.
    """
    if best is None:
        return Found(None, details, _none(attempts, name))
    failed = [
        f"{name} {each.number} {what}: {error.code}: {error.message}"
        for each in attempts
        for what, error in (("failed", each.error), ("was not scored", each.unscored))
        if error is not None
    ]
    score = "no score" if best.score is None else f"score {best.score:g}"
    many = name if len(attempts) == 1 else f"{name}s"
    short = [f"{missed} in {len(attempts)} {many}: the best is {name} {best.number} with {score}"] if missed else []
    beyond = {**details, "best": best.number, "score": best.score}
    return Found(best.output, beyond, warnings=(*short, *failed), score=best.score)


def _none(attempts: Sequence[Attempt], name: str) -> ErrorInfo:
    error = attempts[-1].error if attempts else None
    why = "" if error is None else f": the last failed with {error.code}: {error.message}"
    return ErrorInfo.of("NO_ATTEMPT", f"no {name} of {len(attempts)} has an output{why}")
