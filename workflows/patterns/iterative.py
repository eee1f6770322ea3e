"""The workflow `Iterative`."""

from temporalio import workflow

from perdure.domain.model import JsonValue
from perdure.domain.patterns.attempts import Attempt, best_of, concluded, task_of, told, work_on
from perdure.domain.patterns.iterative import IterativeInput, IterativeResult
from perdure.domain.patterns.scoring import Judge
from perdure.domain.patterns.steps import Found
from workflows.patterns.judging import judged
from workflows.patterns.pattern import Pattern

__all__ = ["Iterative"]


@workflow.defn(name="Iterative")
class Iterative(Pattern):
    """Attempts until one is good enough, each with the one before it and what was wrong with that one.

    goal --> attempt --> score --> good enough? --> output
                ^          |
                +- issues, suggestions, and the attempt they are about

    Source: "evaluator-optimizer" in Building effective agents, Anthropic, 2024.
    Cost: for each attempt the model calls of the worker and, with a judge, those of the judge. Failures: an attempt
    that fails counts, and the next is told of the last one that has an output; a judge that fails gives no score, and
    never a low or a high one. Threshold not reached: success with the best attempt and a warning (of equal scores the
    first; any score is better than none). No attempt has an output: NO_ATTEMPT. Stopped: the best so far.
    """

    takes = IterativeInput

    def __init__(self) -> None:
        """Start before the first attempt."""
        super().__init__()
        self._attempts: list[Attempt] = []
        self._threshold = 1.0

    @workflow.run
    async def run(self, *payload: JsonValue) -> IterativeResult:
        """Run to the end."""
        return await self.conduct(IterativeInput, IterativeResult, payload, self._work)

    async def _work(self, given: IterativeInput) -> Found:
        self._threshold = given.threshold
        task, each = task_of(given, given.worker), 2 if isinstance(given.score, Judge) else 1
        for number in range(1, given.attempts + 1):
            self.team.stage(f"attempt {number} of at most {given.attempts}", number * each)
            before = told(self._attempts)
            done = await self.team.ask(
                work_on(given, given.worker, "attempt", number, context=before, words=_wish(before))
            )
            self._attempts.append(Attempt.of(number, done))
            self._attempts[-1] = await judged(self.team, given.score, task, self._attempts[-1])
            if self._attempts[-1].reaches(given.threshold):
                break
        return self.reached()

    def reached(self) -> Found:
        """The best attempt so far."""
        best = best_of(self._attempts)
        enough = best is not None and best.reaches(self._threshold)
        missed = "" if enough else f"the threshold {self._threshold:g} was not reached"
        return concluded(self._attempts, best, missed, {"attempts": tuple(self._attempts)})


def _wish(before: object) -> str:
    """What the next attempt is to do with what it is told."""
    if not before:
        return ""
    return "Improve on the attempt above: mend its issues. Answer with the whole result, not only with what changed."
