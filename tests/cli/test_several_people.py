"""Requests that take several people: quorum, escalation, standing approvals, and children's requests at the root."""

from tests.cli.shell import Answer, Shell, Terminal
from tests.cli.test_decisions import DONE, kind_of, sent


def start(shell: Shell, name: str, rule: str, *texts: str) -> Answer:
    """Start a run that sends texts, one a turn, under this rule; it ends with exit code 4."""
    policy = shell.file(f"{name}.policy.yaml", f"rules:\n- {{tool: send, {rule}}}\n")
    steps = [{"calls": [{"tool": "send", "arguments": {"text": text}}]} for text in texts]
    model = shell.script(name, *steps, DONE)
    answer = shell.quick("run", "send it", "--model", model, "--policy", policy, "--id", name, "-o", "json")
    assert answer.code == 4, answer
    return answer


def test_two_of_two_must_approve(shell: Shell) -> None:
    """The first approval is told as one of two and counts once; the call runs after the second."""
    start(shell, "pair", "level: confirm, quorum: 2", "by two")
    first = shell.quick("approve", "pair", "req-", "--as", "eve")
    assert (first.code, "(1 of 2 approvals)" in first.out) == (0, True), first
    assert "1 of 2: eve" in shell.quick("approvals", "pair").out
    again = shell.quick("approve", "pair", "req-", "--as", "eve", "--reason", "really", "--json")
    assert (kind_of(again), again.json["code"]) == ((1, "DecisionRefused"), "already_voted")
    assert "by two" not in sent(shell)
    assert shell.quick("approve", "pair", "req-", "--as", "bob").code == 0
    assert shell.quick("watch", "pair").code == 0
    assert "by two" in sent(shell)


def test_one_of_two_is_not_enough_for_yes(shell: Shell) -> None:
    """`--yes` gives its approval once and then needs somebody else: exit code 4."""
    rule = "rules:\n- {tool: send, level: confirm, quorum: 2, self_approval: true}\n"
    call = {"calls": [{"tool": "send", "arguments": {"text": "half"}}]}
    arguments = ("--model", shell.script("half", call, DONE), "--policy", shell.file("half.policy.yaml", rule))
    answer = shell.quick("run", "x", *arguments, "--id", "half", "--yes", "-o", "json")
    assert kind_of(answer) == (4, "HumanNeeded")
    assert len(shell.quick("approvals", "half", "--json").json["items"][0]["votes"]) == 1
    assert shell.quick("stop", "half").code == 0


def test_a_request_is_handed_on_to_those_above(shell: Shell) -> None:
    """They may decide after the escalation, and not before."""
    start(shell, "upward", "level: confirm, approvers: [eve], escalate_after: 1h, escalate_to: [boss]", "from above")
    early = shell.quick("approve", "upward", "req-", "--as", "boss", "--json")
    assert early.json["code"] == "approver_not_allowed"
    handed = shell.quick("escalate", "upward", "req-", "--as", "eve", "--reason", "too much for me")
    assert (handed.code, "escalate" in handed.out) == (0, True), handed
    assert "eve, boss (escalated)" in shell.quick("approvals", "upward").out
    assert shell.quick("approve", "upward", "req-", "--as", "boss", "--reason", "fine").code == 0
    assert shell.quick("watch", "upward").code == 0
    assert "from above" in sent(shell)


def test_a_standing_approval_covers_later_calls_until_its_end(shell: Shell) -> None:
    """One later call goes by the grant, the next one is asked again; a grant without an end is refused."""
    start(shell, "standing", "level: confirm", "grant 1", "grant 2", "grant 3")
    assert shell.quick("approve", "standing", "req-", "--grant", "tool").code == 2
    assert shell.quick("approve", "standing", "req-", "--grant-count", "1").code == 2
    arguments = ("--grant", "tool", "--grant-count", "1", "--grant-seconds", "1h", "--as", "eve")
    assert shell.quick("approve", "standing", "req-1", *arguments).code == 0
    assert shell.quick("watch", "standing").code == 4
    assert [text for text in sent(shell) if text.startswith("grant")] == ["grant 1", "grant 2"]
    assert shell.quick("approve", "standing", "req-3", "--as", "eve").code == 0
    assert shell.quick("watch", "standing").code == 0


def test_a_person_at_the_terminal_sees_how_many_have_approved(shell: Shell) -> None:
    """Their own approval is told as one of two; somebody else's edit is shown and asked about again."""
    rule = "rules:\n- {tool: send, level: confirm, quorum: 2, self_approval: true}\n"
    call = {"calls": [{"tool": "send", "arguments": {"text": "seen"}}]}
    arguments = ("--model", shell.script("seen", call, DONE), "--policy", shell.file("seen.policy.yaml", rule))
    terminal = Terminal(shell, "run", "x", *arguments, "--id", "seen")
    assert "0 of 2" in terminal.expect(r"later \[l\]\? ")
    terminal.type("a")
    assert "(1 of 2 approvals)" in terminal.expect(r"1 of 2 approvals\)")
    assert shell.quick("edit", "seen", "req-", '{"text": "changed"}', "--as", "bob").code == 0
    terminal.expect(r"later \[l\]\? ")
    terminal.type("a")
    terminal.expect("All done.")
    assert terminal.end() == 0
    assert "changed" in sent(shell)
