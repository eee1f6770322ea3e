"""`checkpoints`, from outside: list, show, export and replay, go back."""

import asyncio

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer

from perdure.runtime import PerdurePlugin
from tests.cli.shell import Shell, Terminal, until
from workflows import WORKFLOWS

SUM = {"text": "Let me compute.", "calls": [{"tool": "calculator", "arguments": {"expression": "6*7"}}]}
SEND = {"calls": [{"tool": "send", "arguments": {"text": "checkpoint"}}]}
DONE = {"text": "All done."}
FREE = "rules:\n- {tool: send, level: none}\n"


@pytest.fixture(scope="module")
def done(shell: Shell) -> str:
    """Id of a run of three turns that has ended."""
    shell.file("free.yaml", FREE)
    arguments = ("--model", shell.script("points", SUM, SEND, DONE), "--policy", "free.yaml", "--id", "points")
    assert shell.quick("run", "send it", *arguments).code == 0
    return "points"


def sent(shell: Shell) -> int:
    """How often the tool has sent the text."""
    path = shell.folder / "sent.txt"
    return path.read_text(encoding="utf-8").splitlines().count("checkpoint") if path.exists() else 0


def test_turns_are_listed_with_what_they_did(shell: Shell, done: str) -> None:
    """From 0, with run, event, time and tokens."""
    items = shell.quick("checkpoints", done, "--json").json["items"]
    assert [item["turn"] for item in items] == [0, 1, 2]
    assert [item["did"] for item in items] == ["→ calculator", "→ send", "All done."]
    assert all(item["event_id"] > 0 and item["run_id"] and item["input_tokens"] is not None for item in items)
    lines = shell("checkpoints", done).out.splitlines()
    assert (len(lines), lines[0].split()[:2], "→ send" in lines[2]) == (4, ["TURN", "RUN"], True)


def test_one_turn_is_shown_in_full(shell: Shell, done: str) -> None:
    """What the model was told, what it answered, and what its calls came to; an unknown turn says which there are."""
    messages = shell.quick("checkpoints", done, "--show", "0", "--json").json["messages"]
    assert [message["kind"] for message in messages] == ["user", "assistant", "tool_result"]
    assert messages[2]["text"] == "42"
    assert "Let me compute." in shell.quick("checkpoints", done, "--show", "0").out
    last = shell.quick("checkpoints", done, "--show", "2", "--json").json["messages"]
    assert [message["kind"] for message in last] == ["assistant"]
    unknown = shell.quick("checkpoints", done, "--show", "7", "--json")
    assert (unknown.code, "turns 0 to 2" in unknown.json["error"]["message"]) == (1, True)


async def test_an_exported_history_replays(shell: Shell, done: str) -> None:
    """The file is what the Temporal CLI writes; one that exists is not overwritten."""
    answer = shell("checkpoints", done, "--export", "history.json", "--json")
    assert answer.code == 0, answer.err
    [item] = answer.json["items"]
    text = (shell.folder / item["file"]).read_text(encoding="utf-8")
    history = WorkflowHistory.from_json(done, text)
    assert len(history.events) == item["events"]
    replayed = await Replayer(workflows=WORKFLOWS, plugins=[PerdurePlugin()]).replay_workflow(history)
    assert replayed.replay_failure is None
    again = shell("checkpoints", done, "--export", "history.json")
    assert (again.code, "is there already" in again.err) == (2, True)


def test_going_back_must_be_confirmed(shell: Shell, done: str) -> None:
    """Without a terminal: exit code 4 and the command; at one, `no` changes nothing."""
    left = shell.quick("checkpoints", done, "--resume", "1", "--json")
    assert (left.code, "--resume 1 --yes" in left.json["error"]["hint"]) == (4, True)
    assert "NOT undone, and may be done again: send" in left.err
    terminal = Terminal(shell, "checkpoints", done, "--resume", "1")
    terminal.expect(r"\[y/N\] ")
    terminal.type("n")
    assert terminal.end() == 1
    assert len(shell.quick("checkpoints", done, "--json").json["items"]) == 3


