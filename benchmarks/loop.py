"""What a turn of our `Agent` costs beside a bare Temporal workflow with the same activities, as a ratio.

    uv run python benchmarks/loop.py [--short]

Both run on one embedded server, in one process, alternating; the model and the tool answer at once. Absolute times
drift with the machine, the ratio does not.
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

from benchmarks.floor import TEXT, Floor, floor_call, floor_reply
from perdure.testing import ALLOW_ALL, Environment, agents, call, local_server
from tests.samples import registry_of

TURNS = (20, 200)
ROUNDS = 5
BOUND = 1.5
IDS = count(1)


async def echo(n: int) -> str:
    """Answer at once."""
    return f"{TEXT}{n}"


async def timed(handle: WorkflowHandle[Any, Any], turns: int) -> float:
    """Milliseconds per turn of a run that has just started."""
    begin = time.perf_counter()
    await handle.result()
    return (time.perf_counter() - begin) * 1000 / turns


async def floor(client: Client, turns: int) -> float:
    """One run of the floor."""
    return await timed(await client.start_workflow("Floor", turns, id=f"floor-{next(IDS)}", task_queue="floor"), turns)


async def agent(env: Environment, turns: int) -> float:
    """One run of our agent: `turns` tool calls and the answer."""
    model = env.model([*(call("echo", n=n) for n in range(turns)), "done"])
    limits = {"turns": turns + 1, "tool_calls": turns}
    return await timed(await env.start("go", model=model, policy=ALLOW_ALL, limits=limits), turns)


async def main(rounds: int) -> bool:
    """Print the ratios; says whether all hold."""
    held = True
    async with (
        local_server() as client,
        agents(registry_of(("pure", echo)), client=client) as env,
        Worker(client, task_queue="floor", workflows=[Floor], activities=[floor_reply, floor_call]),
    ):
        await floor(client, 20)
        await agent(env, 20)
        for turns in TURNS:
            pairs = [(await floor(client, turns), await agent(env, turns)) for _ in range(rounds)]
            bare, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
            ratio = statistics.median(mine / theirs for theirs, mine in pairs)
            held = held and ratio <= BOUND
            print(f"{turns:4d} turns: floor {bare:.1f} ms, Agent {ours:.1f} ms a turn, ratio {ratio:.2f} (<= {BOUND})")
    return held


if __name__ == "__main__":
    good = asyncio.run(main(1 if "--short" in sys.argv else ROUNDS))
    sys.stdout.flush()
    os._exit(0 if good or "--short" in sys.argv else 1)
