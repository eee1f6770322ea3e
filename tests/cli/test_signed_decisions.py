"""Decisions on a server whose worker has public keys: unsigned ones do not count, signed ones do, from outside."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.domain.identity import Role
from perdure.identity import Signer
from tests.cli.conftest import FOREIGN
from tests.cli.shell import Answer, Shell
from tests.keys import Pair, make_pair

ASK = {"calls": [{"tool": "ask_human", "arguments": {"question": "Which colour?"}}]}
DONE = {"text": "All done."}


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """The keys that count."""
    return make_pair(tmp_path)


@pytest.fixture
def signed(tmp_path: Path, pair: Pair) -> Iterator[Shell]:
    """A folder with a server of its own, whose worker takes only signed decisions."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    shell = Shell(tmp_path, {**env, "PERDURE_HOME": str(tmp_path / "home"), "PERDURE_PUBLIC_KEYS": str(pair.public)})
    yield shell
    subprocess.run(shell.command("server", "stop"), cwd=tmp_path, env=shell.env, timeout=90, check=True)


def code_of(answer: Answer) -> tuple[int, str, str]:
    """Exit code, kind and the run's own code of a refused decision."""
    return answer.code, answer.json["error"]["type"], answer.json.get("code", "")


def test_only_a_decision_with_a_good_token_counts(signed: Shell, pair: Pair) -> None:
    """No token, one of a stranger, one of another answer; then that of another system on stdin, and our own key."""
    model = signed.script("asks", ASK, ASK, DONE)
    started = signed("run", "ask", "--model", model, "--id", "asks", "-o", "json")
    assert started.code == 4, started
    [request] = started.json["pending"]
    name, digest = request["request_id"], request["digest"]
    stranger = make_pair(signed.folder, "stranger")
    respond = ("respond", "asks", name, "blue", "--json")
    assert code_of(signed.quick(*respond)) == (1, "DecisionRefused", "token_required")
    forged = signed("respond", "asks", name, "blue", "--json", env={"PERDURE_SIGNING_KEY": str(stranger.private)})
    assert code_of(forged) == (1, "DecisionRefused", "token_invalid")
    token = Signer(pair.private).sign(
        "ada", [Role.APPROVER], workflow_id="asks", act="respond", request_id=name, digest=digest, content="other"
    )
    other = signed.quick(*respond, "--token", token)
    assert code_of(other) == (1, "DecisionRefused", "token_mismatch")
    assert token not in other.out + other.err
    own = signed(*respond, "--as", "ada", env={"PERDURE_SIGNING_KEY": str(pair.private)})
    assert (own.code, own.json["accepted"]) == (0, True), own
    assert piped(signed, pair).returncode == 0
    watched = signed.quick("watch", "asks", "-o", "json")
    assert (watched.code, "All done." in watched.out) == (0, True), watched


def piped(shell: Shell, pair: Pair) -> "subprocess.CompletedProcess[str]":
    """Answer the request that waits now with a token on stdin."""
    [request] = shell.quick("approvals", "asks", "-o", "jsonl").lines
    name = request["request_id"]
    token = Signer(pair.private).sign(
        "bob", [Role.APPROVER], workflow_id="asks", act="reject", request_id=name, digest=request["digest"]
    )
    command = shell.command("reject", "asks", name, "--token", "-")
    return subprocess.run(
        command, cwd=shell.folder, env=shell.env, input=f"{token}\n", text=True, timeout=90, check=False
    )
