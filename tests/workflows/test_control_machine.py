"""Random sequences of signals and updates through a real server, beside a naive model of a run.

`MACHINE_EXAMPLES=10000 scripts/test tests/workflows/test_control_machine.py` plays 200 of them.
"""

import asyncio
import os
from collections.abc import Iterable

import pytest
from temporalio.client import Client

from perdure.testing import Environment, agents
from tests.workflows.control_pair import Pair
from tests.workflows.gated import Gate, gated_tools

SEQUENCES = int(os.environ.get("MACHINE_EXAMPLES", "300")) // 50
STEPS = 25
AT_ONCE = 5


async def play(env: Environment, gates: dict[int, Gate], seeds: Iterable[int]) -> None:
    """Play sequences side by side."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> None:
        async with room:
            await Pair(env, seed, gates.setdefault(seed, Gate())).play(STEPS)

    async with asyncio.TaskGroup() as group:
        for seed in seeds:
            group.create_task(one(seed))


@pytest.mark.parametrize(("settings", "first"), [({}, 0), ({"rollover_events": 60}, 1)], ids=["plain", "rollover"])
async def test_a_run_is_like_the_model(client: Client, settings: dict[str, int], first: int) -> None:
    """States, queue, answers, requests, conversation and outcome are those of the model, also over continue-as-new.

    Every call has an answer whenever the model is asked, and at the end.
    """
    gates: dict[int, Gate] = {}
    async with agents(gated_tools(gates), client=client, settings=settings) as env:
        await play(env, gates, range(first, SEQUENCES, 2))
