"""Keeps the server told that an activity is alive, which is also how a cancellation reaches it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from temporalio import activity

__all__ = ["heartbeating"]

FALLBACK_SECONDS = 1.0


@asynccontextmanager
async def heartbeating() -> AsyncGenerator[None]:
    """Heartbeat at a third of the activity's heartbeat timeout for as long as the block runs."""
    timeout = activity.info().heartbeat_timeout
    interval = timeout.total_seconds() / 3 if timeout else FALLBACK_SECONDS

    async def beat() -> None:
        while True:
            # The first beat comes after an interval: each is a call to the server, and most activities end before.
            await asyncio.sleep(interval)
            activity.heartbeat()

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
