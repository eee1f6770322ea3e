"""`configure` and `run --on-limit`, from outside."""

from tests.cli.shell import Shell, Terminal, until

SUM = {"calls": [{"tool": "calculator", "arguments": {"expression": "6*7"}}]}
ASK = {"calls": [{"tool": "ask_human", "arguments": {"question": "Shall I?"}}]}
DONE = {"text": "All done."}


def waiting(shell: Shell, name: str, *arguments: str) -> None:
    """Start a run that waits for a person."""
    model = shell.script(name, ASK, SUM, DONE)
    assert shell.quick("run", "x", "--model", model, "--id", name, "--detach", *arguments).code == 0
    until(lambda: shell.quick("approvals", name, "-o", "jsonl").out != "")


def test_limits_and_tools_of_an_open_run_are_changed_and_told(shell: Shell) -> None:
    """Before and after are shown; the run goes on with them."""
    waiting(shell, "configured")
    text = shell("configure", "configured", "--limit", "turns=2", "--reason", "enough", "--by", "ada")
    assert (text.code, text.out) == (0, "limits.turns: 30 -> 2\n"), text.err
    changed = shell.quick("configure", "configured", "--tools", "calculator,send", "--limit", "cost_usd=null", "--json")
    assert changed.json["changed"]["tools"]["to"] == ["calculator", "send"]
    assert shell.quick("respond", "configured", "req-", "yes").code == 0
    watched = shell.quick("watch", "configured", "-o", "json")
    assert (watched.code, watched.json["result"]["stop_reason"]) == (1, "turn_limit")
    ended = shell.quick("configure", "configured", "--limit", "turns=5", "--json")
    assert (ended.code, ended.json["error"]["type"]) == (1, "RunEnded")


def test_changes_that_are_wrong_change_nothing(shell: Shell) -> None:
    """No change at all, an unknown limit, one of zero, a model without provider, a policy with an error: code 2."""
    waiting(shell, "misconfigured")
    shell.file("wrong.yaml", "rules:\n- {tool: send, level: perhaps}\n")
    for wrong, words in (
        ([], "nothing to change"),
        (["--limit", "turn=1"], "turns"),
        (["--limit", "turns=0"], "limits.turns"),
        (["--model", "gpt"], "provider:model"),
        (["--policy", "wrong.yaml"], "wrong.yaml:2"),
        (["--model", "scripted:not-there.yaml"], "not-there.yaml"),
    ):
        answer = shell.quick("configure", "misconfigured", *wrong, "--json")
        assert answer.code == 2, (wrong, answer)
        assert words in answer.json["error"]["message"] + answer.json["error"]["hint"], answer
    assert shell.quick("status", "misconfigured", "--json").json["left"]["turns"] == 29
    assert shell.quick("stop", "misconfigured").code == 0


def test_a_run_asks_for_more_at_its_limit(shell: Shell) -> None:
    """The request says what approval gives; an edit sets other limits, and the run completes."""
    model = shell.script("more", SUM, SUM, DONE)
    left = shell.quick("run", "x", "--model", model, "--limit", "turns=1", "--on-limit", "ask", "--id", "more")
    assert left.code == 4, left.err
    assert "go on, with as much again" in left.out
    assert "'{\"turns\": 2}'" in left.err
    refused = shell.quick("edit", "more", "req-limit", '{"turn": 9}', "--json")
    assert (refused.code, refused.json["error"]["type"]) == (1, "DecisionRefused")
    assert shell.quick("edit", "more", "req-limit", '{"turns": 9}').code == 0
    assert shell.quick("watch", "more", "-o", "json").json["result"]["output"] == "All done."


def test_a_limit_is_asked_about_at_the_terminal(shell: Shell) -> None:
    """The menu has what fits a limit, and approval goes on."""
    model = shell.script("lift", SUM, DONE)
    terminal = Terminal(shell, "run", "x", "--model", model, "--limit", "turns=1", "--on-limit", "ask")
    shown = terminal.expect(r"later \[l\]\? ")
    assert ("limit of 1 turns" in shown, "respond [t]" in shown) == (True, False)
    terminal.type("a")
    assert terminal.end() == 0
    assert "All done." in terminal.shown


def test_on_limit_is_one_of_three(shell: Shell) -> None:
    """Anything else is a usage error that names them."""
    answer = shell.quick("run", "x", "--on-limit", "wait", "--json")
    assert (answer.code, "summarise" in answer.json["error"]["message"]) == (2, True)
