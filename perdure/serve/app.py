"""Puts the approver's page and the HTTP facade together: one Starlette application, stateless over Temporal."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from temporalio.client import Client

from perdure.serve import api, deciding, pages, sessions
from perdure.serve.acts import CONTROLS, Acts, Signs
from perdure.serve.bounds import Bounds
from perdure.serve.csrf import Csrf, secret_from
from perdure.serve.events import events
from perdure.serve.people import People
from perdure.serve.runs import Runs
from perdure.serve.site import Endpoint, Site, answering, on_http_error, templates
from perdure.settings import Settings
from perdure.streams import Streams

__all__ = ["LOCAL_HOSTS", "create_app"]

KINDS = ("Agent", "Session")
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1", "[::1]")
STATIC = Path(__file__).parent / "static"


async def _nothing() -> None:
    """Workers are somebody else's business."""


def create_app(  # noqa: PLR0913 - what the application is made of
    client: Client,
    settings: Settings,
    *,
    people: People,
    hosts: Sequence[str] = LOCAL_HOSTS,
    streams: Streams | None = None,
    signer: Signs | None = None,
    kinds: Sequence[str] = KINDS,
    ui: str = "",
    ready: Callable[[], Awaitable[object]] = _nothing,
    ended: asyncio.Event | None = None,
) -> Starlette:
    """Inbox, requests, runs and the JSON endpoints, for requests that were sent to one of `hosts` by name.

    `kinds` are the workflow types whose runs are shown, `ui` is Temporal's Web UI. `ready` is awaited before runs are
    asked; `ended` ends the streams of events. Without `signer` decisions carry no token; without `streams` there are
    no events.
    """
    runs = Runs(client, kinds, ui)
    site = Site(
        people=people,
        csrf=Csrf(secret_from(settings.signing_key)),
        runs=runs,
        acts=Acts(client, runs, settings.task_queue, signer),
        templates=templates(),
        ready=ready,
    )
    following = (
        []
        if streams is None
        else [("GET", "/api/runs/{workflow_id:path}/events", events(streams, ended or asyncio.Event()))]
    )
    table: list[tuple[str, str, Endpoint]] = [
        ("GET", "/", pages.inbox),
        ("GET", "/requests/{workflow_id:path}/{request_id}", deciding.show),
        ("POST", "/requests/{workflow_id:path}/{request_id}", deciding.decide),
        ("GET", "/runs/{workflow_id:path}", pages.run),
        ("GET", "/transcripts/{workflow_id:path}", pages.transcript),
        ("POST", "/api/runs", api.start),
        ("GET", "/api/approvals", api.approvals),
        ("POST", "/api/runs/{workflow_id:path}/decide", api.decide),
        ("POST", "/api/runs/{workflow_id:path}/steer", api.steer),
        *(("POST", f"/api/runs/{{workflow_id:path}}/{verb}", api.control(verb)) for verb in CONTROLS),
        ("POST", "/api/sessions/{workflow_id:path}/ask", sessions.ask),
        *following,
        ("GET", "/api/runs/{workflow_id:path}", api.run),
    ]
    routes: list[BaseRoute] = [Route(path, answering(site, end), methods=[method]) for method, path, end in table]
    return Starlette(
        routes=[*routes, Mount("/static", StaticFiles(directory=STATIC))],
        middleware=[
            Middleware(Bounds),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
        ],
        exception_handlers={HTTPException: on_http_error(site)},
    )
