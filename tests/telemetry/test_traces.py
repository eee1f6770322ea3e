"""One trace for each run, across replays, workers and continue-as-new, without a word of what the run says."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from perdure.testing import ALLOW_ALL, eventually
from tests.telemetry.collector import Collector, Seen
from tests.telemetry.process import WorkerProcess, environment_of
from tests.wire import WireServer

STEPS: list[dict[str, Any]] = [
    {"text": "secret thoughts", "calls": [{"tool": "peek", "arguments": {"n": 1}}]},
    {"calls": [{"tool": "peek", "arguments": {"n": 2}}, {"tool": "stumble", "arguments": {"n": 3}}]},
    {"text": "secret answer"},
]


async def start(client: Client, queue: str, model: str, **more: Any) -> WorkflowHandle[Any, Any]:
    """Start a run as the `temporal` CLI would, without a trace of its own."""
    given = {"goal": "secret goal", "model": model, "policy": ALLOW_ALL, **more}
    return await client.start_workflow("Agent", given, id=queue, task_queue=queue)


async def all_spans(collector: Collector, worker: WorkerProcess) -> list[Seen]:
    """What the collector has once the worker has drained."""
    worker.terminate()
    assert await asyncio.to_thread(worker.process.wait, 40) == 0, worker.words[-2000:]
    return collector.spans


@pytest.mark.parametrize("model", ["anthropic:claude-any", "openai:gpt-any", "openai-chat:any"])
async def test_a_run_that_is_replayed_at_each_step_leaves_one_trace_with_one_span_per_call(
    client: Client, tmp_path: Path, model: str
) -> None:
    """Also where the SDK of the provider traces its calls itself."""
    queue = f"traced-{model.partition(':')[0]}"
    with WireServer(STEPS) as wire, Collector() as collector:
        environment = wire.env() | collector.environment() | environment_of(client, queue, tmp_path)
        worker = WorkerProcess(environment, tmp_path / "log", forgetful=True)
        with worker.running():
            await worker.until_ready()
            handle = await start(client, queue, model)
            result = await asyncio.wait_for(handle.result(), 60)
            spans = await all_spans(collector, worker)
    assert result["success"], result
    described = await handle.describe()
    assert {span.trace for span in spans} == {described.run_id.replace("-", "")}
    assert len({span.id for span in spans}) == len(spans)
    name = model.partition(":")[2]
    counts = collector.counts()
    assert counts[f"chat {name}"] == len(STEPS)
    assert (counts["execute_tool peek"], counts["execute_tool stumble"]) == (2, 1)
    assert counts["RunWorkflow:Agent"] == 1
    assert counts["StartActivity:llm.reply"] == counts["RunActivity:llm.reply"] == len(STEPS)
    assert Counter(span.attributes.get("gen_ai.operation.name") for span in spans)["chat"] == len(STEPS)
    check_parents(spans, collector)
    check_chat(collector.named("chat ")[0], queue, name, model.partition("-")[0].partition(":")[0])
    check_tool(collector.named("execute_tool stumble")[0], queue, "stumble")
    assert b"secret" not in collector.raw


def check_parents(spans: list[Seen], collector: Collector) -> None:
    """Only the run has no parent, and calls stand under their activities."""
    by_id = {span.id: span for span in spans}
    assert [span.name for span in spans if span.parent not in by_id] == ["RunWorkflow:Agent"]
    assert {by_id[span.parent].name for span in collector.named("chat ")} == {"RunActivity:llm.reply"}
    assert {by_id[span.parent].name for span in collector.named("execute_tool ")} == {"RunActivity:tools.call"}


def check_chat(span: Seen, queue: str, model: str, provider: str) -> None:
    """By the GenAI conventions of OpenTelemetry."""
    found = span.attributes
    assert (found["gen_ai.provider.name"], found["gen_ai.request.model"]) == (provider, model)
    assert found["gen_ai.conversation.id"] == queue
    assert found["gen_ai.usage.input_tokens"] > 0
    assert found["gen_ai.usage.output_tokens"] > 0
    assert found["gen_ai.response.finish_reasons"] == ["calls"]
    assert (span.service, span.kind, found["gen_ai.operation.name"]) == ("forgetful", "CLIENT", "chat")


def check_tool(span: Seen, queue: str, tool: str) -> None:
    """A call that failed, by the same conventions."""
    found = span.attributes
    assert (found["gen_ai.operation.name"], found["gen_ai.tool.name"]) == ("execute_tool", tool)
    assert (found["gen_ai.tool.type"], found["gen_ai.conversation.id"]) == ("function", queue)
    assert (span.kind, found["error.type"]) == ("INTERNAL", "EXECUTION_ERROR")


async def test_a_killed_worker_and_its_successor_leave_one_trace(client: Client, tmp_path: Path) -> None:
    """The call that was cut off is told by the worker that made it again; nothing is told twice."""
    gate = tmp_path / "gate"
    steps: list[dict[str, Any]] = [
        {"calls": [{"tool": "peek", "arguments": {"n": 1}}]},
        {"calls": [{"tool": "linger", "arguments": {"path": str(gate)}}]},
        {"text": "done"},
    ]
    with WireServer(steps) as wire, Collector() as collector:
        environment = wire.env() | collector.environment() | environment_of(client, "killed", tmp_path)
        first, second = (WorkerProcess(environment, tmp_path / name) for name in ("first", "second"))

        async def begun() -> bool:
            return gate.with_name("gate.begun").exists() and collector.counts()["chat any"] == 2

        with first.running():
            handle = await start(client, "killed", "openai-chat:any")
            await eventually(begun, bool, 60)
        gate.touch()
        with second.running():
            result = await asyncio.wait_for(handle.result(), 60)
            spans = await all_spans(collector, second)
    assert result["success"], result
    run_id = (await handle.describe()).run_id
    assert {span.trace for span in spans} == {run_id.replace("-", "")}
    counts = collector.counts()
    assert counts["chat any"] == 3
    assert (counts["execute_tool peek"], counts["execute_tool linger"]) == (1, 1)
    assert counts["RunWorkflow:Agent"] == 1
    assert len({span.id for span in spans}) == len(spans)


async def test_signals_and_continue_as_new_stay_in_the_trace_of_the_first_run(client: Client, tmp_path: Path) -> None:
    """The sender of the signal knows no trace, and the last run has another id than the first."""
    steps = [{"calls": [{"tool": "charge", "arguments": {"n": n}}]} for n in range(8)]
    with WireServer([*steps, {"text": "done"}]) as wire, Collector() as collector:
        environment = wire.env() | collector.environment() | environment_of(client, "rolled", tmp_path)
        worker = WorkerProcess(environment | {"PERDURE_ROLLOVER_EVENTS": "40"}, tmp_path / "log")
        with worker.running():
            handle = await start(client, "rolled", "openai-chat:any")
            first = (await handle.describe()).run_id
            await handle.signal("steer", {"text": "go on"})
            result = await asyncio.wait_for(handle.result(), 60)
            spans = await all_spans(collector, worker)
    assert result["success"], result
    last = (await client.get_workflow_handle("rolled").describe()).run_id
    assert last != first
    assert {span.trace for span in spans} == {first.replace("-", "")}
    counts = collector.counts()
    assert counts["RunWorkflow:Agent"] > 1
    assert counts["HandleSignal:steer"] == 1
    assert (counts["chat any"], counts["execute_tool charge"]) == (9, 8)


async def test_a_child_and_a_signal_to_it_stay_in_the_trace_of_the_root(client: Client, tmp_path: Path) -> None:
    """The child is told something by somebody who knows no trace, while its tool call goes on."""
    gate = tmp_path / "gate"
    delegated = {"tool": "delegate", "arguments": {"agent": "default", "goal": "secret goal of the child"}}
    waiting = {"tool": "linger", "arguments": {"path": str(gate)}}
    with WireServer([{"calls": [delegated, waiting]}, {"text": "done"}]) as wire, Collector() as collector:
        environment = wire.env() | collector.environment() | environment_of(client, "family", tmp_path)
        worker = WorkerProcess(environment, tmp_path / "log")

        async def begun() -> bool:
            return gate.with_name("gate.begun").exists()

        with worker.running():
            limits = {"depth": 1}
            handle = await start(client, "family", "openai-chat:any", limits=limits, tools=["delegate", "linger"])
            await eventually(begun, bool, 40)
            await client.get_workflow_handle("family.1").signal("steer", {"text": "secret hint"})
            gate.touch()
            result = await asyncio.wait_for(handle.result(), 60)
            spans = await all_spans(collector, worker)
    assert result["success"], result
    assert {span.trace for span in spans} == {(await handle.describe()).run_id.replace("-", "")}
    assert (collector.counts()["RunWorkflow:Agent"], collector.counts()["HandleSignal:steer"]) == (2, 1)
    assert b"secret" not in collector.raw
