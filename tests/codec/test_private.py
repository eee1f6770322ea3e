"""With encryption on nothing on disk says what runs say: real processes, and a search of all bytes."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.compression import expand, is_frame
from tests.cli.shell import ROOT, Shell, until
from tests.codec.samples import key_setting

SECRETS = {
    "goal": "goal-of-ada-81c5",
    "argument": "argument-for-tool-92d6",
    "result": "result-of-tool-a3e7",
    "large result": "large-result-b4f8",
    "asked argument": "argument-that-waits-c509",
    "reason of a person": "reason-of-ada-d61a",
    "answer": "answer-of-model-e72b",
    "failure": "failure-in-words-f83c",
    "steering": "steering-of-ada-094d",
}
KEY = key_setting("k")
TOOLS = f'''
from pathlib import Path

from perdure.tools import tool


@tool(effect="pure")
async def look(subject: str) -> str:
    """Look something up."""
    return "{SECRETS["result"]} " * 3 + subject


@tool(effect="pure")
async def read_all(subject: str) -> str:
    """Read a whole book."""
    return "".join(f"{{number}} {SECRETS["large result"]} {{number * number}}\\n" for number in range(9000))


@tool(effect="once", ask="Send {{text}}")
async def send(text: str) -> str:
    """Send a text."""
    return f"sent {{text}}"
'''


@pytest.fixture(params=[False, True], ids=["plain", "encrypted"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    """A folder with an embedded server and worker of its own, with and without keys."""
    (tmp_path / "secret_tools.py").write_text(TOOLS, encoding="utf-8")
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PERDURE_HOME": str(tmp_path / "home")}
    env |= {"PERDURE_TOOL_MODULES": "secret_tools", "NO_PROXY": "*"}
    shell = Shell(tmp_path, env | ({"PERDURE_ENCRYPTION_KEYS": KEY} if request.param else {}))
    yield shell
    stop(shell)


def stop(shell: Shell) -> None:
    """End server and workers; all that they hold in memory is written."""
    command = [sys.executable, str(ROOT / "starter.py"), "server", "stop"]
    subprocess.run(command, cwd=shell.folder, env=shell.env, timeout=90, check=True, capture_output=True)


def use(shell: Shell) -> None:
    """Everything that a user does: a run with tools, an approval, words on the way, and a run that fails."""
    call = {"tool": "look", "arguments": {"subject": SECRETS["argument"]}}
    large = {"tool": "read_all", "arguments": {"subject": "book"}}
    asked = {"tool": "send", "arguments": {"text": SECRETS["asked argument"]}}
    model = shell.script("work", {"calls": [call, large]}, {"calls": [asked]}, {"text": SECRETS["answer"]})
    started = shell("run", SECRETS["goal"], "--model", model, "--id", "private", "--detach", "-o", "json")
    assert started.code == 0, started.err
    until(lambda: '"request_id"' in shell.quick("approvals", "private", "-o", "json").out)
    [request] = shell.quick("approvals", "private", "-o", "json").json["items"]
    assert SECRETS["asked argument"] in json.dumps(request["arguments"])
    assert shell("steer", "private", SECRETS["steering"]).code == 0
    assert shell("approve", "private", request["request_id"], "--reason", SECRETS["reason of a person"]).code == 0
    watched = shell("watch", "private", "-o", "json")
    assert (watched.code, watched.json["result"]["output"]) == (0, SECRETS["answer"]), watched
    transcript = shell("transcript", "private", "-o", "json").out
    assert all(SECRETS[name] in transcript for name in ("goal", "argument", "result", "large result", "steering"))
    failing = shell.script("fail", {"error": {"status": 400, "message": SECRETS["failure"]}})
    failed = shell("run", "fail", "--model", failing, "-o", "json")
    assert failed.code == 1
    assert SECRETS["failure"] in failed.json["error"]["message"]
    assert "private" in shell("list", "runs", "-o", "json").out


def found_in(home: Path) -> dict[str, list[str]]:
    """Which secrets lie in which files, also inside of compressed blobs."""
    content = dict[str, bytes]()
    for path in sorted(home.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            content[path.name] = data + (expand(data, what=path.name) if is_frame(data) else b"")
    needles = {name: words.encode() for name, words in SECRETS.items()}
    needles |= {"key": KEY.partition(":")[2].encode(), "raw key": b"k" * 32}
    return {name: [file for file, data in content.items() if needle in data] for name, needle in needles.items()}


def test_nothing_on_disk_says_what_runs_say(shell: Shell) -> None:
    """Database with its log, blobs, logs of server and worker, records: the same search finds all without keys."""
    use(shell)
    home = shell.folder / "home"
    names = {path.name for path in home.rglob("*")}
    assert any(name.endswith("-wal") for name in names), names
    open_files = found_in(home)
    stop(shell)
    found = {name: sorted({*files, *open_files[name]}) for name, files in found_in(home).items()}
    encrypted = "PERDURE_ENCRYPTION_KEYS" in shell.env
    assert {name for name, files in found.items() if files} == (set() if encrypted else set(SECRETS)), found
    blobs = [name for name in names if re.fullmatch("[0-9a-f]{40}", name)]
    assert blobs
    assert encrypted or set(blobs) & set(found["large result"])
