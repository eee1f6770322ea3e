"""The page about `serve`, followed request by request over the command that it gives."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from perdure.domain.model import JsonValue
from perdure.serve.bounds import HEADERS
from perdure.testing import eventually

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
FILE = re.compile(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\$ uv run starter.py (serve .*)$", re.MULTILINE)
EXCHANGE = re.compile(r"```http\n(\w+) (\S+)\n(\S+): (\S+)\n\n(?:(\{.*?\})\n\n)?(\d+)\n(.*?)```", re.DOTALL)
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@dataclass(frozen=True)
class Exchange:
    """A request of the page and the answer it promises."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    answer: tuple[int, Any]

    @property
    def patience(self) -> float:
        """What is asked for may still be on its way, what is sent is answered at once."""
        return 60 if self.method == "GET" else 0

    def kept(self, seen: tuple[int, Any]) -> bool:
        """Whether an answer is the promised one."""
        return seen[0] == self.answer[0] and fits(seen[1], self.answer[1])


def exchanges() -> list[Exchange]:
    """All of them, in their order."""
    return [
        Exchange(method, path, {name: value}, json.loads(body) if body else None, (int(status), json.loads(shown)))
        for method, path, name, value, body, status, shown in EXCHANGE.findall(PAGE)
    ]


def fits(found: JsonValue, shown: JsonValue) -> bool:
    """Whether an answer is what the page shows: `…` is any text, and as a field it stands for those left out."""
    if isinstance(shown, dict) and isinstance(found, dict):
        known = {name: value for name, value in shown.items() if name != "…"}
        all_there = known.keys() == found.keys() or ("…" in shown and known.keys() <= found.keys())
        return all_there and all(fits(found[name], value) for name, value in known.items())
    if isinstance(shown, list) and isinstance(found, list):
        return len(shown) == len(found) and all(map(fits, found, shown))
    return shown in ("…", found)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where the command of the page serves, beside its files; its server is stopped afterwards."""
    for name, text in FILE.findall(PAGE):
        (tmp_path / name).write_text(text, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PERDURE_", "TEMPORAL_"))}
    env |= {"PERDURE_HOME": str(tmp_path / "home"), "PERDURE_TOOL_MODULES": "desk", "PYTHONUNBUFFERED": "1"}
    [command] = COMMAND.findall(PAGE)
    line = [sys.executable, str(ROOT / "starter.py"), *shlex.split(command.replace("--port 8080", "--port 0"))]
    with subprocess.Popen(line, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = ADDRESS.search(process.stdout.readline())
            assert found
            yield found[0]
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            stop = [sys.executable, str(ROOT / "starter.py"), "server", "stop"]
            subprocess.run(stop, cwd=tmp_path, env=env, timeout=90, check=True, capture_output=True)


async def test_the_page_about_serve_can_be_followed(address: str) -> None:
    """Its files, its command, and each of its requests with the answer that it shows; then the events."""
    steps = exchanges()
    assert len(steps) == PAGE.count("```http") == 7
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as http:
        for step in steps:

            async def sent(step: Exchange = step) -> tuple[int, Any]:
                answer = await http.request(step.method, address + step.path, headers=step.headers, json=step.body)
                return answer.status_code, answer.json()

            await eventually(sent, step.kept, step.patience)
        events = await http.get(f"{address}/api/runs/desk-7/events", headers={"X-Forwarded-User": "bob"})
    told = [json.loads(line.removeprefix("data: ")) for line in events.text.splitlines() if line.startswith("data: ")]
    assert {"tool.end": "paid 3900 to acme"}.items() <= {event["kind"]: event.get("text", "") for event in told}.items()


def test_the_page_names_every_security_header() -> None:
    """And the policy of the pages as it is sent."""
    words = " ".join(PAGE.split())
    assert HEADERS["Content-Security-Policy"] in words
    assert [value for value in HEADERS.values() if value not in words] == []
