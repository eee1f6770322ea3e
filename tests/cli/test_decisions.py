"""Requests that wait for a person: exit code 4, the verbs that answer, `--yes`, `--wait`, and the terminal."""

import signal
from typing import Any

from tests.cli.shell import Answer, Shell, Terminal, until

SEND = {"calls": [{"tool": "send", "arguments": {"text": "hello"}}]}
DONE = {"text": "All done."}
REVIEW = "rules:\n- {tool: send, level: review}\n"


def waiting(shell: Shell, name: str, *steps: dict[str, Any]) -> str:
    """Start a run that ends with exit code 4; returns the id of its request."""
    answer = shell.quick("run", "send it", "--model", shell.script(name, *steps), "--id", name, "-o", "json")
    assert (answer.code, answer.json["error"]["type"]) == (4, "HumanNeeded"), answer
    [request] = answer.json["pending"]
    assert f"uv run starter.py approve {name} {request['request_id']}" in answer.json["error"]["hint"]
    return request["request_id"]


def sent(shell: Shell) -> list[str]:
    """What the tool has sent so far."""
    path = shell.folder / "sent.txt"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def kind_of(answer: Answer) -> tuple[int, str]:
    """Exit code and type of an error."""
    return answer.code, answer.json["error"]["type"]


def test_a_request_is_shown_refused_when_wrong_and_approved_by_a_prefix(shell: Shell) -> None:
    """The inbox shows it; a wrong digest and an unknown id are refused; the beginning of its id is enough."""
    request = waiting(shell, "ask-one", SEND, DONE)
    inbox = shell("approvals", "-o", "json").json["items"]
    assert (request, "ask-one") in [(item["request_id"], item["workflow_id"]) for item in inbox]
    wrong = shell.quick("approve", "ask-one", request, "--digest", "0" * 64, "--json")
    assert kind_of(wrong) == (1, "DecisionRefused")
    assert kind_of(shell.quick("approve", "ask-one", "req-99", "--json")) == (1, "UnknownRequest")
    yes = shell.quick("approve", "ask-one", request[:6], "--as", "ada", "--json").json
    assert (yes["accepted"], yes["verdict"]) == (True, "approve")
    assert shell.quick("watch", "ask-one", "-o", "json").json["result"]["output"] == "All done."
    assert "hello" in sent(shell)
    used = shell.quick("approve", "ask-one", request, "--json")
    assert kind_of(used) == (1, "RunEnded")


def test_edit_checks_arguments_and_sends_the_edited_call(shell: Shell) -> None:
    """Arguments that do not fit the tool are refused; those that do replace the model's."""
    request = waiting(shell, "edit-one", SEND, DONE)
    wrong = shell.quick("edit", "edit-one", request, '{"txt": "other"}', "--json")
    assert kind_of(wrong) == (1, "DecisionRefused")
    assert kind_of(shell.quick("edit", "edit-one", request, "{not json", "--json")) == (2, "InvalidInput")
    assert shell("edit", "edit-one", request, '{"text": "edited"}').code == 0
    assert shell.quick("watch", "edit-one").code == 0
    assert "edited" in sent(shell)


def test_yes_approves_confirm_and_never_review(shell: Shell) -> None:
    """A call at `confirm` is approved as automatic; one at `review` still needs a person."""
    model = shell.script("yes", {"calls": [{"tool": "send", "arguments": {"text": "by yes"}}]}, DONE)
    answer = shell("run", "send it", "--model", model, "--yes")
    assert answer.code == 0
    assert "automatic: --yes" in answer.out
    assert "by yes" in sent(shell)
    policy = shell.file("review.yaml", REVIEW)
    strict = shell.quick(
        "run", "send it", "--model", model, "--yes", "--policy", policy, "--id", "strict", "-o", "json"
    )
    assert (strict.code, strict.json["pending"][0]["level"]) == (4, "review")
    assert shell.quick("stop", "strict").code == 0


def test_wait_gives_others_time_to_decide(shell: Shell) -> None:
    """A question that is answered from elsewhere within `--wait` lets the run go on to exit code 0."""
    ask = {"calls": [{"tool": "ask_human", "arguments": {"question": "Which colour?"}}]}
    model = shell.script("patient", ask, DONE)
    process = shell.start("run", "ask", "--model", model, "--id", "patient", "--wait", "50", "-o", "json")
    until(lambda: shell.quick("approvals", "patient", "-o", "json").out.count("request_id") == 1)
    assert shell("respond", "patient", "req-1", "blue").code == 0
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert '"output": "All done."' in out
    assert "blue" in shell.quick("transcript", "patient").out


def test_a_request_of_a_delegated_run_is_answered_at_its_root(shell: Shell) -> None:
    """The child's request shows with the root, and the root's id finds it."""
    child = shell.script("child", SEND, DONE)
    shell.file("definitions/agents/sender.yaml", f"name: sender\ntools: [send]\nmodel: {child}\n")
    hand_over = {"calls": [{"tool": "delegate", "arguments": {"agent": "sender", "goal": "send hello"}}]}
    policy = shell.file("delegating.yaml", "rules:\n- {tool: delegate, level: none}\n")
    arguments = ("run", "delegate it", "--model", shell.script("parent", hand_over, DONE), "--policy", policy)
    answer = shell.quick(*arguments, "--id", "parent", "-o", "json")
    assert answer.code == 4, answer
    [request] = answer.json["pending"]
    assert request["workflow_id"].startswith("parent.")
    assert shell.quick("approve", "parent", request["request_id"]).code == 0
    assert shell.quick("watch", "parent").code == 0


def test_a_person_at_the_terminal_is_asked(shell: Shell) -> None:
    """The call is shown in full; an edit that does not fit is asked for again; then the call runs as edited."""
    terminal = Terminal(shell, "run", "send it", "--model", shell.script("tty", SEND, DONE))
    shown = terminal.expect(r"approve \[a\].*later \[l\]\? ")
    assert '{"text": "hello"}' in shown
    assert "effect once, level confirm" in shown
    terminal.type("e")
    terminal.expect("> $")
    terminal.type('{"text": 1}')
    assert "text" in terminal.expect(r"later \[l\]\? ")
    terminal.type("edit")
    terminal.expect("> $")
    terminal.type('{"text": "typed here"}')
    assert "All done." in terminal.expect("All done.")
    assert terminal.end() == 0
    assert "typed here" in sent(shell)


def test_ctrl_c_leaves_the_run_going_and_prints_the_way_back(shell: Shell) -> None:
    """Exit code 130 at once, also while a question is open; the run is there afterwards."""
    terminal = Terminal(shell, "run", "x", "--model", shell.script("tty", SEND, DONE), "--id", "left")
    terminal.expect(r"later \[l\]\? ")
    terminal.process.send_signal(signal.SIGINT)
    shown = terminal.expect("the run lives on")
    code = terminal.end(timeout=10)
    shown += terminal.shown
    assert code == 130
    assert "starter.py watch left" in shown
    assert shell.quick("status", "left", "--json").json["state"] == "waiting"
    assert shell.quick("stop", "left").code == 0
