"""One embedded server and worker for all tests of the command line, in a folder of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.cli.shell import ROOT, Shell


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A folder to run commands in, as a user would; its server and workers are ended afterwards."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "my_tools.py").write_text(TOOLS, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    shell = Shell(folder, {**env, "PERDURE_HOME": str(folder / "home"), "PERDURE_TOOL_MODULES": "my_tools"})
    yield shell
    subprocess.run(
        [sys.executable, str(ROOT / "starter.py"), "server", "stop"], cwd=folder, env=shell.env, timeout=90, check=True
    )


FOREIGN = ("PERDURE_", "TEMPORAL_", "ANTHROPIC_", "OPENAI_")

TOOLS = '''
import asyncio
from pathlib import Path

from perdure.tools import tool

print("a tool module may print")


@tool(effect="once", ask="Send {text} to the world")
async def send(text: str) -> str:
    """Send a text."""
    with Path("sent.txt").open("a") as stream:
        stream.write(text + "\\n")
    return f"sent {text}"


@tool(effect="pure", timeout=60)
async def linger(flag: str) -> str:
    """Wait until a file exists."""
    Path(flag + ".started").touch()
    while not Path(flag).exists():
        await asyncio.sleep(0.05)
    return "done lingering"
'''
