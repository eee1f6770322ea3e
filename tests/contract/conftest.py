"""A worker process and the plain `temporal` CLI, as a user has them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest
from temporalio.client import Client

from perdure.server_process import find_binary
from tests.cli.shell import ROOT, Answer


class Temporal:
    """The `temporal` CLI against the test server."""

    def __init__(self, address: str) -> None:
        """Use the server at this address."""
        self.address = address

    async def __call__(self, *arguments: str) -> Answer:
        """Run one command."""
        process = await asyncio.create_subprocess_exec(
            str(find_binary()),
            *arguments,
            "--address",
            self.address,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return Answer(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture(scope="session")
def temporal(client: Client) -> Temporal:
    """The `temporal` CLI."""
    return Temporal(client.service_client.config.target_host)


StartWorker = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start_worker(client: Client, tmp_path: Path) -> AsyncGenerator[StartWorker]:
    """Start `worker.py` on a queue of its own and wait until it is ready; it is ended after the test."""
    workers: list[asyncio.subprocess.Process] = []

    async def start(queue: str, **environment: str) -> asyncio.subprocess.Process:
        (tmp_path / "workspace").mkdir(exist_ok=True)
        place = {
            "TEMPORAL_ADDRESS": client.service_client.config.target_host,
            "PERDURE_TASK_QUEUE": queue,
            "PERDURE_HOME": str(tmp_path / "home"),
            "PERDURE_WORKSPACE": str(tmp_path / "workspace"),
        }
        with (tmp_path / "worker.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "worker.py",
                cwd=ROOT,
                env={**os.environ, **place, **environment},
                stdout=subprocess.PIPE,
                stderr=log,
            )
        workers.append(process)
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        ready = json.loads(line)
        assert (ready["event"], ready["task_queue"], ready["pid"]) == ("worker.ready", queue, process.pid)
        return process

    yield start
    for process in workers:
        if process.returncode is None:
            process.terminate()
        assert await asyncio.wait_for(process.wait(), 45) == 0
