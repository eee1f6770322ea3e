"""`transcript`, `watch` and `list runs` over all runs of a chain."""

import pytest

from tests.cli.shell import Shell

ROUNDS = 12


@pytest.fixture(scope="module")
def rolled(shell: Shell) -> str:
    """Id of a run that continued as new several times."""
    steps = [{"calls": [{"tool": "calculator", "arguments": {"expression": f"{n}+1"}}]} for n in range(ROUNDS)]
    model = shell.script("rolled", *steps, {"text": "Counted."})
    done = shell("run", "count", "--model", model, "--id", "rolled", "-o", "jsonl", env=OFTEN)
    assert done.code == 0, done.err
    kinds = [line["message"]["kind"] for line in done.lines if line["event"] == "message"]
    assert kinds == ["user", *["assistant", "tool_result"] * ROUNDS, "assistant"]
    return "rolled"


OFTEN = {"PERDURE_ROLLOVER_EVENTS": "40"}


def test_all_messages_come_back_in_order_page_by_page(shell: Shell, rolled: str) -> None:
    """Over the whole chain, from any offset, as text, as lines and as one document."""
    whole = shell.quick("transcript", rolled, "--all", "--json").json
    assert (len(whole["messages"]), whole["total"], whole["next_offset"]) == (2 * ROUNDS + 2, 2 * ROUNDS + 2, None)
    results = [message["text"] for message in whole["messages"] if message["kind"] == "tool_result"]
    assert results == [str(n + 1) for n in range(ROUNDS)]
    part = shell.quick("transcript", rolled, "--offset", "3", "--limit", "5", "--json").json
    assert (part["messages"], part["next_offset"]) == (whole["messages"][3:8], 8)
    assert shell("transcript", rolled, "-o", "jsonl").lines == whole["messages"]
    assert shell.quick("transcript", rolled, "--all", "--limit", "1").code == 2


def test_a_chain_is_one_run_in_the_list(shell: Shell, rolled: str) -> None:
    """Only its last run stands there, with the state of the whole."""
    items = shell.quick("list", "runs", "--json").json["items"]
    [item] = [item for item in items if item["workflow_id"] == rolled]
    assert (item["status"], item["state"]) == ("COMPLETED", "completed")


def test_watching_it_again_tells_all_of_it(shell: Shell, rolled: str) -> None:
    """From the first message to the result."""
    seen = shell.quick("watch", rolled, "-o", "jsonl")
    assert [line["event"] for line in seen.lines].count("message") == 2 * ROUNDS + 2
    assert seen.lines[-1]["result"]["output"] == "Counted."


def test_a_page_that_cannot_be_read_is_told(shell: Shell, rolled: str) -> None:
    """Its blob is gone: the reason is on stderr, the exit code is 1, and what lies behind can still be read."""
    blobs = shell.folder / "home" / "blobs"
    away = blobs.rename(shell.folder / "home" / "blobs-away")
    try:
        answer = shell.quick("transcript", rolled, "--json")
        behind = shell.quick("transcript", rolled, "--offset", str(2 * ROUNDS + 1), "--json")
    finally:
        away.rename(blobs)
    assert (answer.code, "cannot be read" in answer.err) == (1, True)
    assert (answer.json["problem"] != "", answer.json["messages"]) == (True, [])
    assert (behind.code, len(behind.json["messages"])) == (0, 1)
