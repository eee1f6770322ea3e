"""The floor of `benchmarks/patterns.py`: a bare workflow with bare children, and what Temporal itself costs."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow

from benchmarks.floor import TEXT

__all__ = ["BareAgent", "BareParallel", "bare_prepare", "bare_reply"]

QUICK = timedelta(seconds=30)


@activity.defn
async def bare_prepare(goal: str) -> str:
    """Resolve nothing."""
    return goal


@activity.defn
async def bare_reply(goal: str) -> str:
    """Answer at once."""
    return f"{TEXT}{goal}"


@workflow.defn
class BareAgent:
    """One child of the floor."""

    @workflow.run
    async def run(self, goal: str) -> str:
        """Resolve, then ask once."""
        await workflow.execute_activity(bare_prepare, goal, start_to_close_timeout=QUICK)
        return await workflow.execute_activity(bare_reply, goal, start_to_close_timeout=QUICK)


@workflow.defn
class BareParallel:
    """The floor: children side by side."""

    @workflow.run
    async def run(self, width: int) -> list[str]:
        """Start all, wait for all."""
        identity = workflow.info().workflow_id
        await workflow.execute_activity(bare_prepare, identity, start_to_close_timeout=QUICK)
        children = [
            workflow.execute_child_workflow(BareAgent.run, str(number), id=f"{identity}.{number}")
            for number in range(width)
        ]
        return await asyncio.gather(*children)
