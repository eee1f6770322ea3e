"""Real Temporal servers for tests: in memory, started and ended with the block."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from perdure.runtime import PerdurePlugin
from perdure.server_process import DYNAMIC_CONFIG, find_binary

__all__ = ["local_server", "time_skipping_server"]


@asynccontextmanager
async def local_server(*extra: str) -> AsyncGenerator[Client]:
    """Start a real Temporal server in memory, tuned like the embedded one; `extra` are arguments of `start-dev`."""
    settings = [f"{name}={json.dumps(value)}" for name, value in DYNAMIC_CONFIG.items()]
    arguments = [part for setting in settings for part in ("--dynamic-config-value", setting)]
    environment = await WorkflowEnvironment.start_local(  # pyright: ignore[reportUnknownMemberType] - open Callable
        dev_server_existing_path=str(find_binary()),
        dev_server_log_level="never",
        dev_server_extra_args=[*arguments, *extra],
        plugins=[PerdurePlugin()],
    )
    async with environment:
        yield environment.client


@asynccontextmanager
async def time_skipping_server() -> AsyncGenerator[Client]:
    """Start Temporal's test server, whose clock jumps over waits; it has no search attributes."""
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(find_binary().with_name("temporal-test-server")), plugins=[PerdurePlugin()]
    )
    async with environment:
        yield environment.client
