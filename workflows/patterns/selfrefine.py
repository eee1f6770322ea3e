"""The workflow `SelfRefine`."""

from temporalio import workflow

from perdure.domain.model import JsonValue
from perdure.domain.patterns.attempts import concluded, task_of, told, work_on
from perdure.domain.patterns.refining import (
    CRITIQUE,
    Critique,
    Draft,
    SelfRefineInput,
    SelfRefineResult,
    criticised,
    kept,
)
from perdure.domain.patterns.steps import Found
from perdure.domain.run import ContextItem
from workflows.patterns.judging import Question, consult
from workflows.patterns.pattern import Pattern

__all__ = ["SelfRefine"]

CRITICISE = Question(
    "critique",
    "Criticise the draft above, which was written for the task below. Name every problem so that it can be mended, "
    "score the draft from 0 (useless) to 1 (nothing to improve), and be satisfied only when it needs no change.",
    CRITIQUE,
)
REFINE = "Refine the draft above: mend its problems. Answer with the whole result, not only with what changed."


@workflow.defn(name="SelfRefine")
class SelfRefine(Pattern):
    """A draft is criticised and refined until the critic is satisfied or the rounds are used up.

    goal --> draft --> critique --> satisfied? --> output
               ^          |
               +- the draft and its problems

    Source: Self-Refine: iterative refinement with self-feedback, Madaan et al., 2023.
    Cost: for each round the model calls of the worker and of the critic. Failures: a critique that fails is no
    approval and no score, and the draft is refined without one; a draft that fails counts as a round, and the next
    builds on the last one that has an output. Never satisfied: success with the draft of the best score and a warning.
    No draft has an output: NO_ATTEMPT. Stopped: the best so far.
    """

    takes = SelfRefineInput

    def __init__(self) -> None:
        """Start before the first draft."""
        super().__init__()
        self._drafts: list[Draft] = []

    @workflow.run
    async def run(self, *payload: JsonValue) -> SelfRefineResult:
        """Run to the end."""
        return await self.conduct(SelfRefineInput, SelfRefineResult, payload, self._work)

    async def _work(self, given: SelfRefineInput) -> Found:
        for number in range(1, given.rounds + 1):
            self.team.stage(f"round {number} of at most {given.rounds}", number * 2)
            before = told(self._drafts, "draft")
            step = work_on(given, given.worker, "draft", number, context=before, words=REFINE if before else "")
            done = await self.team.ask(step)
            self._drafts.append(Draft.of(number, done))
            if done.success:
                self._drafts[-1] = await self._criticised(given, self._drafts[-1])
            if self._drafts[-1].satisfied:
                break
        return self.reached()

    async def _criticised(self, given: SelfRefineInput, draft: Draft) -> Draft:
        shown = [ContextItem(title="draft", text=draft.text)]
        task = task_of(given, given.worker)
        done = await consult(self.team, given.critic, CRITICISE, task, context=shown, number=draft.number)
        if done.error is not None:
            return draft.model_copy(update={"unscored": done.error})
        return criticised(draft, Critique.model_validate(done.output))

    def reached(self) -> Found:
        """The best draft so far."""
        best = kept(self._drafts)
        satisfied = best is not None and best.satisfied
        missed = "" if satisfied else "the critic was never satisfied"
        details = {"drafts": tuple(self._drafts), "satisfied": satisfied}
        return concluded(self._drafts, best, missed, details, "draft")
