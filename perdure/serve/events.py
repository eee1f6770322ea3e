"""`GET /api/runs/{id}/events`: what a run streams, as server-sent events that can be taken up again."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from perdure.domain.errors import PerdureError
from perdure.domain.events import StreamEvent
from perdure.domain.identity import Role
from perdure.serve.people import Person
from perdure.serve.problems import Problem
from perdure.serve.runs import Run
from perdure.serve.site import Endpoint, Site
from perdure.streams import Hub, Streams

__all__ = ["events"]

BEAT_SECONDS = 5.0
"""So often it is seen whether a quiet run has ended; a line without meaning keeps proxies from giving up on it."""
SOON_SECONDS = 0.2
RETRY_MILLISECONDS = 2_000
MAX_OFFSET = 200
PAGE = 500


def events(streams: Streams, ended: asyncio.Event) -> Endpoint:
    """The endpoint; all readers of one run share one subscription. Setting `ended` ends every answer."""
    hub = Hub(streams)

    async def endpoint(site: Site, person: Person, request: Request) -> Response:
        person.must(Role.VIEWER)
        run = await site.runs.run(request.path_params["workflow_id"])
        after = request.headers.get("last-event-id", "") or request.query_params.get("after", "")
        if len(after) > MAX_OFFSET or not after.isascii():
            raise Problem(HTTPStatus.BAD_REQUEST, "InvalidInput", "Last-Event-ID: this is no offset of a stream")
        name = run.workflow_id
        if not run.is_open and after and streams.rank(after) >= streams.rank(await streams.end(name)):
            return Response(status_code=HTTPStatus.NO_CONTENT)  # which tells a browser to stay away
        source = hub.read(name, after) if run.is_open else _stored(streams, name, after)

        async def over() -> Run | None:
            now = await site.runs.run(name)
            return None if now.is_open else now

        lines = _lines(source, ended, over)
        return StreamingResponse(lines, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    return endpoint


async def _stored(streams: Streams, workflow_id: str, after: str) -> AsyncGenerator[StreamEvent]:
    """What there is of a run that has ended."""
    while page := await streams.read(workflow_id, after, PAGE):
        for event in page:
            yield event
        after = page[-1].offset


async def _lines(
    source: AsyncGenerator[StreamEvent], ended: asyncio.Event, over: Callable[[], Awaitable[Run | None]]
) -> AsyncGenerator[str]:
    """Events as text, with a comment when nothing has come for a while; ends with the run, or with this server.

    A run that neither asked anybody nor changed anything tells nothing of its end: then `over` says it.
    """
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    leaving = asyncio.ensure_future(ended.wait())
    try:
        async with aclosing(source):
            coming = asyncio.ensure_future(anext(source))
            try:
                last = False
                while not ended.is_set():
                    beat = SOON_SECONDS if last else BEAT_SECONDS
                    await asyncio.wait({coming, leaving}, timeout=beat, return_when=asyncio.FIRST_COMPLETED)
                    if not coming.done():
                        if run := await over():
                            if not last:
                                yield _end(run)
                            return
                        yield ": still here\n\n"
                        continue
                    event = coming.result()
                    yield _line(event)
                    last = event.kind == "end"  # of a run; its id can be used again, and the stream goes on
                    coming = asyncio.ensure_future(anext(source))
            except StopAsyncIteration:
                return
            except PerdureError as error:  # the reader comes back with its last offset
                yield f": {error.code}\n\n"
            finally:
                coming.cancel()
                await asyncio.wait({coming})
    finally:
        leaving.cancel()


def _line(event: StreamEvent) -> str:
    return f"id: {event.offset}\nevent: {event.kind}\ndata: {event.wire_json()}\n\n"


def _end(run: Run) -> str:
    event = StreamEvent(kind="end", at=run.closed_at or run.started_at, data={"how": run.state})
    return f"event: end\ndata: {event.wire_json()}\n\n"
