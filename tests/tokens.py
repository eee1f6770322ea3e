"""Claims and tokens of tests, and what the verifier finds of them."""

import base64
import time
from typing import Any

import jwt

from perdure.domain.identity import Checked, TokenCheck
from perdure.identity import Verifier
from tests.keys import Pair

__all__ = ["RUN", "check", "claims", "expected", "part"]

RUN = "agent-1"


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims for `expected`, but for the changes; None leaves a claim out."""
    now = int(time.time())
    good = {"sub": "ada", "roles": ["approver"], "jti": "one", "iat": now, "exp": now + 300, "wid": RUN}
    good |= {"act": "approve", "req": "req-1", "dig": "d1"}
    return {name: value for name, value in (good | changes).items() if value is not None}


def expected(token: str, **changes: str) -> TokenCheck:
    """The check of an approval of `req-1`, but for the changes."""
    return TokenCheck(**({"token": token, "act": "approve", "request_id": "req-1", "digest": "d1"} | changes))


def check(pair: Pair, payload: dict[str, Any], **changes: str) -> Checked:
    """What is found of these claims, signed with the good key."""
    token = jwt.encode(payload, pair.key, algorithm="EdDSA")
    found = Verifier(pair.public).check(expected(token, **changes), RUN)
    assert not any(part in found.reason for part in token.split("."))
    return found


def part(data: bytes) -> str:
    """Base64 as tokens have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
