"""The wire server as a process of its own, as acceptance tests use it."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from perdure.domain.errors import Overloaded
from tests.providers.helpers import reply


async def test_it_runs_as_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line of JSON says where it is; the log is a file of JSON lines and an address."""
    script, log = tmp_path / "script.yaml", tmp_path / "log.jsonl"
    write(script, "steps: [{error: {status: 503}}, {text: hello}]")
    arguments = ["-m", "tests.wire", "--port", "0", "--script", str(script), "--log", str(log)]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        hello = json.loads(await process.stdout.readline())
        for name, value in hello["env"].items():
            monkeypatch.setenv(name, value)
        with pytest.raises(Overloaded):
            await reply("openai:m")
        assert (await reply("openai:m")).message.text == "hello"
        async with httpx2.AsyncClient() as client:
            seen = (await client.get(f"{hello['url']}/_log")).json()
    finally:
        process.terminate()
        await process.wait()
    assert [(entry["turn"], entry["attempt"]) for entry in seen] == [(0, 1), (0, 2)]
    assert [entry["body"] for entry in logged(log)] == [entry["body"] for entry in seen]


def write(path: Path, text: str) -> None:
    """Make a file."""
    path.write_text(text)


def logged(path: Path) -> list[dict[str, Any]]:
    """The entries of a log file."""
    return [json.loads(line) for line in path.read_text().splitlines()]
