"""`letters`, from outside: the letters of a mesh, its dead ones, and sending them again."""

import json
from typing import Any

import pytest
import yaml

from tests.cli.shell import Shell, until

HEAD = ["LETTER", "TIME", "TYPE", "FROM", "TO", "STATE", "CONTENT"]


def write(*letters: dict[str, str], **fields: Any) -> dict[str, list[dict[str, str]]]:
    """The one answer in a conversation of the script."""
    return {"steps": [{"text": json.dumps({"letters": letters, **fields})}]}


@pytest.fixture(scope="module")
def open_mesh(shell: Shell) -> str:
    """Id of an open mesh: one letter was answered, one went to nobody, one came over the hop limit."""
    letters = [
        {"to": "ben", "type": "request", "content": "how many?"},
        {"to": "bob", "type": "inform", "content": "hello"},
    ]
    conversations = [
        {"when": "You are Ann.*Letter goal,*", **write(*letters)},
        {"when": "You are Ben.*Letter ann:1,*", **write({"to": "ann", "type": "response", "content": "three"})},
        {"when": "You are Ann.*Letter ben:1,*", **write({"to": "ben", "type": "inform", "content": "thanks"})},
        {"when": "You are Ben.*Letter ann:3,*", **write(done=True, result="it arrived")},
        {"when": "*", **write()},
    ]
    (shell.folder / "mesh.yaml").write_text(yaml.safe_dump({"conversations": conversations}), encoding="utf-8")
    peers = [
        {"name": name, "agent": {"name": name, "instructions": f"You are {name.title()}."}} for name in ("ann", "ben")
    ]
    given = {"start": "ann", "peers": peers, "max_hops": 2, "quiet_seconds": 600}
    arguments = ("--workflow", "Mesh", "--input", json.dumps(given), "--model", "scripted:mesh.yaml", "--id", "letters")
    answer = shell.quick("run", "count", *arguments, "--detach")
    assert answer.code == 0, answer.err
    until(lambda: "HOP_LIMIT" in shell.quick("letters", "letters", "--dead").out)
    until(lambda: "waiting" not in shell.quick("letters", "letters").out)
    return "letters"


def test_letters_are_shown_with_how_far_they_are(shell: Shell, open_mesh: str) -> None:
    """All of them, those between two, the dead ones; as a table and as JSON."""
    lines = shell.quick("letters", open_mesh).out.splitlines()
    assert (lines[0].split(), len(lines)) == (HEAD, 7)
    assert any("response" in line and line.endswith("(about ann:1) three") for line in lines)
    items = shell.quick("letters", open_mesh, "--pair", "ann,ben", "-o", "json").json["items"]
    assert [item["letter"]["id"] for item in items] == ["ann:1", "ben:1", "ann:3"]
    assert items[0]["deliveries"] == [{"peer": "ben", "state": "handled", "attempts": 1}]
    dead = shell.quick("letters", open_mesh, "--dead", "--json").json["items"]
    assert [(each["id"], each["reason"]) for each in dead] == [("ann:2", "UNKNOWN_PEER"), ("ann:3", "HOP_LIMIT")]
    assert shell.quick("letters", open_mesh, "--pending").out == "no pending requests\n"


def test_what_is_asked_wrongly_is_said(shell: Shell, open_mesh: str) -> None:
    """Options that do not go together, names that are none, runs that are no mesh, letters that are not dead."""
    for options in (["--dead", "--redrive-all"], ["--pair", ","], ["--pair", "a,b,c"], ["--pair", "a b"]):
        answer = shell.quick("letters", open_mesh, *options, "--json")
        assert (answer.code, answer.json["error"]["type"]) == (2, "InvalidInput"), options
    assert shell.quick("letters", "nowhere").code == 1
    unknown = shell.quick("letters", open_mesh, "--redrive", "ann:9", "--json")
    assert (unknown.code, unknown.json["unknown"]) == (1, ["ann:9"])
    assert shell.quick("run", "x", "--model", shell.script("plain", {"text": "hi"}), "--id", "plain").code == 0
    other = shell.quick("letters", "plain", "--json")
    assert (other.code, other.json["error"]["type"]) == (1, "NoLetters")


def test_dead_letters_are_sent_again(shell: Shell, open_mesh: str) -> None:
    """One that is dead again is exit code 1; one that arrives goes on under its id. An ended mesh says so."""
    again = shell.quick("letters", open_mesh, "--redrive", "ann:2")
    assert (again.code, "ann:2: dead, UNKNOWN_PEER: there is no peer 'bob'" in again.out) == (1, True)
    answer = shell.quick("letters", open_mesh, "--redrive", "ann:3", "-o", "json")
    assert (answer.code, answer.json["letters"][0]["state"]) == (0, "waiting")
    assert "it arrived" in shell.quick("watch", open_mesh).out
    ended = shell.quick("letters", open_mesh, "--redrive-all", "--json")
    assert (ended.code, ended.json["error"]["type"]) == (1, "RunEnded")
