"""Every pattern at once on one worker that is killed three times: each comes to the same result."""

import asyncio
import base64
import json
import random
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from perdure.testing import eventually, local_server
from tests.chaos.workers import environment_of, kept_worker
from tests.patterns.cases import CASES, Case
from tests.patterns.http_model import CaseModel
from tests.replay.record import HISTORIES

SECONDS = 240.0
KILLS = 3
Results = dict[str, dict[str, Any]]


async def progress(runs: list[WorkflowHandle[Any, Any]]) -> int:
    """Events of all runs so far."""
    described = await asyncio.gather(*(run.describe() for run in runs))
    return sum(each.history_length for each in described)


def recorded(case: Case) -> list[dict[str, Any]]:
    """Events of the case in its recorded history, where nobody was killed."""
    return json.loads((HISTORIES / f"pattern-{case.name}.json").read_text(encoding="utf-8"))["events"]


def undisturbed(case: Case) -> dict[str, Any]:
    """The result in the recorded history."""
    result = recorded(case)[-1]["workflowExecutionCompletedEventAttributes"]["result"]
    return json.loads(base64.b64decode(result["payloads"][0]["data"]))


async def play(client: Client, folder: Path) -> Results:
    """Start all cases, kill the worker at three moments, and wait for the results."""
    name, total = "patterns", sum(len(recorded(case)) for case in CASES)
    points = sorted(random.Random(7).sample(range(total // 10, total * 8 // 10), KILLS))  # noqa: S311 - reproducible
    with CaseModel(CASES) as model:
        environment = model.env() | environment_of(client, name, folder)
        async with kept_worker(environment, folder / "worker.log") as worker:
            runs = [
                await client.start_workflow(
                    case.workflow,
                    {**case.input, "model": f"openai-chat:{case.name}"},
                    id=f"{name}-{case.name}",
                    task_queue=name,
                )
                for case in CASES
            ]
            for point in points:
                await eventually(lambda: progress(runs), lambda seen, point=point: seen >= point, SECONDS)
                await eventually(worker.kill, bool, SECONDS)
            results = await asyncio.wait_for(asyncio.gather(*(run.result() for run in runs)), SECONDS)
        assert len(worker.deaths) >= KILLS
    return {case.name: result for case, result in zip(CASES, results, strict=True)}


@pytest.fixture(scope="module")
async def results(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Results]:
    """What all cases came to, by name."""
    async with local_server() as client:
        yield await play(client, tmp_path_factory.mktemp("patterns"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_pattern_survives_the_death_of_its_worker(case: Case, results: Results) -> None:
    """The result is the expected one, after as many turns and tool calls as without a kill."""
    result = results[case.name]
    assert case.seen(result) == case.expect
    before = undisturbed(case)
    counts = ("turns", "tool_calls", "stop_reason")
    assert [result[name] for name in counts] == [before[name] for name in counts]
    assert sorted(step["step_id"] for step in result["steps"]) == sorted(step["step_id"] for step in before["steps"])
