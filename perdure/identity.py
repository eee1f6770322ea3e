"""Tokens that say who decides: signed here for one act, and checked against public keys (JWT, EdDSA over Ed25519)."""

import json
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from perdure.domain.identity import MAX_TOKEN, Checked, Identity, SignedClaims, TokenCheck
from perdure.identity_keys import read_private_key, read_public_keys

if TYPE_CHECKING:
    from jwt.types import Options

__all__ = ["LEEWAY", "LONGEST_LIFE", "Signer", "Verifier"]

ALGORITHM = "EdDSA"
LEEWAY = 30
"""Seconds by which two clocks may differ."""
LONGEST_LIFE = 3_600
"""Seconds between `iat` and `exp` at most: whoever finds an old token can do nothing with it."""
"""Characters of a token at most."""
MAX_WORDS = 500
NOTHING_ELSE = "valid is a JWT signed with EdDSA by a key of PERDURE_PUBLIC_KEYS"


class Signer:
    """Signs tokens with the private key of a file."""

    def __init__(self, path: Path) -> None:
        """Read the key; raises SettingsError when that is not an Ed25519 private key in PEM."""
        self._key = read_private_key(path)

    def sign(  # noqa: PLR0913 - what a token is bound to
        self,
        subject: str,
        roles: Iterable[str],
        *,
        workflow_id: str,
        act: str,
        request_id: str = "",
        digest: str = "",
        content: str = "",
        seconds: int = 300,
    ) -> str:
        """A token for exactly this act, valid from now on for so many seconds, with a random `jti`."""
        if not 0 < seconds <= LONGEST_LIFE:
            raise ValueError(f"seconds must be from 1 to {LONGEST_LIFE}, not {seconds}")
        now = int(time.time())
        claims = SignedClaims(
            sub=subject,
            roles=tuple(roles),
            jti=secrets.token_urlsafe(16),
            iat=now,
            exp=now + seconds,
            wid=workflow_id,
            act=act,
            req=request_id,
            dig=digest,
            con=content,
        )
        return jwt.encode(claims.model_dump(mode="json"), self._key, algorithm=ALGORITHM)


class Verifier:
    """Checks tokens against the public keys of a file; any of them will do, so that keys can be changed."""

    def __init__(self, path: Path) -> None:
        """Read the keys; raises SettingsError when one of them is not an Ed25519 public key in PEM."""
        self._keys = read_public_keys(path)

    def check(self, check: TokenCheck, workflow_id: str) -> Checked:
        """Who signed for this act on this workflow, or why the token does not count; the reason never quotes it.

        Codes: `token_invalid`, `token_expired`, `token_lifetime`, `token_mismatch`.
        """
        try:
            claims = self._claims(check.token)
        except jwt.ExpiredSignatureError:
            return Checked(code="token_expired", reason="the token has expired: sign a new one")
        except jwt.InvalidTokenError as error:
            return Checked(code="token_invalid", reason=f"the token does not count: {_words(error)}")
        except ValidationError as error:
            return Checked(code="token_invalid", reason=f"the claims of the token are wrong: {_problems(error)}")
        if not 0 < claims.exp - claims.iat <= LONGEST_LIFE:
            reason = f"`exp` of a token must be 1 to {LONGEST_LIFE} s after its `iat`: sign a short-lived one"
            return Checked(code="token_lifetime", reason=reason)
        if other := list(_differences(claims, check, workflow_id)):
            return Checked(code="token_mismatch", reason=f"the token was signed for {', '.join(other)}")
        return Checked(identity=Identity(subject=claims.sub, roles=claims.roles, token_id=claims.jti))

    def _claims(self, token: str) -> SignedClaims:
        """Claims of a token with a good signature that has not expired; raises what PyJWT and pydantic raise."""
        if len(token) > MAX_TOKEN or not token.isascii():
            raise jwt.DecodeError
        for key in self._keys:
            try:
                return _parse(_decode(token, key))
            except jwt.InvalidSignatureError:
                continue
        raise jwt.InvalidSignatureError


def _decode(token: str, key: Ed25519PublicKey) -> dict[str, Any]:
    # The list of algorithms is what defeats `none` and HS256 with the public key as secret. `aud` is left to the
    # model, which refuses every claim that it does not know.
    options: Options = {"require": ["exp", "iat", "jti", "sub"], "verify_aud": False}
    return jwt.decode(token, key, algorithms=[ALGORITHM], leeway=LEEWAY, options=options)


def _parse(claims: dict[str, Any]) -> SignedClaims:
    # Strict, and so by way of JSON: a number in the place of a name is a mistake of whoever signed.
    return SignedClaims.model_validate_json(json.dumps(claims), strict=True)


def _differences(claims: SignedClaims, check: TokenCheck, workflow_id: str) -> Iterator[str]:
    """What the token was signed for instead, told by what was expected: its own words stay out of messages."""
    if claims.wid != workflow_id:
        yield f"another workflow (`wid`) than {workflow_id!r}"
    if claims.act != check.act:
        yield f"another act (`act`) than {check.act!r}"
    if claims.req != check.request_id:
        yield f"another request (`req`) than {check.request_id!r}"
    if claims.dig != check.digest:
        yield f"another digest (`dig`) than {check.digest!r}"
    if claims.con != check.content:
        yield "another content (`con`) than what is said here"


def _words(error: jwt.InvalidTokenError) -> str:
    """Words of our own: those of the library may hold parts of the token."""
    if isinstance(error, jwt.InvalidSignatureError):
        return f"no key of this worker made its signature; {NOTHING_ELSE}"
    if isinstance(error, jwt.InvalidAlgorithmError):
        return f"it names another algorithm than {ALGORITHM}; {NOTHING_ELSE}"
    if isinstance(error, jwt.ImmatureSignatureError):
        return f"its `iat` is in the future: the clocks differ by more than {LEEWAY} s"
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"its claim `{error.claim}` is missing"
    return f"it is malformed; {NOTHING_ELSE}"


def _problems(error: ValidationError) -> str:
    """The claims that are wrong and what would be valid, without what they hold."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in found]
    return "; ".join(lines)[:MAX_WORDS]
