"""The workflow `BestOf`."""

from collections.abc import Sequence
from dataclasses import replace

from temporalio import workflow

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.best_of import TASK, BestOfInput, BestOfResult, Ranking, best, labels, ranking_schema
from perdure.domain.patterns.steps import Done, Found, Step, named
from workflows.patterns.pattern import Pattern

__all__ = ["BestOf"]


@workflow.defn(name="BestOf")
class BestOf(Pattern):
    """Several candidates do the same task, a judge scores them, and the best one is the result.

              +-> candidate 1 --+
    goal -----+-> candidate 2 --+--> judge --> the one with the highest score
              +-> candidate 3 --+

    Source: best-of-n with a judge: Learning to summarize from human feedback, Stiennon et al., 2020; Judging
    LLM-as-a-judge, Zheng et al., 2023 (position and name bias: labels are neutral, the order is that of the input).
    Cost: the model calls of each candidate, and one step of the judge when two or more succeeded.
    Failures: a candidate that fails is in `failures`, is not shown to the judge and cannot win; the only one left wins
    without a judge; of equal scores the earliest wins. Nobody left: CANDIDATES_FAILED. A judge that fails:
    JUDGE_FAILED, no winner, and all candidates in the result.
    """

    takes = BestOfInput

    @workflow.run
    async def run(self, *payload: JsonValue) -> BestOfResult:
        """Run to the end."""
        return await self.conduct(BestOfInput, BestOfResult, payload, self._work)

    async def _work(self, given: BestOfInput) -> Found:
        specs = given.everybody
        self.team.stage("candidates", len(specs) + 1)
        steps = [spec.step(name, given.goal) for name, spec in zip(named(specs, "candidate"), specs, strict=True)]
        steps = [replace(step, output_schema=step.output_schema or given.output_schema) for step in steps]
        ended = await self.team.ask_all(steps, given.max_concurrent)
        left = [done for done in ended if done.success]
        details: dict[str, object] = {
            "candidates": {done.step.id: done.output for done in left},
            "failures": {done.step.id: done.error for done in ended if done.error is not None},
        }
        if not left:
            words = f"none of {len(steps)} candidates succeeded"
            return Found(None, details, ErrorInfo.of("CANDIDATES_FAILED", words))
        self.team.keep(left[0].output, **details)
        if len(left) == 1:
            only = "it is the only candidate that succeeded"
            return Found(left[0].output, {**details, "winner": left[0].step.id, "reason": only})
        self.team.stage("judge", len(steps) + 1)
        shown = labels(len(left))
        judged = await self.team.ask(_judge(given, left, shown))
        if judged.error is not None:
            words = f"the judge of {len(left)} candidates failed: {judged.error.code}: {judged.error.message}"
            return Found(None, details, ErrorInfo.of("JUDGE_FAILED", words))
        ranking = Ranking.model_validate(judged.output)
        chosen = left[shown.index(best(shown, ranking.scores) or shown[0])]
        scores = {done.step.id: ranking.scores[label] for label, done in zip(shown, left, strict=True)}
        return Found(chosen.output, {**details, "winner": chosen.step.id, "scores": scores, "reason": ranking.reason})


def _judge(given: BestOfInput, left: Sequence[Done], shown: Sequence[str]) -> Step:
    """The judge sees the task and what was made, but nobody's name."""
    return Step(
        id="judge",
        goal=f"{TASK}\n\n{given.goal}",
        agent=given.judge,
        context=tuple(done.as_context(label) for label, done in zip(shown, left, strict=True)),
        output_schema=ranking_schema(shown),
    )
