"""Notifications as signed POST requests."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx2
from pydantic import SecretStr

from perdure.domain.errors import ConfigurationError
from perdure.domain.model import canonical_json
from perdure.domain.record import Notification
from perdure.notify.message import body_of
from perdure.notify.port import NotifierRefused, NotifierUnavailable
from perdure.providers.faults import retry_after

__all__ = ["SIGNATURE", "Webhook", "signature"]

SIGNATURE = "X-Perdure-Signature"
TIMEOUT = 10.0
"""Seconds for one whole request."""
BUSY = frozenset({408, 425, 429})
SERVER_ERROR = 500


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Value of the signature's header: `t=<seconds since 1970>,v1=<hex HMAC-SHA256 of "<t>.<body>">`.

    A receiver computes it again from `t` and the bytes of the body, compares in constant time, and refuses what is
    older than a few minutes.
    """
    mark = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={mark}"


class Webhook:
    """POSTs each notification as JSON to one URL. The header `Idempotency-Key` lets the receiver drop repeats."""

    def __init__(
        self,
        url: SecretStr,
        secret: SecretStr,
        public_url: str | None,
        *,
        clock: Callable[[], float] = time.time,
        timeout: float = TIMEOUT,
    ) -> None:
        """Raises ConfigurationError for a URL that is none; the URL may hold credentials and is never told."""
        host = _host(url.get_secret_value())
        if not host:
            msg = "PERDURE_NOTIFY_WEBHOOK is not an address: write https://host/path"
            raise ConfigurationError(msg)
        if not secret.get_secret_value().strip():
            msg = "PERDURE_NOTIFY_SECRET is empty: it signs what PERDURE_NOTIFY_WEBHOOK gets"
            raise ConfigurationError(msg)
        self._url, self._secret, self._public_url = url, secret, public_url
        self._clock, self._timeout = clock, timeout
        self._name = f"the webhook at {host}"

    async def notify(self, notification: Notification) -> None:
        """Send it once; any answer from 200 to 299 counts, and redirects are not followed."""
        body = canonical_json(body_of(notification, self._public_url)).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "perdure",
            "Idempotency-Key": hashlib.sha256(notification.key.encode()).hexdigest(),
            SIGNATURE: signature(self._secret.get_secret_value(), int(self._clock()), body),
        }
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._post(body, headers)
        except TimeoutError:
            msg = f"{self._name} did not answer within {self._timeout:g} seconds"
            raise NotifierUnavailable(msg) from None
        except httpx2.HTTPError as error:
            msg = f"{self._name} cannot be reached ({type(error).__name__})"
            raise NotifierUnavailable(msg) from None
        self._judge(answer)

    async def _post(self, body: bytes, headers: dict[str, str]) -> httpx2.Response:
        """The head of the answer: its body is not read, however much it is."""
        async with (
            httpx2.AsyncClient(timeout=self._timeout, follow_redirects=False) as client,
            client.stream("POST", self._url.get_secret_value(), content=body, headers=headers) as answer,
        ):
            return answer

    def _judge(self, answer: httpx2.Response) -> None:
        code = answer.status_code
        if answer.is_success:
            return
        if code in BUSY or code >= SERVER_ERROR:
            msg = f"{self._name} answered {code}"
            raise NotifierUnavailable(msg, retry_after=retry_after(answer.headers))
        advice = ": redirects are not followed, name the last address" if answer.is_redirect else ""
        msg = f"{self._name} answered {code}{advice}"
        raise NotifierRefused(msg)


def _host(url: str) -> str:
    """The host of an address; empty when it is none."""
    try:
        # Both: each takes some addresses that the other one refuses.
        parsed, split = httpx2.URL(url), urlsplit(url)
    except (httpx2.InvalidURL, ValueError):
        return ""
    return parsed.host if split.scheme in ("http", "https") else ""
