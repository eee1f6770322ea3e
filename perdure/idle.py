"""Tells an embedded worker when it is no longer needed: nothing to do for a while, or another server at its address."""

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager

import structlog
from temporalio.client import RPCError

from perdure.connect import Connection
from perdure.server_record import locate, resolved
from perdure.settings import Settings

__all__ = ["end_when_idle", "until_idle"]

log = structlog.get_logger()
LOOK_EVERY = 5.0


@contextmanager
def end_when_idle(
    ended: asyncio.Event, place: Connection, settings: Settings, seconds: float | None
) -> Generator[None]:
    """Within the block, set `ended` once `until_idle` says so; None: never."""
    if seconds is None:
        yield
        return
    idle = asyncio.create_task(until_idle(place, settings, seconds))
    idle.add_done_callback(lambda _: ended.set())
    try:
        yield
    finally:
        idle.cancel()


async def until_idle(place: Connection, settings: Settings, seconds: float) -> None:
    """Return once no run has been open on the task queue for `seconds`, or the server has been gone that long.

    At once when the address belongs to the embedded server of another home now: its runs are not for this worker,
    which has other scripts, tools and keys.
    """
    busy = time.monotonic()
    while time.monotonic() - busy < seconds:
        await asyncio.sleep(min(LOOK_EVERY, seconds))
        try:
            open_runs = await place.client.count_workflows(
                f'ExecutionStatus="Running" AND TaskQueue="{settings.task_queue}"'
            )
        except RPCError as error:
            log.warning("worker.server_unreachable", error=str(error))
            continue
        if place.embedded and not await asyncio.to_thread(_is_ours, place, settings):
            log.warning("worker.foreign_server", address=place.address)
            return
        if open_runs.count:
            busy = time.monotonic()
    log.info("worker.idle", seconds=seconds)


def _is_ours(place: Connection, settings: Settings) -> bool:
    server = locate(resolved(settings.home))
    return server is not None and server.address == place.address
