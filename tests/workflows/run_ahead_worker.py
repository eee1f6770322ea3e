"""A worker process for test_run_ahead: its workflow remembers the times at which it went on."""

import asyncio
import random
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from perdure.runtime import TIMING, PerdurePlugin

__all__ = ["QUEUE", "Times", "main"]

QUEUE = "run-ahead"
KILLED = 1
"""The step in which the worker is killed."""


@activity.defn
async def step(number: int, _: str) -> None:
    """Hang until the worker is killed, then end at any moment."""
    if number != KILLED:
        return
    while activity.info().attempt == 1:
        activity.heartbeat()
        await asyncio.sleep(0.2)
    await asyncio.sleep(random.uniform(0, 3))  # noqa: S311 - any moment will do


@workflow.defn
class Times:
    """Goes on when a step has ended; each step is told the time at which it began."""

    def __init__(self) -> None:
        """Nothing has begun."""
        self._times: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        """Take four steps."""
        for number in range(4):
            self._times.append(workflow.now().isoformat())
            await workflow.execute_activity(
                step,
                args=[number, self._times[-1]],
                start_to_close_timeout=timedelta(seconds=30),
                heartbeat_timeout=timedelta(seconds=1),
                retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100)),
            )
        return self._times

    @workflow.query
    def times(self) -> list[str]:
        """When each step began."""
        return self._times


async def main(address: str) -> None:
    """Work until killed."""
    client = await Client.connect(address, plugins=[PerdurePlugin()])
    async with Worker(client, task_queue=QUEUE, workflows=[Times], activities=[step], **TIMING):
        await asyncio.Event().wait()
