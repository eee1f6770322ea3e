"""What holds for every answer and request: security headers, the size of a body, and where a request may come from."""

from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perdure.serve.problems import Problem

__all__ = ["HEADERS", "MAX_BODY", "Bounds", "refuse_foreign"]

MAX_BODY = 2 * 1024 * 1024
"""Bytes: more than Temporal takes."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
RAW = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


class Bounds:
    """Adds the security headers to every answer, and reads no more of a body than `MAX_BODY`."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY:
                words = f"the request is larger than {MAX_BODY} bytes"
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TooLarge", words)
            return message

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = {name for name, _ in RAW}
                kept = [pair for pair in message["headers"] if pair[0] not in ours]
                message = {**message, "headers": [*kept, *RAW]}
            await send(message)

        await self._app(scope, bounded, guarded)


def refuse_foreign(request: Request) -> None:
    """Raise Problem (403) for what another web site makes a browser send."""
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin", "null")
    # Our own forms send `null`, since they name no referrer.
    foreign = origin != "null" and urlsplit(origin).netloc != request.headers.get("host", "")
    if site not in ("same-origin", "none") or foreign:
        raise Problem(HTTPStatus.FORBIDDEN, "ForeignSite", "another web site has sent this; nothing was done")
