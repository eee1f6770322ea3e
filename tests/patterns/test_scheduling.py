"""When the tasks of a graph begin, by the history of the real workflow over steps that end at once."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Worker

from perdure.domain.agents import AgentSpec
from perdure.domain.model import JsonValue
from perdure.domain.patterns.graph import GraphResult, Node, Skipped
from perdure.domain.patterns.steps import Done, Step
from perdure.domain.run import RunResult, Setup, StopReason, Usage
from workflows.patterns.graph import Graph
from workflows.patterns.scheduling import Turn, schedule
from workflows.patterns.team import not_run


@workflow.defn(name="Agent", sandboxed=False)
class Instant:
    """Stands in for an agent: it says its goal at once."""

    @workflow.run
    async def run(self, given: dict[str, JsonValue]) -> RunResult:
        """Succeed."""
        done = StopReason.COMPLETED
        return RunResult(success=True, output=given["goal"], stop_reason=done, turns=1, tool_calls=0, usage=Usage())


@activity.defn(name="run.prepare")
async def prepare(_given: dict[str, JsonValue]) -> Setup:
    """Stands in for the activity that resolves the agent."""
    return Setup(agent=AgentSpec(name="default"), model="none", instructions="")


@asynccontextmanager
async def graphs(client: Client, queue: str) -> AsyncGenerator[None]:
    """A worker for graphs whose agents are instant."""
    async with Worker(client, task_queue=queue, workflows=[Graph, Instant], activities=[prepare]):
        yield


async def run(
    client: Client, queue: str, tasks: list[dict[str, Any]], at_once: int
) -> tuple[GraphResult, WorkflowHistory]:
    """The result of a graph of these tasks, and its history."""
    async with graphs(client, queue):
        handle = await client.start_workflow(
            "Graph",
            {"goal": "go", "tasks": tasks, "max_concurrent": at_once},
            id=queue,
            task_queue=queue,
            result_type=GraphResult,
        )
        return await handle.result(), await handle.fetch_history()


class Times:
    """Which event closed each task, and which workflow task began it; `handled` is its start by its completion."""

    def __init__(self, history: WorkflowHistory) -> None:
        self.begun: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self.handled: dict[int, int] = {}
        names: dict[str, str] = {}
        for event in history.events:
            start = event.start_child_workflow_execution_initiated_event_attributes
            if start.workflow_id:
                names[start.workflow_id] = json.loads(start.input.payloads[0].data)["goal"]
                self.begun[names[start.workflow_id]] = start.workflow_task_completed_event_id
            end = event.child_workflow_execution_completed_event_attributes
            if end.started_event_id:
                self.ended[names[end.workflow_execution.workflow_id]] = event.event_id
            if event.HasField("workflow_task_completed_event_attributes"):
                self.handled[event.event_id] = event.workflow_task_completed_event_attributes.started_event_id

    def first_to_see(self, event: int) -> int:
        """The completion of the first workflow task that began after this event."""
        return min(number for number, seen in self.handled.items() if seen > event)


def plan(count: int) -> list[dict[str, Any]]:
    """Tasks that need two of the tasks before them, close by and far."""
    return [
        {"id": f"t{n}", "goal": f"t{n}", "needs": [f"t{m}" for m in sorted({n - 9, n // 2}) if m >= 0 and n > 4]}
        for n in range(count)
    ]


async def test_each_task_begins_in_the_workflow_task_after_its_last_need(client: Client) -> None:
    """Of 200 tasks: the child is started by the first workflow task that saw the end of the last one it needs."""
    tasks = plan(200)
    result, history = await run(client, "graph-200", tasks, 100)
    assert (result.success, len(result.outputs)) == (True, 200)
    times = Times(history)
    due = {
        task["id"]: times.first_to_see(max(times.ended[need] for need in task["needs"]))
        for task in tasks
        if task["needs"]
    }
    assert len(due) == 195
    assert {name: times.begun[name] for name in due} == due
    assert len({times.begun[f"t{n}"] for n in range(5)}) == 1


async def test_a_freed_place_is_taken_at_once(client: Client) -> None:
    """With three places for tasks that need nothing, the fourth begins in the workflow task that saw the first end."""
    tasks = [{"id": f"t{n}", "goal": f"t{n}", "priority": n} for n in range(12)]
    _, history = await run(client, "graph-places", tasks, 3)
    times = Times(history)
    order = sorted(times.begun, key=lambda name: (times.begun[name], -int(name[1:])))
    assert order == [f"t{n}" for n in reversed(range(12))]
    ends = sorted(times.ended.values())
    assert [times.begun[name] for name in order[3:]] == [times.first_to_see(end) for end in ends[:9]]


@workflow.defn(name="Thousand", sandboxed=False)
class Thousand:
    """Schedules 1,000 tasks that end at once, of which one fails, all in one workflow task."""

    @workflow.run
    async def run(self) -> dict[str, str]:
        """Say how those ended that were not done, and how many were."""
        nodes = {f"t{n}": Node(f"t{n}", (f"t{n - 100}",) if n >= 100 else ()) for n in range(1_000)}

        async def run_one(turn: Turn) -> Done:
            await asyncio.sleep(0)
            failed = not_run(Step(id=turn.id, goal="go"), "BAD", "it is bad")
            return failed if turn.id == "t700" else replace(failed, error=None)

        ends = await schedule(nodes, run_one, 100)
        done = [name for name, end in ends.items() if isinstance(end, Done) and end.success]
        skipped = {name: end.reason for name, end in ends.items() if isinstance(end, Skipped)}
        return {**skipped, "done": str(len(done)), "ordered": str(list(ends) == list(nodes))}


async def test_a_thousand_tasks_are_no_work_to_schedule(client: Client) -> None:
    """It stays within the two seconds of a workflow task; what needs the failed one is not run, all else is."""
    async with Worker(client, task_queue="thousand", workflows=[Thousand]):
        handle = await client.start_workflow(Thousand.run, id="thousand", task_queue="thousand")
        assert await handle.result() == {
            "t800": "it needs 't700', which failed",
            "t900": "it needs 't700', which failed",
            "done": "997",
            "ordered": "True",
        }
    times = Times(await handle.fetch_history())
    assert len(times.handled) == 1
