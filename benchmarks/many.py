"""How many turns a second 32 agents make together, beside 32 bare Temporal workflows with the same activities.

    uv run python benchmarks/many.py

One worker process serves both, on one embedded server, alternating; the model and the tool answer at once.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.worker import Worker

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, from anywhere

from benchmarks.floor import Floor, floor_call, floor_reply
from benchmarks.loop import IDS, echo
from perdure.testing import ALLOW_ALL, agents, call, local_server
from tests.samples import registry_of

AGENTS = 32
TURNS = 10
ROUNDS = 5
BOUND = 0.8


async def turns_a_second(start: Callable[[], Awaitable[WorkflowHandle[Any, Any]]]) -> float:
    """Turns a second of all runs from the first start to the last end."""
    begin = time.perf_counter()
    handles = await asyncio.gather(*(start() for _ in range(AGENTS)))
    await asyncio.gather(*(handle.result() for handle in handles))
    return AGENTS * TURNS / (time.perf_counter() - begin)


async def main() -> bool:
    """Print the medians; says whether the bound holds."""
    async with (
        local_server() as client,
        agents(registry_of(("pure", echo)), client=client) as env,
        Worker(client, task_queue="floor", workflows=[Floor], activities=[floor_reply, floor_call]),
    ):
        model = env.model([*(call("echo", n=n) for n in range(TURNS)), "done"])

        async def floor() -> WorkflowHandle[Any, Any]:
            return await client.start_workflow("Floor", TURNS, id=f"floor-{next(IDS)}", task_queue="floor")

        async def agent() -> WorkflowHandle[Any, Any]:
            return await env.start("go", model=model, policy=ALLOW_ALL)

        await turns_a_second(floor)
        await turns_a_second(agent)
        pairs = [(await turns_a_second(floor), await turns_a_second(agent)) for _ in range(ROUNDS)]
    bare, ours = (statistics.median(figures) for figures in zip(*pairs, strict=True))
    ratio = statistics.median(mine / theirs for theirs, mine in pairs)
    print(
        f"{AGENTS} x {TURNS} turns: floor {bare:.0f}, Agent {ours:.0f} turns a second, ratio {ratio:.2f} (>= {BOUND})"
    )
    return ratio >= BOUND


if __name__ == "__main__":
    good = asyncio.run(main())
    sys.stdout.flush()
    os._exit(0 if good else 1)
