"""A place to measure in: embedded server with a database file and a worker process, all in a temporary home."""

import asyncio
import base64
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from temporalio.client import Client

from perdure.connect import connect
from perdure.runtime import PerdurePlugin
from perdure.server import stop_server
from perdure.settings import Settings
from perdure.storage import storage_from

__all__ = ["KEY", "Place", "place"]

ROOT = Path(__file__).parents[1]
KEY = f"bench:{base64.b64encode(bytes(range(32))).decode()}"


@dataclass(frozen=True)
class Place:
    """A server, a client that reads what its runs wrote, and the environment for workers of it."""

    client: Client
    folder: Path
    environment: dict[str, str]
    task_queue: str

    @property
    def blob_bytes(self) -> int:
        """Bytes of all blobs."""
        return sum(file.stat().st_size for file in (self.folder / "home/blobs").rglob("*") if file.is_file())

    @property
    def database_bytes(self) -> int:
        """Bytes of the server's database, its log included."""
        return sum(file.stat().st_size for file in (self.folder / "home").glob("temporal.db*"))

    @asynccontextmanager
    async def worker(self, **environment: str) -> AsyncGenerator[int]:
        """Run `worker.py` for the length of a block, once it polls; its process id. No `.env` is read."""
        given = {**os.environ, **self.environment, **environment}
        log = self.folder / "worker.log"
        with (
            log.open("ab") as errors,
            Popen(  # noqa: ASYNC220 - starting is quick
                [sys.executable, str(ROOT / "worker.py")], cwd=self.folder, env=given, stdout=PIPE, stderr=errors
            ) as process,
        ):
            assert process.stdout is not None
            try:
                line = await asyncio.to_thread(process.stdout.readline)
                assert b"worker.ready" in line, f"the worker did not start: {log.read_text()[-3000:]}"
                yield process.pid
            finally:
                process.kill()


@asynccontextmanager
async def place(**settings: Any) -> AsyncGenerator[Place]:  # noqa: ANN401 - fields of the settings
    """Start the embedded server, end it with the block. `settings` are fields of `Settings` and go to workers too."""
    for variable in [name for name in os.environ if name.startswith(("TEMPORAL_", "PERDURE_"))]:
        del os.environ[variable]  # figures of another server, or with other settings, would not be these
    task = asyncio.current_task()
    assert task is not None
    # A detached server would outlive a benchmark that is told to end.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "files").mkdir()
        given = {
            "home": str(folder / "home"),
            "workspace": str(folder / "files"),
            "definitions": str(ROOT / "definitions"),
            **settings,
        }
        made = Settings.model_validate(given)
        connection = await connect(made, plugins=[PerdurePlugin(storage_from(made))], on_progress=_tell)
        environment = {f"PERDURE_{field.upper()}": str(value) for field, value in given.items()}
        try:
            yield Place(connection.client, folder, environment, made.task_queue)
        finally:
            await stop_server(made.home)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
