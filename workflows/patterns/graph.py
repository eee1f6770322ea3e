"""The workflow `Graph`."""

from temporalio import workflow

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.graph import GraphInput, GraphResult, Skipped, TaskStatus, sinks
from perdure.domain.patterns.steps import Done, Found
from workflows.patterns.pattern import Pattern
from workflows.patterns.scheduling import Turn, schedule

__all__ = ["Graph"]

MAX_WORDS = 2_000


@workflow.defn(name="Graph")
class Graph(Pattern):
    """Tasks that need each other: each begins as soon as all it needs is done, with those outputs as context.

    a --+--> c --+--> e          a and b at once, c when both are done, d when b is
    b --+        |
        +--> d --+

    Source: an orchestrator's task graph, as in An LLM compiler for parallel function calling, Kim et al., 2024.
    Cost: the model calls of each task. Failures: unknown needs, ids that are the same and cycles are refused before
    anything runs, all at once. A task that fails (after its retries) stops nobody but those that need it, directly or
    not: they are not run, `skipped` says why; all others run to their end. The whole succeeds when every task did.
    """

    takes = GraphInput

    @workflow.run
    async def run(self, *payload: JsonValue) -> GraphResult:
        """Run to the end."""
        return await self.conduct(GraphInput, GraphResult, payload, self._work)

    async def _work(self, given: GraphInput) -> Found:
        self.team.stage("tasks", len(given.tasks))
        nodes = {node.id: node for node in given.nodes}
        tasks = dict(zip(nodes, given.tasks, strict=True))
        status: dict[str, TaskStatus] = {}
        outputs: dict[str, JsonValue] = {}
        failures: dict[str, ErrorInfo] = {}
        skipped: dict[str, str] = {}
        details = {"status": status, "outputs": outputs, "failures": failures, "skipped": skipped}
        self.team.keep(outputs, **details)

        async def run_one(turn: Turn) -> Done:
            context = [done.as_context() for done in turn.needed.values()]
            return await self.team.ask(tasks[turn.id].step(turn.id, given.goal, context), turn.parts)

        def ended(name: str, end: Done | Skipped) -> None:
            if isinstance(end, Skipped):
                status[name], skipped[name] = "skipped", end.reason
            elif end.error is not None:
                status[name], failures[name] = "failed", end.error
            else:
                status[name], outputs[name] = "done", end.output

        await schedule(nodes, run_one, given.max_concurrent, ended)
        if len(outputs) < len(nodes):
            words = f"{len(outputs)} of {len(nodes)} tasks are done; failed: {', '.join(failures)}"
            also = f"; not run because they need those: {', '.join(skipped)}" if skipped else ""
            error = ErrorInfo.of("TASKS_FAILED", (words + also)[:MAX_WORDS])
            return Found(dict(outputs), details, error)
        last = sinks(given.nodes)
        return Found(outputs[last[0]] if len(last) == 1 else {name: outputs[name] for name in last}, details)
