"""Tokens: what counts, and which of the codes says why one does not."""

import runpy
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from temporalio.testing import ActivityEnvironment

from activities.identity import IdentityActivities
from perdure.domain.approvals import Decide
from perdure.domain.control import ConfigurePayload, SteerPayload
from perdure.domain.identity import Identity, Role, TokenCheck, content_digest
from perdure.identity import Signer, Verifier
from tests.keys import Pair, make_pair
from tests.test_docs import snippets
from tests.tokens import RUN, check, claims, expected

if TYPE_CHECKING:
    from perdure.domain.model import JsonObject

ROLES = (Role.APPROVER, Role.OPERATOR)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Keys of a signer that the verifier trusts."""
    return make_pair(tmp_path)


def test_what_the_signer_signs_the_verifier_accepts(pair: Pair) -> None:
    """Subject and every role come back; each token has an id of its own."""
    signer, verifier = Signer(pair.private), Verifier(pair.public)
    tokens = [
        signer.sign(
            "ada", (*ROLES, "finance"), workflow_id=RUN, act="edit", request_id="req-1", digest="d1", content="c"
        )
        for _ in range(2)
    ]
    found = [verifier.check(expected(token, act="edit", content="c"), RUN).identity for token in tokens]
    assert [(one.subject, one.roles) for one in found if one] == [("ada", ("approver", "operator", "finance"))] * 2
    assert len({one.token_id for one in found if one}) == 2


def test_a_control_verb_is_bound_to_no_request(pair: Pair) -> None:
    """Neither request nor digest go with it; nothing but the verb fits."""
    token = Signer(pair.private).sign("ada", ROLES, workflow_id=RUN, act="pause")
    verifier = Verifier(pair.public)
    assert verifier.check(TokenCheck(token=token, act="pause"), RUN).identity is not None
    assert verifier.check(TokenCheck(token=token, act="stop"), RUN).code == "token_mismatch"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"request_id": "req-2"}, "another request (`req`) than 'req-2'"),
        ({"digest": "d2"}, "another digest (`dig`) than 'd2'"),
        ({"act": "reject"}, "another act (`act`) than 'reject'"),
        ({"content": "c"}, "another content (`con`)"),
    ],
)
def test_a_token_of_something_else_says_of_what(pair: Pair, changes: dict[str, str], word: str) -> None:
    """Each part of what it is bound to is told apart, and only that part is named."""
    found = check(pair, claims(), **changes)
    assert (found.code, found.identity) == ("token_mismatch", None)
    assert word in found.reason
    assert found.reason.count("another") == 1


def test_a_token_of_another_workflow_is_a_mismatch(pair: Pair) -> None:
    """The same request id in another run does not help."""
    found = check(pair, claims(wid="agent-2"))
    assert (found.code, "another workflow (`wid`) than 'agent-1'" in found.reason) == ("token_mismatch", True)


@pytest.mark.parametrize(
    ("issued", "ends", "code"),
    [
        (0, 300, ""),
        (20, 300, ""),
        (-400, -10, ""),
        (-400, -40, "token_expired"),
        (-86_400, -80_000, "token_expired"),
        (60, 300, "token_invalid"),
        (0, 3_600, ""),
        (0, 3_601, "token_lifetime"),
        (-86_400, 60, "token_lifetime"),
        (10, 10, "token_lifetime"),
    ],
)
def test_a_token_counts_for_a_short_time_only(pair: Pair, issued: int, ends: int, code: str) -> None:
    """Clocks may differ by half a minute; nothing that lives longer than an hour counts."""
    now = int(time.time())
    found = check(pair, claims(iat=now + issued, exp=now + ends))
    assert (found.code, found.identity is None) == (code, bool(code)), found.reason


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"sub": None}, "`sub` is missing"),
        ({"sub": ""}, "at least 1 character"),
        ({"sub": "x" * 201}, "at most 200 characters"),
        ({"jti": None}, "`jti` is missing"),
        ({"jti": ""}, "at least 1 character"),
        ({"exp": None}, "`exp` is missing"),
        ({"iat": None}, "`iat` is missing"),
        ({"exp": 10**400}, "`exp`"),
        ({"exp": "soon"}, "malformed"),
        ({"wid": None}, "wid"),
        ({"act": None}, "act"),
        ({"act": 1}, "act"),
        ({"roles": None}, "roles"),
        ({"roles": "admin"}, "roles"),
        ({"roles": [{"admin": True}]}, "roles.0"),
        ({"aud": "others"}, "aud"),
        ({"tenant": "acme"}, "tenant"),
    ],
)
def test_claims_that_are_wrong_are_named(pair: Pair, changes: dict[str, Any], word: str) -> None:
    """Missing, of another type, empty or unknown: a good signature does not make up for it."""
    found = check(pair, claims(**changes))
    assert found.code in {"token_invalid", "token_lifetime"}
    assert (found.identity, word in found.reason) == (None, True), found.reason


def test_times_are_whole_numbers(pair: Pair) -> None:
    """Neither text nor fractions, which others could read as another time."""
    ends = int(time.time()) + 300
    for wrong in (str(ends), float(ends), ends + 0.5):
        found = check(pair, claims(exp=wrong))
        assert (found.code, "exp: " in found.reason) == ("token_invalid", True), found.reason


def test_a_token_is_bounded_whoever_signed_it(pair: Pair) -> None:
    """A good signature does not make room for thousands of roles."""
    found = check(pair, claims(roles=["approver"] * 1_000))
    assert (found.code, "malformed" in found.reason) == ("token_invalid", True)


def test_every_listed_key_counts_and_no_other(tmp_path: Path) -> None:
    """Keys rotate: with both in the file either counts, and one that was taken out does not any more."""
    old, new, stranger = (make_pair(tmp_path, name) for name in ("old", "new", "stranger"))
    both = tmp_path / "both.pem"
    both.write_bytes(b"of 2025\n" + old.public.read_bytes() + b"\nof 2026\n" + new.public.read_bytes())
    tokens = {
        name: Signer(one.private).sign("ada", ROLES, workflow_id=RUN, act="pause")
        for name, one in (("old", old), ("new", new), ("stranger", stranger))
    }

    def codes(path: Path) -> dict[str, str]:
        verifier = Verifier(path)
        return {name: verifier.check(TokenCheck(token=token, act="pause"), RUN).code for name, token in tokens.items()}

    assert codes(both) == {"old": "", "new": "", "stranger": "token_invalid"}
    assert codes(new.public) == {"old": "token_invalid", "new": "", "stranger": "token_invalid"}


def test_an_expired_token_of_the_second_key_is_expired(tmp_path: Path) -> None:
    """The first key, which did not sign it, does not make it a forgery."""
    first, second = make_pair(tmp_path, "first"), make_pair(tmp_path, "second")
    both = tmp_path / "both.pem"
    both.write_bytes(first.public.read_bytes() + second.public.read_bytes())
    token = jwt.encode(claims(iat=1, exp=2), second.key, algorithm="EdDSA")
    assert Verifier(both).check(expected(token), RUN).code == "token_expired"


def test_a_signer_makes_no_long_lived_tokens(pair: Pair) -> None:
    """What no verifier would take is not signed."""
    for seconds in (0, 3_601):
        with pytest.raises(ValueError, match="from 1 to 3600"):
            Signer(pair.private).sign("ada", ROLES, workflow_id=RUN, act="pause", seconds=seconds)


async def test_the_activity_takes_the_workflow_from_its_own_task(pair: Pair) -> None:
    """What the request claims to be of does not matter; without keys the code says so."""
    environment = ActivityEnvironment()
    own = environment.info.workflow_id or ""
    activities = IdentityActivities(Verifier(pair.public))
    signer = Signer(pair.private)
    good, other = (signer.sign("ada", ROLES, workflow_id=name, act="pause") for name in (own, f"{own}-2"))
    found = await environment.run(activities.check, TokenCheck(token=good, act="pause"))
    assert isinstance(found.identity, Identity)
    assert found.identity.subject == "ada"
    assert (await environment.run(activities.check, TokenCheck(token=other, act="pause"))).code == "token_mismatch"
    none = await environment.run(IdentityActivities(None).check, TokenCheck(token=good, act="pause"))
    assert (none.code, "PERDURE_PUBLIC_KEYS" in none.reason) == ("token_unsupported", True)


def test_the_snippets_of_the_page_sign_what_the_worker_accepts(pair: Pair, tmp_path: Path) -> None:
    """Another system signs an approval and an edit with what the page shows."""
    for name, text in snippets("docs/identity.md").items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    sign = runpy.run_path(str(tmp_path / "sign_token.py"))["sign"]
    content = runpy.run_path(str(tmp_path / "content.py"))["content"]
    request = {"workflow_id": RUN, "request_id": "req-1", "digest": "d1"}
    arguments: JsonObject = {"b": "ä", "a": [1, None]}
    pem, verifier = pair.private.read_bytes(), Verifier(pair.public)
    token = sign(pem, "ada", "approve", request)
    assert verifier.check(expected(token), RUN).identity is not None
    edit = sign(pem, "ada", "edit", request, content(arguments, None))
    same = expected(edit, act="edit", content=content_digest(arguments, None))
    assert verifier.check(same, RUN).identity is not None
    pause = sign(pem, "ada", "pause", {"workflow_id": RUN}, role="operator")
    assert verifier.check(TokenCheck(token=pause, act="pause"), RUN).identity is not None


def test_the_page_says_what_the_content_of_each_act_is(tmp_path: Path) -> None:
    """Row by row: what another system hashes is what the worker compares with."""
    path = tmp_path / "content.py"
    path.write_text(snippets("docs/identity.md")["content.py"], encoding="utf-8")
    content = runpy.run_path(str(path))["content"]
    arguments: JsonObject = {"b": "ä", "a": [1, None]}
    assert decide("edit", arguments=arguments).content == content(arguments, None)
    assert decide("respond", response="blue").content == content(None, "blue")
    granted = decide("approve", grant={"scope": "tool", "seconds": "1h"})
    assert granted.content == content(None, None, {"scope": "tool", "seconds": 3600.0})
    assert decide("approve").content == decide("reject", reason="no").content == ""
    assert SteerPayload(text="go on", by="ada").content == content("go on", "next_turn", "")
    assert SteerPayload(text="go on", mode="interrupt", id="7").content == content("go on", "interrupt", "7")
    rules: JsonObject = {"rules": [{"tool": "pay", "level": "confirm", "timeout": "1d"}]}
    sent = {"limits": {"turns": 5, "cost_usd": 2}, "model": "openai:gpt-any", "policy": rules, "by": "ada"}
    hashed = {"rules": [{"tool": "pay", "level": "confirm", "timeout": 86400.0}]}
    changes = {"limits": {"turns": 5, "cost_usd": 2.0}, "model": "openai:gpt-any", "policy": hashed}
    assert ConfigurePayload.model_validate(sent).content == content(changes)


def decide(verdict: str, **said: Any) -> Decide:
    """A decision as it is sent."""
    return Decide.model_validate({"request_id": "req-1", "verdict": verdict, "approver": "ada", **said})
