"""Temporal's remote codec protocol over HTTP: Web UI and `temporal` CLI show plain text to those who may see it."""

import asyncio
import hmac
import socket
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
import uvicorn
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.common import RawValue

from perdure.domain.errors import BlobMissing, Operator, PerdureError, Waitable
from perdure.runtime import converter_for
from perdure.storage import Storage

__all__ = ["Guard", "codec_app", "serve_until"]

MAX_BODY = 64 * 1024 * 1024
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1", "[::1]")

Work = Callable[[Sequence[Payload]], Awaitable[Sequence[Payload]]]

log = structlog.get_logger()


@dataclass(frozen=True)
class Guard:
    """Who may use the server: holders of the token, or whoever a proxy in front of it names in a header.

    With neither, everybody who reaches it; it then answers only requests that were sent to this machine by name.
    """

    token: str = field(default="", repr=False)
    user_header: str = ""

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked."""
        return not (self.token or self.user_header)

    def admits(self, request: Request) -> bool:
        """Whether this request may be answered."""
        if self.user_header:
            return bool(request.headers.get(self.user_header, "").strip())
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        fits = hmac.compare_digest(given.strip().encode(), self.token.encode())
        return not self.token or (scheme.lower() == "bearer" and fits)


def codec_app(storage: Storage, origins: Sequence[str], guard: Guard) -> Starlette:
    """`POST /encode`, `/decode` and `/download`, also below a namespace: `/{namespace}/decode`.

    `/decode` also fetches what history only holds a claim to. `/encode` binds to no run, since nobody says for which
    one it is. Errors are `{"error": {"type", "message"}}` with a status of their own.
    """
    converter = converter_for(storage)

    async def encode(payloads: Sequence[Payload]) -> Sequence[Payload]:
        return await converter.encode([RawValue(payload) for payload in payloads])

    async def decode(payloads: Sequence[Payload]) -> Sequence[Payload]:
        raw: list[RawValue] = await converter.decode(payloads, [RawValue] * len(payloads))
        return [value.payload for value in raw]

    routes = [
        Route(prefix + path, _endpoint(guard, work), methods=["POST"])
        for path, work in (("/encode", encode), ("/decode", decode), ("/download", decode))
        for prefix in ("", "/{namespace}")
    ]
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["POST"],
        allow_headers=["*"],
        allow_credentials=True,
    )
    # A web site whose name leads to this machine must not be taken for a user of it.
    hosts = [Middleware(TrustedHostMiddleware, allowed_hosts=list(LOCAL_HOSTS))] if guard.is_open else []
    return Starlette(routes=routes, middleware=[cors, *hosts])


def _endpoint(guard: Guard, work: Work) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if not guard.admits(request):
            words = "a bearer token is needed" if guard.token else f"the header {guard.user_header} is needed"
            return _refusal(HTTPStatus.UNAUTHORIZED, "Unauthorized", words)
        body = await _body(request)
        if body is None:
            return _refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TooLarge", f"at most {MAX_BODY} bytes are read at once"
            )
        try:
            payloads = Parse(body, Payloads()).payloads
        except (ParseError, UnicodeDecodeError, ValueError):
            words = 'the body has to be JSON like {"payloads": [{"metadata": {}, "data": ""}]} with base64 inside'
            return _refusal(HTTPStatus.BAD_REQUEST, "InvalidInput", words)
        try:
            done = Payloads(payloads=await work(payloads) if payloads else [])
        except PerdureError as error:
            log.warning("codec.refused", code=error.code, error=error.message)
            return _refusal(_status(error), error.code, error.message)
        return Response(MessageToJson(done, indent=None), media_type="application/json")

    return endpoint


async def _body(request: Request) -> bytes | None:
    """The body, unless it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def _status(error: PerdureError) -> HTTPStatus:
    if isinstance(error, BlobMissing):
        return HTTPStatus.NOT_FOUND
    if isinstance(error, Waitable):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.UNPROCESSABLE_ENTITY if isinstance(error, Operator) else HTTPStatus.BAD_REQUEST


def _refusal(status: HTTPStatus, kind: str, message: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse({"error": {"type": kind, "message": message}}, status, headers)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to whoever runs this."""
        yield


async def serve_until(ended: asyncio.Event, app: Starlette, listening: socket.socket) -> None:
    """Answer requests on the socket until the event is set."""
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False)
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await ended.wait()
    server.should_exit = True
    await serving
