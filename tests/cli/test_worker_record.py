"""The lock of an embedded worker and the fingerprint of its settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perdure.fingerprint import fingerprint
from perdure.pollers import is_alive
from perdure.waiting import try_lock
from perdure.worker_record import WorkerRecord, held, lock_path, read_record, records, write_record
from tests.cli.shell import until

RECORD = WorkerRecord(pid=os.getpid(), fingerprint="f", address="a", offset=0)


def test_the_lock_lives_and_dies_with_the_process_that_inherited_it(tmp_path: Path) -> None:
    """The launcher's copy is closed; SIGKILL of the worker frees the lock."""
    path = lock_path(tmp_path, "perdure")
    descriptor = try_lock(path)
    assert descriptor is not None
    write_record(path, RECORD)
    process = subprocess.Popen([sys.executable, "-c", "input()"], pass_fds=(descriptor,), stdin=subprocess.PIPE)
    os.close(descriptor)
    assert held(path)
    assert records(tmp_path) == [(path, RECORD)]
    process.kill()
    process.communicate()
    until(lambda: not held(path))
    assert records(tmp_path) == []


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    """Whatever is in the file, reading it never fails."""
    path = lock_path(tmp_path, "perdure")
    assert read_record(path) is None
    path.write_text("{", encoding="utf-8")
    assert read_record(path) is None


def test_task_queues_have_files_of_their_own(tmp_path: Path) -> None:
    """Also those whose names cannot be file names."""
    names = ["perdure", "a/b", "a_b", "x" * 900, "x" * 901]
    assert len({lock_path(tmp_path, name) for name in names}) == len(names)
    assert all(lock_path(tmp_path, name).parent == tmp_path for name in names)


def test_the_fingerprint_follows_keys_and_tools_and_shows_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new key, another folder, or an edited tool module change it; other variables do not."""
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "own_tools.py"
    module.write_text("x = 1")
    monkeypatch.setenv("OPENAI_API_KEY", "one")
    first = fingerprint(["own_tools"])
    monkeypatch.setenv("UNRELATED", "x")
    assert fingerprint(["own_tools"]) == first
    module.write_text("x = 11")
    edited = fingerprint(["own_tools"])
    monkeypatch.setenv("OPENAI_API_KEY", "two")
    keyed = fingerprint(["own_tools"])
    assert len({first, edited, keyed}) == 3
    assert "two" not in keyed


def test_a_process_that_has_ended_is_not_alive_even_before_it_is_waited_for() -> None:
    """A killed child of a command that goes on counts as gone."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_alive(process.pid)
    process.kill()
    until(lambda: not is_alive(process.pid))
    process.communicate()
