"""The page about approvals, followed step by step as a new user would."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "approvals.md").read_text(encoding="utf-8")
FILE = re.compile(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", re.DOTALL)
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
STEP = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
STARTER = "uv run starter.py "
EXIT_CODES = {0, 4}
"""4: the run waits for a person, as the page says."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with the files of the page, and an environment without settings; its server is stopped afterwards."""
    for name, text in FILE.findall(PAGE):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # The first line, which names the file, belongs to it: the page counts lines so.
        path.write_text(f"# {name}\n{text}", encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PERDURE_", "TEMPORAL_"))}
    env["PERDURE_HOME"] = str(tmp_path / "home")
    yield tmp_path, env
    command = [sys.executable, str(ROOT / "starter.py"), "server", "stop"]
    subprocess.run(command, cwd=tmp_path, env=env, timeout=90, check=True, capture_output=True)


def expected(lines: str) -> "re.Pattern[str]":
    """What a step shows: line for line, with `…` for anything."""
    return re.compile(re.escape(lines.strip("\n")).replace("…", ".*"), re.DOTALL)


def test_the_page_about_approvals_can_be_followed(desk: tuple[Path, dict[str, str]]) -> None:
    """Its files, its commands and what they show: the payment runs after the second approval."""
    folder, env = desk
    steps = [step for block in CONSOLE.findall(PAGE) for step in STEP.findall(block)]
    exports = [command.removeprefix("export ").partition("=") for command, _ in steps if command.startswith("export ")]
    env |= {name: value for name, _, value in exports}
    commands = [(command.removeprefix(STARTER), shown) for command, shown in steps if command.startswith(STARTER)]
    assert len(commands) + len(exports) == len(steps) == 11
    for command, shown in commands:
        line = [sys.executable, str(ROOT / "starter.py"), *shlex.split(command)]
        done = subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode in EXIT_CODES, done.stdout + done.stderr
        assert expected(shown).fullmatch(done.stdout.strip("\n")), f"{command}\n{done.stdout}\n{done.stderr}"
