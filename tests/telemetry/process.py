"""Worker processes that are started, asked, told to end and killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from temporalio.client import Client

from perdure.testing import eventually

__all__ = ["WorkerProcess", "environment_of", "free_port", "samples_of"]

ROOT = Path(__file__).parents[2]
READY = "worker.ready"
FORGETFUL = ("-m", "tests.telemetry.worker")


def environment_of(client: Client, queue: str, folder: Path) -> dict[str, str]:
    """Environment of a worker with the tools of these tests."""
    (folder / "workspace").mkdir(exist_ok=True)
    return {
        "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "PERDURE_TASK_QUEUE": queue,
        "PERDURE_TOOL_MODULES": "tests.telemetry.tools",
        "PERDURE_HOME": str(folder / "home"),
        "PERDURE_WORKSPACE": str(folder / "workspace"),
    }


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


class WorkerProcess:
    """A worker with a health port."""

    def __init__(self, environment: dict[str, str], log: Path, *, forgetful: bool = False) -> None:
        """Describe it; `forgetful` ones keep no run in memory."""
        self._environment = {**os.environ, **environment}
        self._log = log
        self._command = FORGETFUL if forgetful else ("worker.py", "--health-port")
        self.port = free_port()

    @contextmanager
    def running(self) -> Generator[None]:
        """Run it for as long as the block lasts."""
        with self._log.open("ab") as log:
            command = [sys.executable, *self._command, str(self.port)]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            self.process.kill()
            self.process.wait()

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text of an answer; status 0: nobody answers."""
        try:
            async with httpx2.AsyncClient(trust_env=False) as http:
                answer = await http.get(f"http://127.0.0.1:{self.port}{path}", timeout=10)
        except httpx2.TransportError:
            return 0, ""
        return answer.status_code, answer.text

    async def until_ready(self) -> None:
        """Wait until it says that it takes work."""
        await eventually(lambda: self.get("/readyz"), lambda answer: answer[0] == 200, 40)

    def terminate(self) -> None:
        """Tell it to drain."""
        self.process.send_signal(signal.SIGTERM)

    async def samples(self) -> dict[str, float]:
        """What /metrics says: value by name and labels."""
        status, text = await self.get("/metrics")
        assert status == 200, text
        return samples_of(text)

    @property
    def words(self) -> str:
        """What it has written so far."""
        return self._log.read_text()


def samples_of(text: str) -> dict[str, float]:
    """Value of each series, named as it stands in the text."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
