"""The main job, as a new user runs it."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from perdure.server import stop_server
from tests.cli.shell import ROOT, Answer

KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "PERDURE_MODEL", "TEMPORAL_ADDRESS")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncGenerator[Path]:
    """A home of its own, whose server is ended after the test."""
    yield tmp_path / "home"
    await stop_server(tmp_path / "home")


async def demo(home: Path, *arguments: str) -> Answer:
    """Run the demo without keys and without a terminal."""
    environment = {name: value for name, value in os.environ.items() if name not in KEYS}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "starter.py",
        "demo",
        *arguments,
        cwd=ROOT,
        env={**environment, "PERDURE_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 90)
    return Answer(process.returncode or 0, out.decode(), err.decode())


async def test_the_demo_survives_a_kill_and_writes_the_report(home: Path) -> None:
    """Its output shows the kill, the resumption, what was not run again, and the report, which is there."""
    done = await demo(home, "--yes")
    assert done.code == 0, done.err
    first, second = re.findall(r"worker process (\d+)", done.out)
    assert first != second
    assert done.out.index("SIGKILL") < done.out.index(f"worker process {second} has started")
    assert "SCRIPTED" in done.out
    assert re.search(r"NOT run again after the kill: 2 model calls and 5 tool calls", done.out)
    assert "in all: 6 model calls, 12 tool calls" in done.out
    assert re.search(r"http://127\.0\.0\.1:\d+/namespaces/default/workflows/demo-", done.out)
    found = re.search(r"report: (\S+)", done.out)
    assert found is not None
    assert "37,677.50" in Path(found.group(1)).read_text(encoding="utf-8")


async def test_without_a_person_or_yes_the_demo_says_what_it_needs(home: Path) -> None:
    """Exit code 4, and no run is left behind."""
    done = await demo(home)
    assert done.code == 4
    assert "--yes" in done.err
    assert not list(home.glob("demo/*/reports/summary.md"))
