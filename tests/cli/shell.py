"""Runs the command line as a user would: as a process, in a folder, with or without a terminal."""

import contextlib
import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from perdure.cli.app import build_app, invoke
from starter import workflows

__all__ = ["ROOT", "Answer", "Shell", "Terminal", "until"]

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 90.0


@dataclass(frozen=True)
class Answer:
    """What a command wrote and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout as one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Stdout as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Shell:
    """A folder and an environment to run commands in."""

    folder: Path
    env: dict[str, str]

    def __call__(self, *arguments: str, env: dict[str, str] | None = None, timeout: float = TIMEOUT) -> Answer:
        """Run `starter.py` without a terminal."""
        process = self.start(*arguments, env=env)
        out, err = process.communicate(timeout=timeout)
        assert "Traceback" not in err, err
        return Answer(process.returncode, out, err)

    def quick(self, *arguments: str) -> Answer:
        """Run `starter.py` in this process, which saves the second that a new one takes to import everything."""
        out, err, before = io.StringIO(), io.StringIO(), Path.cwd()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            for name in {*os.environ, *self.env}:
                patch.delenv(name, raising=False) if name not in self.env else patch.setenv(name, self.env[name])
            os.chdir(self.folder)
            try:
                code = invoke(build_app(workflows), list(arguments))
            finally:
                os.chdir(before)
        return Answer(code, out.getvalue(), err.getvalue())

    def start(self, *arguments: str, env: dict[str, str] | None = None) -> "subprocess.Popen[str]":
        """Start `starter.py` without a terminal."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *arguments: str) -> list[str]:
        """The command line of `starter.py`."""
        return [sys.executable, str(ROOT / "starter.py"), *arguments]

    def script(self, name: str, *steps: dict[str, Any]) -> str:
        """Write a script and return the model that plays it."""
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump({"steps": list(steps)}), encoding="utf-8")
        return f"scripted:{name}.yaml"

    def file(self, name: str, text: str) -> str:
        """Write a file and return its name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return name


class Terminal:
    """A command at a terminal: what it shows is collected, and lines can be typed."""

    def __init__(self, shell: Shell, *arguments: str) -> None:
        """Start `starter.py` with a terminal as stdin, stdout and stderr."""
        self._main, side = pty.openpty()
        self.process = subprocess.Popen(
            shell.command(*arguments),
            cwd=shell.folder,
            env=shell.env,
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
        )
        os.close(side)
        self.shown = ""

    def expect(self, pattern: str, timeout: float = TIMEOUT) -> str:
        """Wait until what was shown since the last call matches; returns it."""
        until(lambda: re.search(pattern, self._read()) is not None, timeout, lambda: self.shown)
        found, self.shown = self.shown, ""
        return found

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        os.write(self._main, f"{line}\n".encode())

    def end(self, timeout: float = TIMEOUT) -> int:
        """Wait for the end; returns the exit code."""
        until(lambda: (self._read(), self.process.poll())[1] is not None, timeout, lambda: self.shown)
        os.close(self._main)
        return self.process.returncode

    def _read(self) -> str:
        while select.select([self._main], [], [], 0.02)[0]:
            try:
                self.shown += os.read(self._main, 4096).decode(errors="replace")
            except OSError:
                break
        return self.shown


def until(check: Callable[[], bool], timeout: float = TIMEOUT, words: Callable[[], str] = lambda: "") -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + timeout
    while not check():
        assert time.monotonic() < deadline, f"waited too long: {words()}"
        time.sleep(0.02)
