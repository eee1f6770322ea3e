"""One real Temporal server for a whole session, and for each test a worker with sample tools on a queue of its own."""

from collections.abc import AsyncGenerator

import pytest
from temporalio.client import Client

from perdure.testing import Environment, agents, local_server
from tests.samples import Host, sample_tools


@pytest.fixture(scope="session")
async def client() -> AsyncGenerator[Client]:
    """Client of a real server in memory."""
    async with local_server() as connected:
        yield connected


@pytest.fixture
def host() -> Host:
    """The outside world of one test."""
    return Host()


@pytest.fixture
async def env(client: Client, host: Host) -> AsyncGenerator[Environment]:
    """A worker with the sample tools."""
    async with agents(sample_tools(host), client=client) as environment:
        yield environment
