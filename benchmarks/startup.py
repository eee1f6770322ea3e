"""How long commands take to start: `starter.py --help`, and a worker until it polls.

    uv run python benchmarks/startup.py

Beside them what Python alone takes and what importing `temporalio` alone takes, as this machine is right now.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # run as a file, from anywhere

from perdure.testing import local_server

ROUNDS = 5
HELP_SECONDS = 0.7
READY_SECONDS = 3.0


async def seconds(*command: str, until: bytes = b"", **environment: str) -> float:
    """Seconds until a command ends, or until it has printed a line that holds `until`."""
    begin = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    if until:
        line = await process.stdout.readline()
        taken = time.perf_counter() - begin
        assert json.loads(line)["event"] == until.decode()
        process.kill()
    else:
        await process.stdout.read()
        taken = time.perf_counter() - begin
    await process.wait()
    return taken


async def main() -> bool:
    """Print the medians; says whether both bounds hold."""
    async with local_server() as client:
        with tempfile.TemporaryDirectory() as home:
            (Path(home) / "files").mkdir()
            place = {
                "TEMPORAL_ADDRESS": client.service_client.config.target_host,
                "PERDURE_HOME": str(Path(home) / "home"),
                "PERDURE_WORKSPACE": str(Path(home) / "files"),
            }
            await seconds("worker.py", until=b"worker.ready", **place)
            bare = statistics.median([await seconds("-c", "pass") for _ in range(ROUNDS)])
            sdk = statistics.median([await seconds("-c", "import temporalio.worker") for _ in range(ROUNDS)])
            shown = statistics.median([await seconds("starter.py", "--help") for _ in range(ROUNDS)])
            ready = statistics.median(
                [await seconds("worker.py", until=b"worker.ready", **place) for _ in range(ROUNDS)]
            )
    print(f"python -c pass            {bare:.2f} s")
    print(f"import temporalio.worker  {sdk:.2f} s")
    print(f"starter.py --help         {shown:.2f} s (<= {HELP_SECONDS}), {shown / bare:.1f} x python")
    print(f"worker.py until ready     {ready:.2f} s (<= {READY_SECONDS}), {ready / sdk:.1f} x the SDK's import")
    return shown <= HELP_SECONDS and ready <= READY_SECONDS


if __name__ == "__main__":
    good = asyncio.run(main())
    sys.stdout.flush()
    os._exit(0 if good else 1)
