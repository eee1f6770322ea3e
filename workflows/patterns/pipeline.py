"""The workflow `Pipeline`."""

from collections.abc import Mapping

from temporalio import workflow

from perdure.domain.arguments import check_value
from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.middlewares import Refused, applied
from perdure.domain.patterns.pipeline import PipelineInput, PipelineResult, Stage, Traced, digest_of, filled
from perdure.domain.patterns.steps import Found, named, text_of
from perdure.domain.run import ContextItem
from workflows.patterns.pattern import Pattern

__all__ = ["Pipeline"]


@workflow.defn(name="Pipeline")
class Pipeline(Pattern):
    """Stages one after the other, each on the output of the one before, with a check and a trace of every one.

    goal --> transform --> stage 1 --> middleware, schema --> transform --> stage 2 --> ... --> output
                              |
                              +-- failed: retries, then stop | skip (pass the input on) | default

    Source: "prompt chaining" in Building effective agents, Anthropic, 2024; pipes and filters.
    Cost: the model calls of each stage, again for each retry. Failures: a stage fails when its run does, when a
    middleware refuses its output or when that does not fit `output_schema`; after its retries `on_failure` decides. A
    pipeline that stops ends STAGE_FAILED with the output of the last stage that succeeded; the trace names the stages
    that were not run.
    """

    takes = PipelineInput

    def __init__(self) -> None:
        """Start with an empty trace."""
        super().__init__()
        self._trace: list[Traced] = []

    @workflow.run
    async def run(self, *payload: JsonValue) -> PipelineResult:
        """Run to the end."""
        return await self.conduct(PipelineInput, PipelineResult, payload, self._work)

    async def _work(self, given: PipelineInput) -> Found:
        names = named(given.stages, "stage")
        before: JsonValue = given.goal
        outputs: dict[str, JsonValue] = {}
        for number, (name, stage) in enumerate(zip(names, given.stages, strict=True)):
            self.team.stage(name, len(names))
            traced = await self._stage(name, stage, given.goal, before, outputs)
            self._trace.append(traced)
            self.team.kept = {"trace": tuple(self._trace)}
            if traced.ended == "failed":
                rest = [Traced(stage=later, ended="not_run") for later in names[number + 1 :]]
                words = f"stage {name!r} failed{'' if traced.error is None else f': {traced.error.message}'}"
                error = ErrorInfo.of("STAGE_FAILED", words)
                return Found(before if number else "", {"trace": (*self._trace, *rest)}, error)
            before = outputs[name] = traced.output
            self.team.reached = before
        return Found(before, self.team.kept)

    async def _stage(
        self, name: str, stage: Stage, goal: str, before: JsonValue, outputs: Mapping[str, JsonValue]
    ) -> Traced:
        """Run one stage until it succeeds or its retries are used up."""
        begun, attempt = workflow.now(), 0
        output: JsonValue = None
        error: ErrorInfo | None = None
        try:
            text = text_of(before) if stage.transform is None else filled(stage.transform, goal, before, outputs)
        except ValueError as problem:
            text, error = "", ErrorInfo.of("TRANSFORM_FAILED", str(problem))
        else:
            while attempt <= stage.retries:
                attempt += 1
                output, error = await self._attempt(name, stage, text, error, attempt)
                if error is None:
                    break
        took = round((workflow.now() - begun).total_seconds() * 1000)
        traced = Traced(
            stage=name, ended="failed", attempts=attempt, input_digest=digest_of(text), error=error, milliseconds=took
        )
        if error is None:
            return traced.model_copy(update={"ended": "done", "output": output})
        if stage.on_failure == "skip":
            return traced.model_copy(update={"ended": "skipped", "output": before})
        if stage.on_failure == "default":
            return traced.model_copy(update={"ended": "defaulted", "output": stage.default})
        return traced

    async def _attempt(
        self, name: str, stage: Stage, text: str, last: ErrorInfo | None, attempt: int
    ) -> tuple[JsonValue, ErrorInfo | None]:
        """One run of a stage; a later one is told why the output of the last was not taken."""
        context = [] if stage.goal is None else [ContextItem(title="input", text=text)]
        if last is not None and last.code in {"OUTPUT_REFUSED", "OUTPUT_INVALID"}:
            context.append(ContextItem(title="why the last attempt was not accepted", text=last.message))
        once = stage.model_copy(update={"retries": 0, "id": name})
        done = await self.team.ask(once.step(name, text, context, attempt))
        if done.error is not None:
            return None, done.error
        try:
            output = applied(stage.around, done.output)
        except Refused as refused:
            return None, ErrorInfo.of("OUTPUT_REFUSED", str(refused))
        if stage.output_schema is not None and (problem := check_value(stage.output_schema, output)):
            return None, ErrorInfo.of("OUTPUT_INVALID", problem)
        return output, None
