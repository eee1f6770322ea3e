"""What 32 agents side by side cost beside a bare Temporal workflow with as many children and the same activities.

    uv run python benchmarks/patterns.py [--short]

Both run on one embedded server, in one process, alternating; the model answers at once. The bare floor starts 32
child workflows, each of which resolves itself and asks the model once: the same activities that our `Parallel` needs.
"""

import asyncio
import os
import statistics
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, from anywhere

from benchmarks.floor import TEXT
from benchmarks.floor_patterns import BareAgent, BareParallel, bare_prepare, bare_reply
from perdure.domain.patterns.parallel import ParallelResult
from perdure.testing import Environment, agents, local_server
from tests.samples import registry_of

AGENTS = 32
ROUNDS = 5
BOUND = 1.5
IDS = count(1)


async def timed(handle: WorkflowHandle[Any, Any]) -> float:
    """Milliseconds until the run that has just started has ended."""
    begin = time.perf_counter()
    result = await handle.result()
    assert isinstance(result, list) or result.success, result
    return (time.perf_counter() - begin) * 1000


async def floor(client: Client) -> float:
    """One run of the floor."""
    return await timed(await client.start_workflow("BareParallel", AGENTS, id=f"floor-{next(IDS)}", task_queue="floor"))


async def ours(env: Environment, model: str) -> float:
    """One run of `Parallel`."""
    branches = [{"goal": f"say {number}"} for number in range(AGENTS)]
    given = {"model": model, "branches": branches, "max_concurrent": AGENTS, "tools": []}
    return await timed(await env.start_pattern("Parallel", ParallelResult, "go", **given))


async def main(rounds: int) -> bool:
    """Print the ratio; says whether it holds."""
    async with (
        local_server() as client,
        agents(registry_of(), client=client) as env,
        Worker(
            client,
            task_queue="floor",
            workflows=[BareParallel, BareAgent],
            activities=[bare_prepare, bare_reply],
        ),
    ):
        model = env.model([TEXT])
        await floor(client)
        await ours(env, model)
        pairs = [(await floor(client), await ours(env, model)) for _ in range(rounds)]
    bare, mine = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(own / theirs for theirs, own in pairs)
    print(f"{AGENTS} agents: floor {bare:.0f} ms, Parallel {mine:.0f} ms, ratio {ratio:.2f} (<= {BOUND})")
    return ratio <= BOUND


if __name__ == "__main__":
    good = asyncio.run(main(1 if "--short" in sys.argv else ROUNDS))
    sys.stdout.flush()
    os._exit(0 if good or "--short" in sys.argv else 1)
