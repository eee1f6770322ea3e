"""Composition root: settings -> adapters -> activity objects -> one Temporal worker."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
import typer
from temporalio.client import Client
from temporalio.worker import Worker

from activities import activities_for
from activities.conversations import MAX_CHARACTERS, Conversations
from activities.prepare import Equipment, Prices
from perdure.connect import connect
from perdure.idle import until_idle
from perdure.observability import configure_logging
from perdure.process import announce, end_signal, run_process
from perdure.providers import Providers, warm
from perdure.providers.prices import price_for, window_for
from perdure.runtime import TIMING, PerdurePlugin
from perdure.search_attributes import register_search_attributes
from perdure.settings import Settings, load_settings
from perdure.storage import Storage, storage_from
from perdure.tools import Registry, default_registry, load_modules
from perdure.tools.builtin import configure, configure_blobs, register_builtins
from perdure.tools.host import ToolHost
from workflows import WORKFLOWS

__all__ = ["MAX_CHARACTERS", "worker_for"]

log = structlog.get_logger()


@asynccontextmanager
async def worker_for(  # noqa: PLR0913 - what tests and benchmarks change of a worker
    client: Client,
    settings: Settings,
    registry: Registry,
    storage: Storage,
    *,
    search_attributes: bool,
    providers: Providers | None = None,
    prices: Prices = price_for,
    max_cached_workflows: int = 1000,
    max_characters: int = MAX_CHARACTERS,
) -> AsyncGenerator[Worker]:
    """Build a worker with everything its activities need; what it holds is closed when the block ends."""
    providers, host, conversations = providers or Providers(), ToolHost(registry), Conversations(client, max_characters)
    equipment = Equipment(settings, registry, providers, prices, window_for, search_attributes)
    configure_blobs(storage.blobs)
    try:
        yield Worker(
            client,
            task_queue=settings.task_queue,
            workflows=WORKFLOWS,
            activities=activities_for(client, equipment, host, storage.blobs, conversations),
            max_cached_workflows=max_cached_workflows,
            **TIMING,
        )
    finally:
        await host.close()
        await providers.close()


async def serve(idle_exit: float | None) -> None:
    """Poll until SIGTERM or Ctrl-C (then drain), or until no run has been open for `idle_exit` seconds."""
    settings = load_settings()
    storage = storage_from(settings)
    configure_logging(json=not sys.stderr.isatty(), private=storage.keyring is not None)
    configure(workspace=settings.open_workspace(), blobs=storage.blobs)
    register_builtins(default_registry)
    load_modules(settings.tool_modules, default_registry)
    place = await connect(
        settings, plugins=[PerdurePlugin(storage)], on_progress=lambda line: log.info("worker.starting", step=line)
    )
    found = await register_search_attributes(place.client)
    if not found:
        log.warning("worker.no_search_attributes", effect="runs work, lists show less")
    ended = end_signal()
    async with worker_for(place.client, settings, default_registry, storage, search_attributes=found) as worker, worker:
        announce("worker.ready", address=place.address, namespace=place.namespace, task_queue=settings.task_queue)
        asyncio.get_running_loop().run_in_executor(None, warm)
        if idle_exit is not None:
            idle = asyncio.create_task(until_idle(place, settings, idle_exit))
            idle.add_done_callback(lambda _: ended.set())
        await ended.wait()
        log.info("worker.draining")
    log.info("worker.stopped")


def main(idle_exit: float | None = None) -> None:
    """Run a worker: it polls for agent runs until SIGTERM, then drains."""
    configure_logging(json=not sys.stderr.isatty())
    run_process(serve(idle_exit))


if __name__ == "__main__":
    typer.run(main)
