"""Control verbs on many runs: which are meant, who said so, and what became of each."""

import asyncio
import signal
import time
from typing import TYPE_CHECKING

from temporalio.client import Client

from tests.cli.shell import Answer, Shell, Terminal, until

if TYPE_CHECKING:
    import subprocess

ASK = {"calls": [{"tool": "ask_human", "arguments": {"question": "Shall I?"}}]}
DONE = {"text": "All done."}


def query(prefix: str) -> str:
    """A visibility query for the runs of one test."""
    return f"WorkflowId STARTS_WITH '{prefix}'"


def waiting(shell: Shell, prefix: str, count: int) -> None:
    """Start runs that wait for an answer, and see to it that the server lists them."""
    model = shell.script("many", ASK, DONE)
    for number in range(count):
        assert shell.quick("run", "x", "--model", model, "--id", f"{prefix}{number}", "--detach").code == 0
        until(lambda name=f"{prefix}{number}": shell.quick("approvals", name, "-o", "jsonl").out != "")
    until(lambda: len(shell.quick("list", "runs", "--query", query(prefix), "--json").json["items"]) == count)


def states(answer: Answer) -> dict[str, str]:
    """States by run."""
    return {item["workflow_id"]: item["state"] for item in answer.json["items"]}


def test_many_runs_are_held_and_ended_by_a_query(shell: Shell) -> None:
    """Each verb tells what became of each run; runs that do not match are left alone; none left is no failure."""
    waiting(shell, "herd-", 2)
    waiting(shell, "other-", 1)
    for verb, state in (("pause", "paused"), ("resume", "waiting"), ("interrupt", "paused")):
        answer = shell.quick(verb, "--query", query("herd-"), "--yes", "--json")
        assert (answer.code, states(answer)) == (0, {"herd-0": state, "herd-1": state})
    assert shell.quick("stop", "--query", query("herd-"), "--yes").code == 0
    assert shell.quick("watch", "herd-1", "--json").json["result"]["stop_reason"] == "stopped"
    assert shell.quick("status", "other-0", "--json").json["state"] == "waiting"
    until(lambda: shell.quick("stop", "--query", query("herd-"), "--yes", "--json").json == {"items": []})
    cancelled = shell.quick("cancel", "--query", query("other-"), "--yes", "--json")
    assert (cancelled.code, states(cancelled)) == (0, {"other-0": "CANCELED"})


def test_nothing_is_done_before_somebody_says_yes(shell: Shell) -> None:
    """At a terminal the count is asked; elsewhere it takes --yes, and the exit code is that of a missing person."""
    waiting(shell, "asked-", 2)
    refused = shell.quick("stop", "--query", query("asked-"), "--json")
    assert (refused.code, refused.json["error"]["type"], len(refused.json["runs"])) == (4, "ConfirmationNeeded", 2)
    terminal = Terminal(shell, "stop", "--query", query("asked-"))
    terminal.expect(r"stop 2 runs: asked-0, asked-1\? \[y/N\] ")
    terminal.type("")
    assert "nothing was done" in terminal.expect("nothing was done")
    assert terminal.end() == 1
    assert shell.quick("status", "asked-1", "--json").json["state"] == "waiting"
    assert shell.quick("stop", "--query", query("asked-"), "--yes").code == 0


def test_a_command_line_that_cannot_be_meant_is_a_usage_error(shell: Shell) -> None:
    """Both or neither of run and query, a query that is none, and a token for many."""
    wrong = [
        ("pause",),
        ("pause", "x", "--query", query("x")),
        ("stop", "--query", " "),
        ("stop", "--query", query("x"), "--token", "a.b.c"),
        ("stop", "--query", "nonsense ="),
        ("list", "runs", "--query", "nonsense ="),
    ]
    assert [shell.quick(*line, "--json").code for line in wrong] == [2] * len(wrong)
    assert shell.quick("list", "runs", "--query", "Nothing = 1", "--json").json["error"]["type"] == "InvalidQuery"


def stray(shell: Shell, name: str) -> None:
    """Start a run that no worker serves."""
    asyncio.run(_start(shell.quick("server", "status", "--json").json["address"], name))


async def _start(address: str, name: str) -> None:
    client = await Client.connect(address)
    await client.start_workflow("Agent", {"goal": "x"}, id=name, task_queue="nobody")


def test_one_that_fails_does_not_hold_up_the_others(shell: Shell) -> None:
    """The table names it and why, the exit code says that something failed; a wait is told on stderr."""
    waiting(shell, "mixed-", 1)
    stray(shell, "mixed-stray")
    until(lambda: len(shell.quick("list", "runs", "--query", query("mixed-"), "--json").json["items"]) == 2)
    answer = shell.quick("pause", "--query", query("mixed-"), "--yes", "--json")
    assert (answer.code, states(answer)) == (1, {"mixed-0": "paused", "mixed-stray": "unknown"})
    assert [item["error"] and item["error"]["type"] for item in answer.json["items"]] == [None, "NoWorker"]
    assert "pause: 1 of 2 runs after" in answer.err


def test_ctrl_c_says_what_was_done_until_then(shell: Shell) -> None:
    """Exit code 130, the runs that were reached, and those of which nobody knows."""
    waiting(shell, "cut-", 1)
    stray(shell, "cut-stray")
    until(lambda: len(shell.quick("list", "runs", "--query", query("cut-"), "--json").json["items"]) == 2)
    process = shell.start("pause", "--query", query("cut-"), "--yes", "--json")
    until(lambda: shell.quick("status", "cut-0", "--json").json["state"] == "paused")
    process.send_signal(signal.SIGINT)
    answer = ended(process)
    assert answer.code == 130, answer.err
    assert states(answer) == {"cut-0": "paused"}
    assert answer.json["left"] == ["cut-stray"]


def ended(process: "subprocess.Popen[str]") -> Answer:
    """What a command wrote, which has to end soon."""
    began = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 8
    return Answer(process.returncode, out, err)
