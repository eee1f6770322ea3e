"""Reviews of plans and results from the command line: shown, changed and approved like every request."""

import json

from tests.cli.shell import Shell

PLAN = {"items": [{"id": "a", "content": "Pack"}]}


def test_a_plan_is_reviewed_with_the_verbs_of_every_request(shell: Shell) -> None:
    """`run` ends with exit code 4, `approvals` shows the content, `edit` and `approve` decide the two stages."""
    given = {"goal": "Move", "kind": "plan", "content": PLAN, "stages": [{"name": "lead"}, {"name": "boss"}]}
    model = shell.script("review", {"text": "unused"})
    started = shell.quick(
        "run", "--workflow", "Review", "--input", json.dumps(given), "--model", model, "--id", "moving", "-o", "json"
    )
    assert (started.code, started.json["error"]["type"]) == (4, "HumanNeeded"), started
    (request,) = started.json["pending"]
    assert (request["kind"], request["arguments"], request["level"]) == ("plan", PLAN, "review")
    shown = shell.quick("approvals", "moving").out
    assert "Move (lead)" in shown
    assert "Pack" in shown
    new = {"items": [{"id": "a", "content": "Drive"}]}
    wrong = shell.quick("edit", "moving", request["request_id"], "{}", "--as", "ada", "--json")
    assert wrong.code != 0, wrong
    edit = shell.quick("edit", "moving", request["request_id"], json.dumps(new), "--as", "ada", "--json")
    assert (edit.code, edit.json["accepted"]) == (0, True), edit
    (second,) = shell.quick("watch", "moving", "-o", "json").json["pending"]
    assert second["arguments"] == new
    yes = shell.quick("approve", "moving", second["request_id"], "--digest", second["digest"], "--as", "bob", "--json")
    assert (yes.code, yes.json["accepted"]) == (0, True), yes
    result = shell.quick("watch", "moving", "-o", "json").json["result"]
    assert (result["approved"], result["content"]) == (True, new)
    assert [(each["stage"], each["status"], each["by"]) for each in result["verdicts"]] == [
        ("lead", "modified", "ada"),
        ("boss", "approved", "bob"),
    ]
