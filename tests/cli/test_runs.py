"""`run`, `watch` and their exit codes, from outside."""

import json

from tests.cli.shell import Shell

SUM = {"text": "Let me compute.", "calls": [{"tool": "calculator", "arguments": {"expression": "6*7"}}]}
ANSWER = {"text": "The answer is 42."}
SEND = {"calls": [{"tool": "send", "arguments": {"text": "hello"}}]}


def test_a_run_is_followed_to_its_result(shell: Shell) -> None:
    """Text, calls, results, cost and the output appear, and the exit code is 0."""
    answer = shell("run", "what is 6*7", "--model", shell.script("sum", SUM, ANSWER))
    assert answer.code == 0, answer.err
    words = answer.out
    assert words.index("Let me compute.") < words.index('→ calculator {"expression": "6*7"}')
    assert words.index("← calculator 42") < words.index("The answer is 42.")
    assert words.count("The answer is 42.") == 1
    assert "2 turns · 1 tool call" in words
    assert "/namespaces/default/workflows/run-" in words


def test_json_is_one_document_with_the_result(shell: Shell) -> None:
    """Nothing else is on stdout, and the keys are those of the contract."""
    answer = shell("run", "6*7", "--model", shell.script("sum", SUM, ANSWER), "--json", "--id", "json-run")
    assert answer.code == 0
    assert list(answer.json) == ["workflow_id", "run_id", "status", "result"]
    assert answer.json["workflow_id"] == "json-run"
    assert answer.json["status"] == "COMPLETED"
    assert answer.json["result"]["output"] == "The answer is 42."


def test_json_lines_tell_what_happens_in_order(shell: Shell) -> None:
    """Every line is an event; tool calls are seen to start and finish."""
    answer = shell.quick("run", "6*7", "--model", shell.script("sum", SUM, ANSWER), "-o", "jsonl")
    names = [line["event"] for line in answer.lines]
    assert names[0] == "run.started"
    assert names[-1] == "result"
    assert names.index("tool.started") < names.index("tool.finished")
    kinds = [line["message"]["kind"] for line in answer.lines if line["event"] == "message"]
    assert kinds == ["user", "assistant", "tool_result", "assistant"]


def test_a_detached_run_can_be_watched_looked_at_and_listed(shell: Shell) -> None:
    """`--detach` returns at once; watch, status, transcript and list find the run."""
    model = shell.script("sum", SUM, ANSWER)
    started = shell("run", "6*7", "--model", model, "--detach", "--id", "away", "-o", "json")
    assert (started.code, started.json["result"]) == (0, None)
    assert shell.quick("watch", "away", "-o", "json").json["result"]["output"] == "The answer is 42."
    status = shell("status", "away", "-o", "json").json
    assert (status["state"], status["status"], status["turn"]) == ("completed", "COMPLETED", 2)
    page = shell.quick("transcript", "away", "--offset", "1", "--limit", "2", "--json").json
    assert ([item["kind"] for item in page["messages"]], page["total"]) == (["assistant", "tool_result"], 4)
    listed = shell.quick("list", "runs", "-o", "json").json["items"]
    assert {"workflow_id": "away", "state": "completed", "agent": "default"}.items() <= next(
        item.items() for item in listed if item["workflow_id"] == "away"
    )


def test_a_limit_ends_a_run_without_success(shell: Shell) -> None:
    """The result says why, and the exit code is 1."""
    model = shell.script("sum", SUM, ANSWER)
    answer = shell.quick("run", "6*7", "--model", model, "--limit", "turns=1", "-o", "json")
    assert (answer.code, answer.json["result"]["stop_reason"]) == (1, "turn_limit")


def test_an_unknown_agent_is_invalid_input(shell: Shell) -> None:
    """The run fails with a type that comes from its input: exit code 2, in words."""
    answer = shell.quick("run", "x", "--model", shell.script("sum", ANSWER), "--agent", "nobody")
    assert answer.code == 2
    assert "no agent is called 'nobody'" in answer.err


def test_a_missing_key_is_named(shell: Shell) -> None:
    """A provider without a key fails the run with words about the key: exit code 1."""
    answer = shell.quick("run", "x", "--model", "openai:gpt-6-luna", "-o", "json")
    assert (answer.code, answer.json["status"]) == (1, "FAILED")
    assert answer.json["error"]["type"] == "AuthenticationFailed"
    assert "OPENAI_API_KEY" in answer.json["error"]["message"]


def test_a_goal_that_is_too_long_is_refused_before_anything_starts(shell: Shell) -> None:
    """Three megabytes do not fit: exit code 2 and advice."""
    shell.file("long.json", json.dumps({"goal": "x" * 3_000_000}))
    answer = shell.quick("run", "--input-file", "long.json", "-o", "json")
    assert answer.code == 2
    assert "put documents into workspace files" in answer.json["error"]["message"]


def test_an_open_id_is_not_started_twice(shell: Shell) -> None:
    """The second start is refused and says how to watch the first."""
    model = shell.script("send", SEND, ANSWER)
    assert shell.quick("run", "x", "--model", model, "--id", "once-only", "--detach").code == 0
    again = shell.quick("run", "x", "--model", model, "--id", "once-only")
    assert (again.code, "watch once-only" in again.err) == (2, True)
    assert shell.quick("stop", "once-only").code == 0


def test_a_run_that_nobody_started_is_unknown(shell: Shell) -> None:
    """Exit code 1, in words or as a JSON error."""
    answer = shell.quick("status", "nothing-here", "-o", "json")
    assert (answer.code, answer.json["error"]["type"]) == (1, "UnknownRun")


def test_a_server_that_is_not_there_is_told_within_seconds(shell: Shell) -> None:
    """Exit code 3 and the address that was tried."""
    answer = shell("list", "runs", "-o", "json", env={"TEMPORAL_ADDRESS": "127.0.0.1:1"})
    assert answer.code == 3
    assert "127.0.0.1:1" in answer.json["error"]["message"]


def test_usage_errors_are_json_when_json_is_asked_for(shell: Shell) -> None:
    """Verbs and options of later releases do not exist: exit code 2."""
    answer = shell.quick("fork", "x", "-o", "json")
    assert (answer.code, answer.json["error"]["type"]) == (2, "UsageError")
