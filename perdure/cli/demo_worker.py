"""The worker process of the demo, which is there to be killed."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from perdure.cli.errors import CliError, ExitCode
from perdure.contact import Handle

__all__ = ["DemoWorker"]

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60
BUSY_SECONDS = 5


class DemoWorker:
    """One worker at a time, on the demo's own task queue and workspace."""

    def __init__(self, home: Path, task_queue: str, workspace: Path) -> None:
        """Log to `worker.log` beside the embedded server's."""
        self._log = home / "demo" / "worker.log"
        place = {"PERDURE_TASK_QUEUE": task_queue, "PERDURE_WORKSPACE": str(workspace), "PERDURE_HOME": str(home)}
        self._environment = {**os.environ, **place}
        self._process: asyncio.subprocess.Process | None = None
        self.killed = False

    @property
    def pid(self) -> int:
        """Process id of the worker that was started last."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start a worker and wait until it polls; raises CliError with the end of its log when it does not."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "worker.py", cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, stderr=log
            )
        stream = self._process.stdout
        line = b"" if stream is None else await asyncio.wait_for(stream.readline(), READY_SECONDS)
        if b"worker.ready" not in line:
            tail = self._log.read_text(errors="replace")[-1_000:]
            raise CliError(ExitCode.FAILURE, "WorkerFailed", "the demo's worker did not start", tail)

    async def until_busy(self, handle: Handle) -> None:
        """Wait until the worker has taken up the activity that is scheduled."""
        for _ in range(BUSY_SECONDS * 20):
            described = await handle.describe()
            if any(activity.last_worker_identity for activity in described.raw_description.pending_activities):
                return
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """End the worker as a power cut would."""
        self.killed = True
        if self._process is not None:
            self._process.kill()
            await self._process.wait()

    def end(self) -> None:
        """End the worker when the demo is over; nothing is left to drain then."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
