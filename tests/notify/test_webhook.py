"""Notifications by webhook, to a real HTTP server."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from perdure.domain.errors import ConfigurationError
from perdure.notify.port import NotifierRefused, NotifierUnavailable
from perdure.notify.webhook import SIGNATURE, Webhook
from tests.notify.samples import notification
from tests.serving import Served

KEY = "a secret of the receiver"


class Receiver:
    """Keeps what it gets, and answers what it was told to."""

    def __init__(self, answer: Callable[[], Response] = lambda: Response(status_code=204), delay: float = 0) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.app = Starlette(routes=[Route("/{path:path}", self._take, methods=["POST", "GET"])])
        self._answer, self._delay = answer, delay

    async def _take(self, request: Request) -> Response:
        self.got.append((dict(request.headers), await request.body()))
        await asyncio.sleep(self._delay)
        return self._answer()


def webhook(url: str, timeout: float = 5) -> Webhook:
    """A webhook at this address, at a fixed time."""
    return Webhook(SecretStr(url), SecretStr(KEY), None, clock=lambda: 1_000.9, timeout=timeout)


async def test_a_receiver_can_check_who_sent_it_and_drop_repeats() -> None:
    """The signature covers time and exact bytes; the key of a repeat is the same."""
    receiver = Receiver()
    with Served(receiver.app) as served:
        for _ in range(2):
            await webhook(f"{served.url}/hook").notify(notification())
    (headers, body), (again, _) = receiver.got
    mark = hmac.new(KEY.encode(), b"1000." + body, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE.lower()] == f"t=1000,v1={mark}"
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["request_id"] == "req-1-aa"
    assert headers["idempotency-key"] == again["idempotency-key"]


@pytest.mark.parametrize(
    ("code", "kind"), [(500, NotifierUnavailable), (429, NotifierUnavailable), (404, NotifierRefused)]
)
async def test_an_answer_says_whether_trying_again_helps(code: int, kind: type[Exception]) -> None:
    """Busy and broken receivers are tried again, wrong addresses are not; the URL's secrets are never told."""
    receiver = Receiver(lambda: Response(status_code=code, headers={"retry-after": "7"}))
    with Served(receiver.app) as served, pytest.raises(kind, match=str(code)) as caught:
        await webhook(f"{served.url.replace('//', '//me:hidden@')}/hook?token=hidden").notify(notification())
    assert "hidden" not in str(caught.value)
    assert getattr(caught.value, "retry_after", 7) == 7


async def test_redirects_are_not_followed() -> None:
    """What was meant for one address is not sent to another."""
    receiver = Receiver(lambda: Response(status_code=307, headers={"location": "/other"}))
    with Served(receiver.app) as served, pytest.raises(NotifierRefused, match="redirects are not followed"):
        await webhook(served.url).notify(notification())
    assert len(receiver.got) == 1


async def test_a_silent_or_absent_receiver_is_tried_again_later() -> None:
    """The whole request is bounded in time, and a closed port is not a crash."""
    receiver = Receiver(delay=30)
    with Served(receiver.app) as served, pytest.raises(NotifierUnavailable, match=r"within 0\.3 seconds"):
        await webhook(served.url, timeout=0.3).notify(notification())
    with pytest.raises(NotifierUnavailable, match="cannot be reached"):
        await webhook(served.url).notify(notification())


@pytest.mark.parametrize("url", ["file:///etc/passwd", "not a url", "https://", "http://[hidden", "http://h:hidden"])
def test_an_address_that_is_none_is_refused_at_start_without_telling_it(url: str) -> None:
    """It may hold a secret."""
    with pytest.raises(ConfigurationError, match="PERDURE_NOTIFY_WEBHOOK") as caught:
        webhook(url)
    assert "hidden" not in str(caught.value)
