"""The workflow `Synthesis`."""

from temporalio import workflow

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.steps import Found, Step, named
from perdure.domain.patterns.synthesis import SynthesisInput, SynthesisResult, synthesis_goal
from workflows.patterns.pattern import Pattern

__all__ = ["Synthesis"]


@workflow.defn(name="Synthesis")
class Synthesis(Pattern):
    """Several agents contribute side by side, and one more makes a single answer of all that they gave.

              +-> contributor 1 --+
    goal -----+-> contributor 2 --+--> synthesiser --> one answer
              +-> contributor 3 --+

    Source: Mixture-of-agents enhances large language model capabilities, Wang et al., 2024 (one layer of proposers and
    an aggregator).
    Cost: the model calls of each contributor, and one step of the synthesiser.
    Failures: a contributor that fails is in `failures`, and the synthesiser is told that its part is missing; fewer
    than `min_contributions`: TOO_FEW_CONTRIBUTIONS, without asking the synthesiser. A synthesiser that fails:
    SYNTHESIS_FAILED. The contributions are in the result in every case.
    """

    takes = SynthesisInput

    @workflow.run
    async def run(self, *payload: JsonValue) -> SynthesisResult:
        """Run to the end."""
        return await self.conduct(SynthesisInput, SynthesisResult, payload, self._work)

    async def _work(self, given: SynthesisInput) -> Found:
        specs = given.contributors
        self.team.stage("contributions", len(specs) + 1)
        steps = [spec.step(name, given.goal) for name, spec in zip(named(specs, "contributor"), specs, strict=True)]
        ended = await self.team.ask_all(steps, given.max_concurrent)
        made = {done.step.id: done.output for done in ended if done.success}
        failures = {done.step.id: done.error for done in ended if done.error is not None}
        details = {"contributions": made, "failures": failures}
        if len(made) < given.min_contributions:
            words = (
                f"{len(made)} of {len(steps)} contributors succeeded, {given.min_contributions} must; "
                f"failed: {', '.join(failures)}"
            )
            code = "TOO_FEW_CONTRIBUTIONS"
            return Found(dict(made), details, ErrorInfo.of(code, words))
        self.team.keep(dict(made), **details)
        self.team.stage("synthesis", len(specs) + 1)
        one = await self.team.ask(
            Step(
                id="synthesiser",
                goal=synthesis_goal(given.goal, list(failures)),
                agent=given.synthesiser,
                context=tuple(done.as_context() for done in ended if done.success),
                output_schema=given.output_schema,
            )
        )
        if one.error is not None:
            words = f"the synthesiser failed: {one.error.code}: {one.error.message}"
            error = ErrorInfo.of("SYNTHESIS_FAILED", words)
            return Found(dict(made), details, error)
        return Found(one.output, details)
