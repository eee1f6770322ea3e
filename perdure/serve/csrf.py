"""Tokens that bind a form to the person it was shown to and to the one act it is for."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from perdure.serve.problems import Problem

__all__ = ["Csrf", "secret_from"]

LIFETIME = 8 * 3600
"""Seconds that a form may lie open."""


def secret_from(signing_key: Path | None) -> bytes:
    """The same secret in every process with this signing key, or one of this process alone."""
    if signing_key is None:
        return secrets.token_bytes(32)
    return hmac.digest(signing_key.read_bytes(), b"perdure forms", "sha256")


class Csrf:
    """Makes and checks tokens of forms: `nonce.expiry.mac`."""

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        """Keep the secret; `clock` gives seconds since 1970."""
        self._secret = secret
        self._clock = clock

    def token(self, person: str, act: str) -> str:
        """A token for one form."""
        nonce, expiry = secrets.token_hex(8), str(int(self._clock()) + LIFETIME)
        return f"{nonce}.{expiry}.{self._mac(person, act, nonce, expiry)}"

    def check(self, person: str, act: str, token: str) -> str:
        """The nonce of a token that is good for this person and act; raises Problem (403) otherwise."""
        nonce, _, rest = token.partition(".")
        expiry, _, mac = rest.partition(".")
        good = hmac.compare_digest(mac.encode(), self._mac(person, act, nonce, expiry).encode())
        if not good or not expiry.isdigit() or int(expiry) < self._clock():
            words = "this form was not made for you just now, or it has expired; nothing was done"
            raise Problem(HTTPStatus.FORBIDDEN, "BadForm", words, hint="open the request again and decide there")
        return nonce

    def _mac(self, *parts: str) -> str:
        # Lengths keep the parts apart, whatever they hold.
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
