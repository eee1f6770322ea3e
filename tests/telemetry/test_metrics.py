"""What a worker counts: exactly once although each step is a replay, under bounded labels, as the dashboard asks."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from perdure.testing import eventually
from tests.telemetry.process import WorkerProcess, environment_of
from tests.wire import WireServer

DASHBOARD = Path(__file__).parents[2] / "deploy/grafana/perdure.json"
FUNCTIONS = {"sum", "min", "max", "by", "rate", "histogram_quantile", "label_values", "le"}
POLICY = {"rules": [{"tool": "charge", "level": "confirm"}, {"level": "none"}]}
USAGE = {"input": 100, "output": 20}
STEPS: list[dict[str, Any]] = [
    {"calls": [{"tool": "peek", "arguments": {"n": 1}}, {"tool": "stumble", "arguments": {"n": 2}}], "usage": USAGE},
    {"calls": [{"tool": "charge", "arguments": {"n": 3}}, {"tool": "invented-by-model", "arguments": {}}]},
    {"text": "done", "usage": USAGE},
]
MODEL = "anthropic:claude-opus-5"


async def approve_all(handle: WorkflowHandle[Any, Any]) -> None:
    """Say yes to the one request."""

    async def pending() -> list[dict[str, Any]]:
        return (await handle.query("pending_approvals"))["requests"]

    (request,) = await eventually(pending, lambda found: len(found) == 1, 40)
    await handle.signal("approve", {"request_id": request["request_id"], "approver": "tester"})


async def measured(client: Client, queue: str, folder: Path) -> tuple[dict[str, float], Any]:
    """What /metrics says after a run with an approval, a failing tool and a replay at each step; and its result."""
    with WireServer(STEPS) as wire:
        worker = WorkerProcess(wire.env() | environment_of(client, queue, folder), folder / "log", forgetful=True)
        with worker.running():
            await worker.until_ready()
            given = {"goal": "work", "model": MODEL, "policy": POLICY}
            handle = await client.start_workflow("Agent", given, id=queue, task_queue=queue)
            await approve_all(handle)
            result = await asyncio.wait_for(handle.result(), 60)
            samples = await eventually(worker.samples, lambda found: total(found, "perdure_runs_ended_total") == 1)
    assert result["success"], result
    return samples, result


def total(samples: dict[str, float], name: str, **labels: str) -> float:
    """Sum of the series of this name that bear these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(
        value
        for series, value in samples.items()
        if series.partition("{")[0] == name and all(part in series for part in wanted)
    )


def metrics_of(expression: str) -> set[str]:
    """Names of the metrics in a query: what is left without labels, durations and functions."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|by \([^)]*\)|\"[^\"]*\"", " ", expression)
    return {word for word in re.findall(r"[a-z][a-z_]+", bare) if "_" in word} - FUNCTIONS


async def test_nothing_is_counted_twice_although_every_step_replays_the_run(client: Client, tmp_path: Path) -> None:
    """Turns, calls, tokens, the approval and the end of one run, each exactly as often as it happened."""
    samples, result = await measured(client, "counted", tmp_path)
    assert total(samples, "perdure_turns_total") == result["turns"] == len(STEPS)
    assert total(samples, "perdure_tool_calls_total") == 4
    assert total(samples, "perdure_tool_calls_total", tool="peek", outcome="ok") == 1
    assert total(samples, "perdure_tool_calls_total", tool="stumble", outcome="EXECUTION_ERROR") == 1
    assert total(samples, "perdure_tool_calls_total", tool="unknown", outcome="UNKNOWN_TOOL") == 1
    assert total(samples, "perdure_tool_seconds_count") == 3
    usage = result["usage"]
    assert total(samples, "perdure_tokens_total", direction="input", model=MODEL) == usage["input_tokens"] > 0
    assert total(samples, "perdure_tokens_total", direction="output", model=MODEL) == usage["output_tokens"] > 0
    assert total(samples, "perdure_cost_usd_sum", model=MODEL) == pytest.approx(usage["cost_usd"])
    assert usage["cost_usd"] > 0
    assert total(samples, "perdure_model_seconds_count", outcome="calls") == 2
    assert total(samples, "perdure_model_seconds_count", outcome="end") == 1
    assert total(samples, "perdure_approval_wait_seconds_count", level="confirm", verdict="approve") == 1
    assert total(samples, "perdure_approval_wait_seconds_count") == 1
    assert total(samples, "perdure_runs_ended_total", stop_reason="completed", workflow_type="Agent") == 1
    assert "invented" not in "".join(samples)


async def test_every_metric_of_the_dashboard_is_there(client: Client, tmp_path: Path) -> None:
    """Its queries name nothing that a worker does not tell."""
    samples, _ = await measured(client, "shown", tmp_path)
    there = {series.partition("{")[0] for series in samples}
    board = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    queries += [item["query"] for item in board["templating"]["list"] if item["type"] == "query"]
    wanted = {name for query in queries for name in metrics_of(query)} - {"task_queue"}
    assert len(wanted) >= 12, wanted
    assert wanted - there == set()
    labels = {
        label for query in queries for found in re.findall(r"by \(([^)]*)\)", query) for label in found.split(", ")
    }
    text = "\n".join(samples)
    assert {label for label in labels if f'{label}="' not in text} == set()
