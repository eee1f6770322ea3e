"""Steering open runs, and the workers behind them."""

import os
import signal

from perdure.worker_record import lock_path, read_record
from tests.cli.shell import Shell, until

ASK = {"calls": [{"tool": "ask_human", "arguments": {"question": "Shall I?"}}]}
DONE = {"text": "All done."}


def test_a_waiting_run_is_paused_steered_resumed_and_answered(shell: Shell) -> None:
    """Each verb answers with what it did, and the agent reads the message."""
    assert shell.quick("run", "x", "--model", shell.script("steer", ASK, DONE), "--id", "steered", "--detach").code == 0
    until(lambda: shell.quick("approvals", "steered", "-o", "jsonl").out != "")
    assert shell("pause", "steered", "--reason", "lunch", "-o", "json").json["state"] == "paused"
    assert shell.quick("steer", "steered", "be brief", "-o", "json").json["position"] == 1
    assert shell.quick("respond", "steered", "req-", "yes").code == 0
    assert shell.quick("resume", "steered").code == 0
    assert shell.quick("watch", "steered").code == 0
    assert "» be brief" in shell.quick("transcript", "steered").out
    ended = shell.quick("pause", "steered", "--json")
    assert (ended.code, ended.json["error"]["type"]) == (1, "RunEnded")


def test_cancel_closes_a_run_as_canceled(shell: Shell) -> None:
    """The verb waits for the end; watching it afterwards ends with exit code 1."""
    assert (
        shell.quick("run", "x", "--model", shell.script("steer", ASK, DONE), "--id", "cancelled", "--detach").code == 0
    )
    assert shell("cancel", "cancelled", "-o", "json").json["status"] == "CANCELED"
    watched = shell.quick("watch", "cancelled", "-o", "json")
    assert (watched.code, watched.json["status"]) == (1, "CANCELED")


def test_a_killed_worker_is_replaced_while_the_run_is_followed(shell: Shell) -> None:
    """SIGKILL in the middle of a tool: a new worker takes over and the run completes."""
    call = {"calls": [{"tool": "linger", "arguments": {"flag": "go"}}]}
    process = shell.start("run", "x", "--model", shell.script("kill", call, DONE), "-o", "json")
    until((shell.folder / "go.started").exists)
    record = read_record(lock_path(shell.folder / "home", "perdure"))
    assert record is not None
    os.kill(record.pid, signal.SIGKILL)
    (shell.folder / "go").touch()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, "All done." in out) == (0, True), err
    assert "starting another" in err


def test_a_worker_with_older_settings_is_replaced_by_the_next_run_only(shell: Shell) -> None:
    """A new key reaches the next run; verbs that only look leave the worker alone."""
    path = lock_path(shell.folder / "home", "perdure")
    model = shell.script("short", DONE)
    assert shell("run", "x", "--model", model, "--id", "before").code == 0
    before = read_record(path)
    assert shell("status", "before", env={"OPENAI_API_KEY": "new"}).code == 0
    assert read_record(path) == before
    assert shell("run", "x", "--model", model, env={"OPENAI_API_KEY": "new"}).code == 0
    after = read_record(path)
    assert before is not None
    assert after is not None
    assert (before.pid == after.pid, before.fingerprint == after.fingerprint) == (False, False)
    assert "new" not in path.read_text(encoding="utf-8")


def test_a_worker_that_cannot_start_says_why(shell: Shell) -> None:
    """A tool module that does not import ends `run` with exit code 2 and names the module."""
    answer = shell("run", "x", "--model", "scripted:x.yaml", env={"PERDURE_TOOL_MODULES": "not_there"})
    assert answer.code == 2
    assert "not_there" in answer.err


def test_a_killed_server_is_brought_back_while_the_run_is_followed(shell: Shell) -> None:
    """SIGKILL of the embedded server: the command starts it again, and the run completes from its history."""
    call = {"calls": [{"tool": "linger", "arguments": {"flag": "on"}}]}
    process = shell.start("run", "x", "--model", shell.script("outage", call, DONE), "-o", "json")
    until((shell.folder / "on.started").exists)
    os.kill(shell.quick("server", "status", "--json").json["pid"], signal.SIGKILL)
    (shell.folder / "on").touch()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, "All done." in out) == (0, True), err
    assert "Traceback" not in err
