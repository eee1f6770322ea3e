"""The workflow `MapReduce`."""

from collections.abc import Sequence
from dataclasses import replace

from temporalio import workflow

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.map_reduce import MapReduceInput, MapReduceResult, groups, map_step
from perdure.domain.patterns.steps import Done, Found, Step
from perdure.domain.run import ContextItem
from workflows.patterns.pattern import Pattern

__all__ = ["MapReduce"]


@workflow.defn(name="MapReduce")
class MapReduce(Pattern):
    """The same step for every item of a list or a text, and one more that makes a single result of all results.

    items --> map 1 --+                  (more than reduce_at_once results:
          --> map 2 --+--> reduce --> output      reduced in groups, then the groups)
          --> map n --+

    Source: MapReduce: simplified data processing on large clusters, Dean and Ghemawat, 2004.
    Cost: one step for each item and one reduction; of n results with k at once about n / (k - 1) reductions.
    Failures: an item that fails is in `failures` by its number; the reduction runs when `min_successes` items succeeded
    (default: all) and is told which are missing, else ITEMS_FAILED. A reduction that fails: REDUCE_FAILED, also when
    only one group of many does: nothing is left out silently. All results of items stay in `outputs`.
    """

    takes = MapReduceInput

    @workflow.run
    async def run(self, *payload: JsonValue) -> MapReduceResult:
        """Run to the end."""
        return await self.conduct(MapReduceInput, MapReduceResult, payload, self._work)

    async def _work(self, given: MapReduceInput) -> Found:
        items = given.everything
        self.team.stage("map", len(items) + 1)
        steps = [map_step(given.map, given.goal, item, number) for number, item in enumerate(items, start=1)]
        ended = list(enumerate(await self.team.ask_all(steps, given.max_concurrent), start=1))
        outputs = {number: done.output for number, done in ended if done.success}
        failures = {number: done.error for number, done in ended if done.error is not None}
        details = {"outputs": outputs, "failures": failures}
        needed = given.min_successes or len(items)
        missing = ", ".join(str(number) for number in failures)
        reached: list[JsonValue] = list(outputs.values())
        if len(outputs) < needed:
            words = f"{len(outputs)} of {len(items)} items succeeded, {needed} must; failed: {missing}"
            return Found(reached, details, ErrorInfo.of("ITEMS_FAILED", words))
        self.team.keep(reached, **details)
        mapped = [done.as_context(f"result of item {number}") for number, done in ended if done.success]
        last = await self._reduced(given, mapped, missing)
        if last.error is not None:
            words = f"{last.step.id} failed: {last.error.code}: {last.error.message}"
            return Found(reached, details, ErrorInfo.of("REDUCE_FAILED", words))
        return Found(last.output, details)

    async def _reduced(self, given: MapReduceInput, parts: Sequence[ContextItem], missing: str) -> Done:
        """The last reduction, or the first one that failed."""
        level = 0
        while True:
            level += 1
            grouped = groups(parts, given.reduce_at_once)
            self.team.stage(f"reduce, level {level}", len(given.everything) + len(grouped))
            steps = [_reduction(given, group, level, number, missing) for number, group in enumerate(grouped, start=1)]
            if len(steps) == 1:
                return await self.team.ask(replace(steps[0], output_schema=_last_schema(given)))
            ended = await self.team.ask_all(steps, given.max_concurrent)
            for done in ended:
                if not done.success:
                    return done
            parts = [done.as_context(f"part {number}") for number, done in enumerate(ended, start=1)]


def _last_schema(given: MapReduceInput) -> dict[str, JsonValue] | None:
    """What everything is reduced to fits the schema of the whole, unless the reduction has its own."""
    return given.reduce.output_schema or given.output_schema


def _reduction(given: MapReduceInput, parts: Sequence[ContextItem], level: int, number: int, missing: str) -> Step:
    name = f"{given.reduce.id or 'reduce'}-{level}-{number}"
    step = given.reduce.model_copy(update={"id": None}).step(name, given.goal, parts, level)
    gaps = f"\n\nThese items have no result: {missing}." if missing else ""
    return replace(step, goal=f"Make one result of those in the context.\n\n{step.goal}{gaps}")
