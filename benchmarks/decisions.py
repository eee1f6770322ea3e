"""How fast a decision by signal reaches the call that waits for it, beside a bare workflow's signal, as a ratio.

    uv run python benchmarks/decisions.py [--short]

Ours: from sending `approve` until the approved tool begins to run. Bare: from sending a signal to a workflow that only
waits for it, until the activity that it starts then begins to run. One client, one server, one process for both
workers with the same timeouts, both workflows in the cache, in turns; so both times hold the same three steps of
Temporal: signal, workflow task, start of an activity. Ours checks, records and shows the decision besides.
"""

import asyncio
import os
import statistics
import sys
import time
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, from anywhere

with workflow.unsafe.imports_passed_through():
    from benchmarks.figures import judge
    from perdure.runtime import TIMING
    from perdure.testing import Environment, agents, call, eventually, local_server
    from tests.samples import registry_of

ROUNDS, WARM, SHORT = 200, 10, 20
BOUND = 3.0


class Clock:
    """Hears when an activity begins."""

    def __init__(self) -> None:
        """Hear nothing yet."""
        self.begun = asyncio.Event()
        self.at = 0.0

    def ring(self) -> None:
        """An activity begins."""
        self.at = time.perf_counter()
        self.begun.set()


BARE, OURS = Clock(), Clock()


@activity.defn(name="bare.pay")
async def bare_pay(n: int) -> int:
    """Do nothing."""
    BARE.ring()
    return n


async def pay(n: int) -> int:
    """Do nothing."""
    OURS.ring()
    return n


@workflow.defn(name="Bare")
class Bare:
    """The least that waits for people: for each signal an activity."""

    def __init__(self) -> None:
        """Wait for the first signal."""
        self._signals = 0
        self._done = 0

    @workflow.run
    async def run(self, rounds: int) -> None:
        """Do an activity for each signal."""
        for n in range(rounds):
            await workflow.wait_condition(lambda: self._signals > self._done)
            await workflow.execute_activity(
                "bare.pay",
                n,
                start_to_close_timeout=timedelta(seconds=35),
                heartbeat_timeout=timedelta(seconds=5),
            )
            self._done += 1

    @workflow.signal(name="approve")
    def approve(self, _by: str) -> None:
        """Let the next one go."""
        self._signals += 1

    @workflow.query(name="done")
    def done(self) -> int:
        """How many activities are over."""
        return self._done


async def timed(handle: "WorkflowHandle[object, object]", payload: object, clock: Clock) -> float:
    """Milliseconds from sending a signal until the activity behind it begins."""
    clock.begun.clear()
    begin = time.perf_counter()
    await handle.signal("approve", payload)
    await clock.begun.wait()
    return (clock.at - begin) * 1000


async def bare(handle: "WorkflowHandle[object, object]", number: int) -> float:
    """One signal to the bare workflow, once it waits for it."""

    async def done() -> int:
        return await handle.query("done")

    await eventually(done, lambda over: over == number)
    return await timed(handle, "ada", BARE)


async def ours(env: Environment, handle: "WorkflowHandle[object, object]") -> float:
    """One decision, once it is waited for."""
    (request,) = await env.pending()
    return await timed(handle, {"request_id": request.request_id, "approver": "ada"}, OURS)


async def measured(client: Client, env: Environment, rounds: int) -> list[tuple[float, float]]:
    """Pairs of times, first one workflow's and then the other's, changing which is first."""
    floor = await client.start_workflow("Bare", rounds, id="bare", task_queue="bare")
    limits = {"turns": rounds + 1, "tool_calls": rounds}
    agent = await env.start("go", model=env.model([*(call("pay", n=n) for n in range(rounds)), "done"]), limits=limits)
    pairs: list[tuple[float, float]] = []
    for number in range(rounds):
        if number % 2:
            theirs, mine = await bare(floor, number), await ours(env, agent)
        else:
            mine, theirs = await ours(env, agent), await bare(floor, number)
        pairs.append((theirs, mine))
    await floor.result()
    assert (await agent.result()).success
    return pairs[WARM:]


async def main(rounds: int) -> bool:
    """Print the medians; says whether the bound holds."""
    async with (
        local_server() as client,
        agents(registry_of(("once", pay)), client=client) as env,
        Worker(client, task_queue="bare", workflows=[Bare], activities=[bare_pay], **TIMING),
    ):
        pairs = await measured(client, env, rounds + WARM)
    theirs, mine = (statistics.median(times) for times in zip(*pairs, strict=True))
    late = statistics.quantiles((mine for _, mine in pairs), n=20)[-1]
    print(
        f"{rounds} decisions: bare signal {theirs:.1f} ms, ours {mine:.1f} ms, 95 % of ours in {late:.1f} ms (medians)"
    )
    return judge("median of ours over bare", statistics.median(mine / theirs for theirs, mine in pairs), BOUND)


if __name__ == "__main__":
    good = asyncio.run(main(SHORT if "--short" in sys.argv else ROUNDS))
    sys.stdout.flush()
    os._exit(0 if good or "--short" in sys.argv else 1)
