"""Tokens of the command line: where they come from, what they are bound to, and which words refuse them."""

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import jwt
import pytest

from perdure.cli.deciding import decide
from perdure.cli.errors import CliError, ExitCode
from perdure.cli.signing import given_token, name_for, token_for
from perdure.domain.approvals import Decide, DecisionAnswer, Verdict
from perdure.domain.identity import Role, TokenCheck, content_digest
from perdure.identity import Signer, Verifier
from perdure.settings import Settings, SettingsError
from tests.keys import Pair, make_pair

if TYPE_CHECKING:
    from perdure.cli.session import Session


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """The keys of this machine."""
    return make_pair(tmp_path)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """What stdin holds."""
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream, encoding="utf-8"))
    return stream


class Connected:
    """A session whose run takes every decision; `sent` are the decisions and the ids of their updates."""

    def __init__(self, signing_key: Path | None) -> None:
        """Settings with this key."""
        self.settings = Settings(signing_key=signing_key)
        self.sent: list[tuple[str, Decide, str]] = []
        self._run = ""

    def handle(self, workflow_id: str) -> "Connected":
        """The run itself."""
        self._run = workflow_id
        return self

    async def execute_update(self, name: str, decision: Decide, **options: Any) -> DecisionAnswer:
        """Accept it."""
        self.sent.append((self._run, decision, options["id"]))
        return DecisionAnswer(
            accepted=name == "decide", request_id=decision.request_id, verdict=decision.verdict, state="executing"
        )


async def send(connected: Connected, decision: Decide) -> tuple[str, Decide, str]:
    """Run, decision and update id that were sent for this decision on `agent-1`."""
    await decide(cast("Session", connected), "agent-1", decision)
    return connected.sent[-1]


async def test_a_decision_is_signed_for_exactly_what_it_decides(pair: Pair) -> None:
    """Run, request, digest, verdict and content are in the token; the person's name and two roles as well."""
    connected, verifier = Connected(pair.private), Verifier(pair.public)
    edit = Decide(
        request_id="req-1", verdict=Verdict.EDIT, approver="ada", digest="d1", arguments={"cents": 5}, reason="less"
    )
    run, sent, _ = await send(connected, edit)
    content = content_digest({"cents": 5}, None)
    check = TokenCheck(token=sent.token or "", act="edit", request_id="req-1", digest="d1", content=content)
    identity = verifier.check(check, run).identity
    assert identity is not None
    assert (identity.subject, identity.roles) == ("ada", (Role.APPROVER, Role.OPERATOR))
    assert sent.model_copy(update={"token": None}) == edit
    approval = Decide(request_id="req-1", verdict=Verdict.APPROVE, approver="ada", digest="d1")
    _, approved, _ = await send(connected, approval)
    check = TokenCheck(token=approved.token or "", act="approve", request_id="req-1", digest="d1")
    assert verifier.check(check, "agent-1").identity is not None


async def test_without_a_key_a_decision_goes_as_it_is(pair: Pair) -> None:
    """Nothing is signed, and a token that was given is kept, also where there is a key."""
    plain = Decide(request_id="req-1", verdict=Verdict.APPROVE, approver="ada", digest="d1")
    _, sent, first = await send(Connected(None), plain)
    assert sent == plain
    _, _, again = await send(Connected(None), plain)
    assert first == again
    given = plain.model_copy(update={"token": "of.another.system"})
    _, sent, third = await send(Connected(pair.private), given)
    assert (sent, third == first) == (given, False)


def test_a_control_verb_is_signed_for_its_run(pair: Pair) -> None:
    """The token fits that verb on that run."""
    settings = Settings(signing_key=pair.private)
    token = token_for(settings, None, "ada", "agent-1", "pause")
    check = TokenCheck(token=token or "", act="pause")
    assert Verifier(pair.public).check(check, "agent-1").identity is not None
    assert token_for(settings, "given", "ada", "agent-1", "pause") == "given"
    assert token_for(Settings(), None, "ada", "agent-1", "pause") is None


def test_a_key_that_cannot_be_used_is_a_settings_error(tmp_path: Path) -> None:
    """The file and how to make one are named."""
    with pytest.raises(SettingsError, match="openssl genpkey -algorithm ed25519"):
        token_for(Settings(signing_key=tmp_path / "none.pem"), None, "ada", "agent-1", "pause")


def test_one_line_of_stdin_is_the_token(typed: io.BytesIO) -> None:
    """So that it does not show in the list of processes."""
    typed.write(b"one.two.three\nnot this\n")
    typed.seek(0)
    assert given_token("-") == "one.two.three"
    assert given_token(" a.b.c ") == "a.b.c"
    assert given_token(None) is None


@pytest.mark.parametrize(
    ("line", "words"),
    [(b"", "stdin has no line"), (b"\n", "stdin has no line"), (b"x" * 9_000, "8192"), (b"sec\xffret", "one word")],
)
def test_a_line_of_stdin_that_is_no_token_is_refused(typed: io.BytesIO, line: bytes, words: str) -> None:
    """Exit code 2, without repeating it."""
    typed.write(line)
    typed.seek(0)
    with pytest.raises(CliError, match=words) as refused:
        given_token("-")
    assert (refused.value.code, "sec" in refused.value.message) == (ExitCode.USAGE, False)


@pytest.mark.parametrize("option", ["", "  ", "secret words", "secret\x00", "sécret", "secret" * 2_000])
def test_an_option_that_is_no_token_is_refused(option: str) -> None:
    """Before anything is sent, and without repeating it."""
    with pytest.raises(CliError, match="--token: ") as refused:
        given_token(option)
    assert (refused.value.code, "secret" in refused.value.message) == (ExitCode.USAGE, False)


def test_the_name_is_that_of_the_option_then_of_the_token(pair: Pair) -> None:
    """A token that names nobody leaves the person at this machine."""
    token = Signer(pair.private).sign("ada", (), workflow_id="agent-1", act="pause")
    nobody = jwt.encode({"sub": "x" * 201}, pair.private.read_bytes(), algorithm="EdDSA")
    me = name_for(None, None)
    assert [name_for("eve", token), name_for(None, token)] == ["eve", "ada"]
    assert [name_for(None, "no.to.ken"), name_for(None, nobody), name_for(None, "x")] == [me] * 3
    assert me
