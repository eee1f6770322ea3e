"""Keeps one worker process alive: whenever it dies another is started, and each death is noted."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client

__all__ = ["KeptWorker", "environment_of", "kept_worker"]

ROOT = Path(__file__).parents[2]


def environment_of(client: Client, queue: str, folder: Path) -> dict[str, str]:
    """Environment of a worker with the tools of the kill test, whose files lie in `folder`."""
    (folder / "workspace").mkdir()
    return {
        "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "PERDURE_TASK_QUEUE": queue,
        "PERDURE_TOOL_MODULES": "tests.chaos.tools",
        "PERDURE_HOME": str(folder / "home"),
        "PERDURE_WORKSPACE": str(folder / "workspace"),
    }


class KeptWorker:
    """A worker under a supervisor; `deaths` are the times at which it was found dead."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        """Run `worker.py` with this environment; its output goes to `log`."""
        self._environment = {**os.environ, **environment}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False
        self.deaths: list[float] = []

    async def keep(self) -> None:
        """Start the worker, and again whenever it has died, until `end`."""
        while not self._ended:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: ASYNC220 - starting is quick, waiting is done below
                    [sys.executable, "worker.py"], cwd=ROOT, env=self._environment, stdout=log, stderr=log
                )
            code = await asyncio.to_thread(self._process.wait)
            if not self._ended:
                assert code == -signal.SIGKILL, f"the worker ended with {code}: {self._log.read_text()[-3000:]}"
                self.deaths.append(time.time())

    async def kill(self) -> bool:
        """Kill the worker that runs now; says whether one did."""
        if self._process is None or self._process.poll() is not None:
            return False
        self._process.kill()
        return True

    async def count_deaths(self) -> int:
        """How often a worker was found dead."""
        return len(self.deaths)

    def end(self) -> None:
        """Kill it for good."""
        self._ended = True
        if self._process is not None:
            self._process.kill()


@asynccontextmanager
async def kept_worker(environment: dict[str, str], log: Path) -> AsyncGenerator[KeptWorker]:
    """A worker that is kept alive for as long as the block lasts."""
    worker = KeptWorker(environment, log)
    keeper = asyncio.create_task(worker.keep())
    try:
        yield worker
    finally:
        worker.end()
        await keeper
