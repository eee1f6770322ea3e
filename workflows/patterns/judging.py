"""Asks about attempts: the steps of judges, critics and those who reflect, whose failures are no verdicts."""

from collections.abc import Sequence
from typing import NamedTuple

from perdure.domain.model import JsonObject
from perdure.domain.patterns.attempts import Attempt, scored_as
from perdure.domain.patterns.scoring import VERDICT, Adviser, Critic, Judge, Rule, Verdict, measure
from perdure.domain.patterns.steps import Done, Step
from perdure.domain.run import ContextItem
from workflows.patterns.team import Team

__all__ = ["Question", "consult", "judged"]


class Question(NamedTuple):
    """What is asked about an attempt: name of the step, words, and schema of the answer."""

    step: str
    words: str
    schema: JsonObject


JUDGE = Question(
    "judge",
    "Judge the attempt above at the task below. Score it from 0 (useless) to 1 (nothing to improve), name every issue, "
    "and suggest how to mend each.",
    VERDICT,
)


async def consult(  # noqa: PLR0913 - what makes up one consultation
    team: Team, adviser: Adviser, question: Question, task: str, *, context: Sequence[ContextItem], number: int
) -> Done:
    """Ask the adviser about attempt `number` at the task; the answer has this schema."""
    criteria = adviser.criteria if isinstance(adviser, Critic) else ""
    parts = [question.words, *([f"Criteria:\n{criteria}"] if criteria else []), f"Task:\n{task}"]
    return await team.ask(
        Step(
            id=f"{question.step}-{number}",
            goal="\n\n".join(parts),
            agent=adviser.agent,
            context=tuple(context),
            output_schema=question.schema,
            model=adviser.model,
            retries=adviser.retries,
            iteration=number,
        )
    )


async def judged(team: Team, scoring: Judge | Rule, task: str, attempt: Attempt) -> Attempt:
    """The attempt with its score. One that failed has none, nor has one whose judge failed: `unscored` says why."""
    if attempt.error is not None:
        return attempt
    if isinstance(scoring, Rule):
        return scored_as(attempt, measure(scoring, attempt.output))
    shown = [ContextItem(title="attempt", text=attempt.text)]
    done = await consult(team, scoring, JUDGE, task, context=shown, number=attempt.number)
    if done.error is not None:
        return attempt.model_copy(update={"unscored": done.error})
    return scored_as(attempt, Verdict.model_validate(done.output))
