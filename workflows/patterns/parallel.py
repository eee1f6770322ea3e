"""The workflow `Parallel`."""

from temporalio import workflow

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.parallel import ParallelInput, ParallelResult
from perdure.domain.patterns.steps import Found, named
from workflows.patterns.pattern import Pattern

__all__ = ["Parallel"]


@workflow.defn(name="Parallel")
class Parallel(Pattern):
    """Branches side by side, each with its own conversation; what fails is kept as data beside what succeeds.

              +-> branch 1 --+
    goal -----+-> branch 2 --+--> outputs and failures, by branch
              +-> branch 3 --+

    Source: "parallelization (sectioning)" in Building effective agents, Anthropic, 2024.
    Cost: the model calls of each branch. Failures: a branch that fails (after its retries) is in `failures` and stops
    nobody; the whole succeeds when `min_successes` branches did (default: all). No budget left: the branch fails with
    TOKEN_LIMIT, COST_LIMIT and so on, without a model call.
    """

    takes = ParallelInput

    @workflow.run
    async def run(self, *payload: JsonValue) -> ParallelResult:
        """Run to the end."""
        return await self.conduct(ParallelInput, ParallelResult, payload, self._work)

    async def _work(self, given: ParallelInput) -> Found:
        self.team.stage("branches", len(given.branches))
        names = named(given.branches, "branch")
        steps = [branch.step(name, given.goal) for name, branch in zip(names, given.branches, strict=True)]
        ended = await self.team.ask_all(steps, given.max_concurrent)
        outputs = {done.step.id: done.output for done in ended if done.success}
        failures = {done.step.id: done.error for done in ended if done.error is not None}
        needed = given.min_successes or len(steps)
        error = None
        if len(outputs) < needed:
            words = f"{len(outputs)} of {len(steps)} branches succeeded, {needed} must; failed: {', '.join(failures)}"
            error = ErrorInfo.of("BRANCHES_FAILED", words)
        return Found(dict(outputs), {"outputs": outputs, "failures": failures}, error)
