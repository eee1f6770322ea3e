"""Attacks on tokens: other algorithms, other keys, changed claims, and text that is no token."""

import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from perdure.identity import Verifier
from tests.keys import Pair, make_pair
from tests.tokens import RUN, claims, expected, part

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Keys of a signer that the verifier trusts."""
    return make_pair(tmp_path)


def forged(header: dict[str, Any], signature: bytes = b"") -> str:
    """Good claims under this header and signature."""
    return f"{part(json.dumps(header).encode())}.{part(json.dumps(claims(roles=['admin'])).encode())}.{part(signature)}"


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", "HS256", "HS512", "ES256", "Ed448", None, 5, ["EdDSA"]]
)
def test_no_other_algorithm_counts(pair: Pair, algorithm: Any) -> None:
    """Neither `none` nor the public key as the secret of an HMAC, in any of the forms that an attacker has it in."""
    verifier, public = Verifier(pair.public), pair.public.read_bytes()
    raw = pair.key.public_key().public_bytes_raw()
    for secret in (None, public, public.strip(), raw):
        header = {"alg": algorithm, "typ": "JWT"}
        signed = forged(header).rsplit(".", 1)[0].encode()
        signature = b"" if secret is None else hmac.digest(secret, signed, hashlib.sha256)
        found = verifier.check(expected(forged(header, signature)), RUN)
        assert (found.code, found.identity) == ("token_invalid", None)
        assert "another algorithm than EdDSA" in found.reason


def test_a_header_cannot_name_its_own_key(pair: Pair, tmp_path: Path) -> None:
    """`jwk`, `kid`, `jku` and `x5u` of a stranger are not looked at, and an unknown critical extension is refused."""
    stranger = make_pair(tmp_path, "stranger")
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": part(stranger.key.public_key().public_bytes_raw())}
    own: dict[str, Any] = {
        "jwk": jwk,
        "kid": "../../stranger.pub.pem",
        "jku": "https://example.org",
        "x5u": "https://example.org",
    }
    cases: list[tuple[dict[str, Any], Ed25519PrivateKey]]
    cases = [(own, stranger.key), ({"crit": ["exp"]}, pair.key), ({"b64": False}, pair.key)]
    for header, key in cases:
        token = jwt.encode(claims(), key, algorithm="EdDSA", headers=header)
        assert Verifier(pair.public).check(expected(token), RUN).code == "token_invalid", header


def test_changed_claims_are_noticed(pair: Pair) -> None:
    """Under the signature of other claims, more roles or another name are a forgery."""
    head, _, signature = jwt.encode(claims(), pair.key, algorithm="EdDSA").split(".")
    for changes in ({"roles": ["admin"]}, {"sub": "eve"}, {"exp": int(time.time()) + 301}):
        token = f"{head}.{part(json.dumps(claims(**changes)).encode())}.{signature}"
        found = Verifier(pair.public).check(expected(token), RUN)
        assert (found.code, "no key of this worker" in found.reason) == ("token_invalid", True)


def test_every_changed_character_is_noticed(pair: Pair) -> None:
    """Wherever one character of a good token is another, it does not count."""
    token, verifier = jwt.encode(claims(), pair.key, algorithm="EdDSA"), Verifier(pair.public)
    assert verifier.check(expected(token), RUN).identity is not None
    for position, character in enumerate(token):
        changed = token[:position] + ("B" if character == "A" else "A") + token[position + 1 :]
        assert verifier.check(expected(changed), RUN).code == "token_invalid", position


DEEP = part(b"[" * 6_000)


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b", "a.b.c.d", "\ud800.a.b", "ä.b.c", f"{DEEP}.e30.e30", "x" * 8_193]
)
def test_what_is_no_token_is_invalid(pair: Pair, token: str) -> None:
    """Nothing that is sent makes the check fail in another way; the words do not repeat it."""
    found = Verifier(pair.public).check(expected(token), RUN)
    assert (found.code, "is malformed; valid is a JWT" in found.reason) == ("token_invalid", True)


@given(
    token=st.text(max_size=200) | st.from_regex(r"\A[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,90}\Z")
)
def test_any_text_is_refused_in_words(tmp_path_factory: pytest.TempPathFactory, token: str) -> None:
    """Whatever it is, the answer is a value."""
    found = Verifier(make_pair(tmp_path_factory.getbasetemp()).public).check(expected(token), RUN)
    assert (found.code, found.identity) == ("token_invalid", None)


def test_deep_claims_with_a_good_signature_are_invalid(pair: Pair) -> None:
    """Also whoever holds a key cannot make the check fail."""
    signed = ".".join([part(b'{"alg":"EdDSA"}'), part(b'{"roles":' + b"[" * 5_000)])
    token = f"{signed}.{part(pair.key.sign(signed.encode()))}"
    assert Verifier(pair.public).check(expected(token), RUN).code == "token_invalid"


def test_ed448_is_no_eddsa_of_ours(pair: Pair) -> None:
    """The algorithm's name is the same, the kind of key is not."""
    token = jwt.encode(claims(), Ed448PrivateKey.generate(), algorithm="EdDSA")
    assert Verifier(pair.public).check(expected(token), RUN).code == "token_invalid"
