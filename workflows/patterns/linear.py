"""The workflow `Linear`."""

from temporalio import workflow

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.linear import LinearInput, LinearResult, carried
from perdure.domain.patterns.steps import Done, Found, named
from workflows.patterns.pattern import Pattern

__all__ = ["Linear"]


@workflow.defn(name="Linear")
class Linear(Pattern):
    """Fixed steps one after the other, each given what the one before it came to; it stops at the first failure.

    goal --> step 1 --> step 2 --> step 3 --> output of the last
                          |
                          +-- failed --> the outputs so far, and the step that failed

    Source: "prompt chaining" in Building effective agents, Anthropic, 2024.
    Cost: the model calls of each step. Failures: a step that fails (after its retries) ends the line with STEP_FAILED;
    `failed` names it, `outputs` has the steps before it, those behind it do not run. Stopped or over its deadline: the
    same, with the reason of the end, and `failed` None.
    """

    takes = LinearInput

    def __init__(self) -> None:
        """Start before the first step."""
        super().__init__()
        self._done: list[Done] = []

    @workflow.run
    async def run(self, *payload: JsonValue) -> LinearResult:
        """Run to the end."""
        return await self.conduct(LinearInput, LinearResult, payload, self._work)

    async def _work(self, given: LinearInput) -> Found:
        names, total = named(given.steps, "step"), len(given.steps)
        for number, (name, spec) in enumerate(zip(names, given.line, strict=True), start=1):
            self.team.stage(name, total)
            done = await self.team.ask(spec.step(name, given.goal, carried(self._done, given.carry)))
            if done.error is not None:
                words = f"step {name!r} ({number} of {total}) failed: {done.error.code}: {done.error.message}"
                return self._found(name, ErrorInfo.of("STEP_FAILED", words))
            self._done.append(done)
        return self._found()

    def reached(self) -> Found:
        """The outputs so far."""
        return self._found()

    def _found(self, failed: str | None = None, error: ErrorInfo | None = None) -> Found:
        output = self._done[-1].output if self._done else None
        outputs = {done.step.id: done.output for done in self._done}
        return Found(output, {"outputs": outputs, "failed": failed}, error)
