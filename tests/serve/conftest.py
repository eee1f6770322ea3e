"""A worker with a tool that pays, and the application over it."""

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from temporalio.client import Client, RPCError, WorkflowFailureError

from perdure.testing import Environment, agents
from tests.serve.site import Site, site, till


@pytest.fixture
def log() -> list[tuple[str, int]]:
    """What was paid."""
    return []


@pytest.fixture
async def shop(client: Client, log: list[tuple[str, int]], tmp_path: Path) -> AsyncGenerator[Environment]:
    """A worker with the tool `pay`; the run that was started last is over when the test is."""
    async with agents(till(log), client=client, settings={"streams": str(tmp_path / "streams")}) as environment:
        yield environment
        if environment.handle is not None:
            with contextlib.suppress(RPCError, WorkflowFailureError):
                await environment.handle.cancel()
                await environment.handle.result()


@pytest.fixture
async def page(shop: Environment) -> AsyncGenerator[Site]:
    """The application over it, for one user."""
    async with site(shop) as served:
        yield served
