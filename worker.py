"""Composition root: settings -> adapters -> activity objects -> one Temporal worker."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import typer
from temporalio.client import Client
from temporalio.worker import Worker
from typer import Option

from activities import activities_for
from activities.conversations import MAX_CHARACTERS, Conversations
from activities.prepare import Equipment, Prices
from perdure.connect import connect
from perdure.observability import configure_logging
from perdure.outlets import outlets_for
from perdure.process import run_process
from perdure.providers import Providers
from perdure.providers.prices import price_for, window_for
from perdure.runtime import TIMING, PerdurePlugin
from perdure.settings import Settings, load_settings
from perdure.storage import Storage, storage_from
from perdure.telemetry.telemetry import OFF, Telemetry, telemetry_for
from perdure.tools import Registry
from perdure.tools.builtin import configure_blobs
from perdure.tools.equipment import equipped
from perdure.tools.host import ToolHost
from perdure.working import search_attributes, starting, tell_who_decides, work
from workflows import WORKFLOWS

__all__ = ["MAX_CHARACTERS", "worker_for"]


@asynccontextmanager
async def worker_for(  # noqa: PLR0913 - what tests and benchmarks change of a worker
    client: Client,
    settings: Settings,
    registry: Registry,
    storage: Storage,
    telemetry: Telemetry = OFF,
    *,
    search_attributes: bool,
    providers: Providers | None = None,
    prices: Prices = price_for,
    max_cached_workflows: int = 1000,
    max_characters: int = MAX_CHARACTERS,
) -> AsyncGenerator[Worker]:
    """Build a worker with everything its activities need; what it holds is closed when the block ends."""
    providers, host, conversations = providers or Providers(), ToolHost(registry), Conversations(client, max_characters)
    equipment = Equipment(
        settings, registry, telemetry.measured(providers, prices), prices, window_for, search_attributes
    )
    configure_blobs(storage.blobs)
    try:
        async with outlets_for(settings, storage.keyring) as outlets:
            yield Worker(
                client,
                task_queue=settings.task_queue,
                workflows=WORKFLOWS,
                activities=activities_for(client, equipment, host, storage.blobs, conversations, outlets),
                max_cached_workflows=max_cached_workflows,
                interceptors=telemetry.interceptors,
                **TIMING,
            )
    finally:
        await host.close()
        await providers.close()


async def serve(idle_exit: float | None, health: int | None, host: str) -> None:
    """Compose a worker of the settings and let it work until it is told to end."""
    settings = load_settings()
    storage = storage_from(settings)
    configure_logging(json=not sys.stderr.isatty(), private=storage.keyring is not None)
    tell_who_decides(settings)
    telemetry = telemetry_for("perdure-worker", port=health, host=host)
    tools = equipped(settings, storage)
    plugins = [PerdurePlugin(storage), *telemetry.plugins]
    place = await connect(settings, plugins=plugins, runtime=telemetry.runtime, on_progress=starting)
    found = await search_attributes(place.client)
    built = worker_for(place.client, settings, tools, storage, telemetry, search_attributes=found)
    await work(built, place, settings, telemetry, idle_exit)


def main(
    idle_exit: float | None = None,
    health_port: Annotated[int | None, Option(min=1, max=65535, help="Serve /healthz, /readyz and /metrics.")] = None,
    health_host: Annotated[str, Option(help="Where to serve them; 0.0.0.0: to everybody.")] = "127.0.0.1",
) -> None:
    """Run a worker: it polls for agent runs until SIGTERM, then drains."""
    configure_logging(json=not sys.stderr.isatty())
    run_process(serve(idle_exit, health_port, health_host))


if __name__ == "__main__":
    typer.run(main)
