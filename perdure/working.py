"""Life of a worker process once it is composed: it polls, says so, and drains when it is told to or has no work."""

import asyncio
from contextlib import AbstractAsyncContextManager

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from perdure.connect import Connection
from perdure.idle import end_when_idle
from perdure.process import announce, end_signal
from perdure.providers import warm
from perdure.search_attributes import register_search_attributes
from perdure.settings import Settings, SettingsError
from perdure.telemetry.telemetry import Telemetry

__all__ = ["search_attributes", "starting", "tell_who_decides", "work"]

log = structlog.get_logger()


def starting(step: str) -> None:
    """Tell what the process does before it polls."""
    log.info("worker.starting", step=step)


def tell_who_decides(settings: Settings) -> None:
    """Say at start when names of deciders prove nothing; SettingsError when no decision could ever count."""
    if settings.unsigned_decisions == "allow":
        words = "decisions without a token count, under whatever name: whoever reaches the server can approve"
        log.warning("worker.unsigned_decisions", effect=words, setting="PERDURE_PUBLIC_KEYS")
    elif settings.public_keys is None:
        msg = (
            "PERDURE_UNSIGNED=deny needs PERDURE_PUBLIC_KEYS: without keys no token counts, and nothing can be approved"
        )
        raise SettingsError(msg)


async def search_attributes(client: Client) -> bool:
    """Whether runs may write their search attributes; a server that refuses them is told of."""
    found = await register_search_attributes(client)
    if not found:
        log.warning("worker.no_search_attributes", effect="runs work, lists show less")
    return found


async def work(
    composed: AbstractAsyncContextManager[Worker],
    place: Connection,
    settings: Settings,
    telemetry: Telemetry,
    idle_exit: float | None,
) -> None:
    """Poll until SIGTERM or Ctrl-C (then drain), or until no run has been open for `idle_exit` seconds."""
    ended = end_signal()
    async with telemetry.serving(place.client, settings.task_queue) as health, composed as worker, worker:
        announce("worker.ready", address=place.address, namespace=place.namespace, task_queue=settings.task_queue)
        asyncio.get_running_loop().run_in_executor(None, warm)
        with end_when_idle(ended, place, settings, idle_exit):
            await ended.wait()
        health.drain()
        log.info("worker.draining")
    log.info("worker.stopped")