def test_a_run_goes_on_from_an_earlier_turn(shell: Shell) -> None:
    """A new run has the turns before, asks the model again, and does what follows again."""
    shell.file("free.yaml", FREE)
    arguments = ("--model", shell.script("again", SUM, SEND, DONE), "--policy", "free.yaml", "--id", "again")
    first = shell.quick("run", "send it", *arguments, "-o", "json").json["run_id"]
    before = sent(shell)
    answer = shell("checkpoints", "again", "--resume", "1", "--yes", "--reason", "once more", "-o", "json")
    assert answer.code == 0, answer.err
    assert (answer.json["turn"], answer.json["from_run_id"]) == (1, first)
    assert answer.json["run_id"] != first
    watched = shell.quick("watch", "again", "-o", "json")
    assert (watched.json["result"]["output"], watched.json["run_id"]) == ("All done.", answer.json["run_id"])
    assert [item["turn"] for item in shell.quick("checkpoints", "again", "--json").json["items"]] == [0, 1, 2]
    assert sent(shell) >= before


def test_a_session_goes_back_to_a_question(shell: Shell) -> None:
    """The question that the turn began with is asked again; what was asked later is forgotten."""
    model = shell.script("back", *({"text": text} for text in ("one", "two", "three")))
    for text in ("a", "b", "c"):
        assert shell.quick("chat", "back", "--message", text, "--model", model).code == 0
    assert shell.quick("checkpoints", "back", "--resume", "1", "--yes").code == 0

    def said() -> list[str]:
        page = shell.quick("transcript", "back", "--json").json
        return [message.get("text") or message["content"][0]["text"] for message in page["messages"]]

    until(lambda: said() == ["a", "one", "b", "two"])


async def forget(address: str, workflow_id: str, run_id: str) -> None:
    """Delete one run, as the server does when its time is over."""
    client = await Client.connect(address)
    run = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    request = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=run)
    await client.workflow_service.delete_workflow_execution(request)


def test_runs_that_the_server_forgot_are_told(shell: Shell) -> None:
    """The turns that are left keep their numbers; the transcript still has all messages."""
    steps = [{"calls": [{"tool": "calculator", "arguments": {"expression": f"{n}+1"}}]} for n in range(8)]
    model = shell.script("forgot", *steps, DONE)
    env = {"PERDURE_ROLLOVER_EVENTS": "40"}
    assert shell("run", "count", "--model", model, "--id", "forgot", env=env).code == 0
    first = shell.quick("checkpoints", "forgot", "--json").json["items"][0]
    address = shell.quick("server", "status", "--json").json["address"]
    asyncio.run(forget(address, "forgot", first["run_id"]))
    until(lambda: "no longer has the histories" in shell.quick("checkpoints", "forgot").err)
    left = [item["turn"] for item in shell.quick("checkpoints", "forgot", "--json").json["items"]]
    assert (left[0] > 0, left[-1], left) == (True, 8, list(range(left[0], 9)))
    gone = shell.quick("checkpoints", "forgot", "--resume", "0", "--yes", "--json")
    assert (gone.code, gone.json["error"]["type"]) == (1, "UnknownTurn")
    assert shell.quick("transcript", "forgot", "--json").json["total"] == 18


def test_turns_are_counted_over_all_runs_of_a_chain(shell: Shell) -> None:
    """Numbers go on in the next run, each run is exported to its own file, and an older run can be gone back to."""
    steps = [{"calls": [{"tool": "calculator", "arguments": {"expression": f"{n}+1"}}]} for n in range(8)]
    model = shell.script("chain", *steps, DONE)
    env = {"PERDURE_ROLLOVER_EVENTS": "40"}
    assert shell("run", "count", "--model", model, "--id", "chain", env=env).code == 0
    items = shell.quick("checkpoints", "chain", "--json").json["items"]
    assert [item["turn"] for item in items] == list(range(9))
    runs = list(dict.fromkeys(item["run_id"] for item in items))
    assert len(runs) > 1
    files = shell.quick("checkpoints", "chain", "--export", "chain.json", "--json").json["items"]
    assert [(item["file"], item["run_id"]) for item in files] == [
        (f"chain-{number}.json", run_id) for number, run_id in enumerate(runs, start=1)
    ]
    assert shell("checkpoints", "chain", "--resume", "1", "--yes", env=env).code == 0
    assert shell("watch", "chain", "-o", "json", env=env).json["result"]["output"] == "All done."
