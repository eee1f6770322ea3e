"""Tells an embedded worker when it is no longer needed: no run of its task queue has been open for a while."""

import asyncio
import time

import structlog
from temporalio.client import Client, RPCError

__all__ = ["until_idle"]

log = structlog.get_logger()
LOOK_EVERY = 15.0


async def until_idle(client: Client, task_queue: str, seconds: float) -> None:
    """Return once no run has been open on `task_queue` for `seconds`, or the server has been gone that long."""
    busy = time.monotonic()
    while time.monotonic() - busy < seconds:
        await asyncio.sleep(min(LOOK_EVERY, seconds))
        try:
            open_runs = await client.count_workflows(f'ExecutionStatus="Running" AND TaskQueue="{task_queue}"')
        except RPCError as error:
            log.warning("worker.server_unreachable", error=str(error))
            continue
        if open_runs.count:
            busy = time.monotonic()
    log.info("worker.idle", seconds=seconds)
