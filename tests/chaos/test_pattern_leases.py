"""A five-level decomposition under SIGKILLs of its worker: the leases hold, by what the model was really asked."""

import asyncio
import json
from pathlib import Path

from temporalio.client import Client

from perdure.testing import eventually
from tests.chaos.workers import KeptWorker, environment_of, kept_worker
from tests.wire import WireServer

LIMIT = 8_000
KILLS = (2, 5)
"""Model calls after which the worker is killed, in the middle of the next one."""
USAGE = {"input": 60, "output": 20}
PLAN = json.dumps({"direct": False, "subtasks": ["one half", "the other half"]})


async def kill(worker: KeptWorker, wire: WireServer) -> None:
    """Kill the worker while the model answers."""
    for calls in KILLS:

        async def asked() -> int:
            return len(wire.log)

        await eventually(asked, lambda count, calls=calls: count > calls, 120)
        before = len(worker.deaths)
        await eventually(worker.kill, bool, 30)
        await eventually(worker.count_deaths, lambda count, before=before: count > before, 30)


async def test_a_killed_worker_does_not_widen_the_limit_of_the_root(client: Client, tmp_path: Path) -> None:
    """What is counted is within the limit; beyond it were asked at most the calls whose answers died with a worker."""
    with WireServer([{"text": PLAN, "usage": USAGE, "delay": 0.2}]) as wire:
        environment = wire.env() | environment_of(client, "chaos-leases", tmp_path)
        async with kept_worker(environment, tmp_path / "worker.log") as worker:
            handle = await client.start_workflow(
                "Decompose",
                {
                    "goal": "the whole",
                    "agent": {"name": "plain", "instructions": "You divide.", "tools": []},
                    "model": "openai-chat:any",
                    "max_depth": 5,
                    "max_subtasks": 2,
                    "max_concurrent": 1,
                    "limits": {"depth": 6, "tokens": LIMIT},
                },
                id="chaos-leases",
                task_queue="chaos-leases",
            )
            killer = asyncio.create_task(kill(worker, wire))
            result = await asyncio.wait_for(handle.result(), 150)
            await killer
            deaths = len(worker.deaths)
        asked = len(wire.log)
    used = result["usage"]["input_tokens"] + result["usage"]["output_tokens"]
    one = sum(USAGE.values())
    assert deaths == len(KILLS)
    assert used == one * result["turns"]
    assert max(KILLS) * one < used <= LIMIT
    assert result["turns"] <= asked <= result["turns"] + deaths
    assert asked * one <= LIMIT
