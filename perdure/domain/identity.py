"""Who decides: what a signed token claims, how it is asked about, and what the worker's check of it found."""

import hashlib
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from perdure.domain.model import Compact, JsonValue, Model, canonical_json

__all__ = [
    "MAX_NAME",
    "MAX_TOKEN",
    "Checked",
    "Identity",
    "Role",
    "SignedClaims",
    "Token",
    "TokenCheck",
    "Unsigned",
    "content_digest",
]

MAX_TOKEN = 8_192
MAX_NAME = 200
"""Characters of a name, of a person or of a token."""
Token = Annotated[str, Field(min_length=1, max_length=MAX_TOKEN)]

Unsigned = Literal["allow", "deny"]
"""What happens to decisions and control actions that carry no token."""


class Role(StrEnum):
    """What somebody may do; `admin` may do everything."""

    VIEWER = "viewer"
    """See runs."""
    OPERATOR = "operator"
    """Start, steer, pause, resume, interrupt, stop and configure runs."""
    APPROVER = "approver"
    """Decide requests."""
    ADMIN = "admin"


class Identity(Compact, frozen=True):
    """Somebody whose token was checked; `token_id` is its `jti`. Roles beside those of `Role` are your own."""

    subject: str
    roles: tuple[str, ...] = ()
    token_id: str = ""

    def has(self, role: Role) -> bool:
        """Whether this role, or admin, was given."""
        return role in self.roles or Role.ADMIN in self.roles


class TokenCheck(Compact, frozen=True):
    """Request of the activity `identity.check`: a token, and the one act that it must have been signed for.

    `act` is a verdict or a control verb; `request_id` and `digest` are empty for control verbs; `content` is the
    digest of what the act says beyond that, empty when it says nothing.
    """

    token: str
    act: str
    request_id: str = ""
    digest: str = ""
    content: str = ""


class Checked(Compact, frozen=True):
    """Answer of `identity.check`: who it is, or code and words why the token does not count."""

    identity: Identity | None = None
    code: str = ""
    reason: str = ""


def content_digest(*parts: JsonValue) -> str:
    """SHA-256 (hex) of the canonical JSON of the list of what is said; empty when nothing is."""
    if all(part is None for part in parts):
        return ""
    return hashlib.sha256(canonical_json(list(parts)).encode()).hexdigest()


class SignedClaims(Model, frozen=True):
    """Claims of a token of ours (RFC 7519), signed with EdDSA over Ed25519 (RFC 8037).

    `wid`, `req`, `dig`, `act` and `con` bind it to a workflow id, a request, the digest of its call, a verdict or
    control verb, and the content of what is said. `exp` and `iat` are seconds since 1970.
    """

    sub: str = Field(min_length=1, max_length=MAX_NAME)
    roles: tuple[str, ...]
    jti: str = Field(min_length=1, max_length=MAX_NAME)
    iat: int
    exp: int
    wid: str
    act: str
    req: str = ""
    dig: str = ""
    con: str = ""
