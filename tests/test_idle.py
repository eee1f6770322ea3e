"""An embedded worker ends by itself when nobody needs it."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from shutil import copy

import pytest

from perdure.server import ensure_server, stop_server

ROOT = Path(__file__).parent.parent
WORKER = str(ROOT / "worker.py")


def quiet(_line: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture
async def homes(tmp_path: Path) -> AsyncGenerator[list[Path]]:
    """Homes of two projects, whose servers are stopped in the end."""
    folders = [tmp_path.resolve() / name for name in ("one", "other")]
    yield folders
    for folder in folders:
        await stop_server(folder)


async def worker_of(home: Path, idle: str) -> asyncio.subprocess.Process:
    """A worker as `run` starts it, once it is ready."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        WORKER,
        "--idle-exit",
        idle,
        env=environment | {"PERDURE_HOME": str(home), "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert b"worker.ready" in await asyncio.wait_for(process.stdout.readline(), 60)
    return process


async def test_it_does_not_serve_another_project_that_got_the_port(homes: list[Path]) -> None:
    """Its scripts, tools and keys are not those of the runs there."""
    one, other = homes
    first = await ensure_server(one, quiet)
    worker = await worker_of(one, idle="600")
    await stop_server(one)
    other.mkdir()
    copy(one / "server.json", other)  # ports of last time are taken first
    assert (await ensure_server(other, quiet)).address == first.address
    assert await asyncio.wait_for(worker.wait(), 30) == 0


async def test_it_ends_when_no_run_is_open(homes: list[Path]) -> None:
    """After the seconds it was given."""
    worker = await worker_of(homes[0], idle="1")
    assert await asyncio.wait_for(worker.wait(), 30) == 0
