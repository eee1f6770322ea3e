"""The health server of a worker: is it alive, does it take work, what has it measured."""

from http import HTTPStatus
from typing import TYPE_CHECKING

from temporalio.client import Client, RPCError

from perdure.pollers import recent_pollers
from perdure.telemetry.exposition import CONTENT_TYPE, Exposition

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["Health", "health_app"]


class Health:
    """Whether a worker takes work."""

    def __init__(self, client: Client, task_queue: str) -> None:
        """Look after the worker of this process that polls this task queue with this client."""
        self.client = client
        self.task_queue = task_queue
        self._draining = False

    def drain(self) -> None:
        """From now on no work is taken."""
        self._draining = True

    async def problem(self) -> str:
        """Why no work is taken just now; empty: the server answers and has seen this worker poll lately."""
        if self._draining:
            return "draining"
        try:
            pollers = await recent_pollers(self.client, self.task_queue)
        except RPCError as error:
            return f"the Temporal server does not answer: {error.status.name}"
        return "" if self.client.identity in pollers else "not polling"


def health_app(health: Health, exposition: Exposition) -> "Starlette":
    """/healthz answers while the process does; /readyz is 503 when no work is taken; /metrics is for Prometheus."""
    # Imported here: most workers serve nothing.
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.responses import PlainTextResponse, Response  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    async def alive(_request: "Request") -> "Response":
        return PlainTextResponse("alive\n")

    async def ready(_request: "Request") -> "Response":
        problem = await health.problem()
        status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
        return PlainTextResponse(f"{problem or 'ready'}\n", status_code=status)

    async def metrics(_request: "Request") -> "Response":
        text = await exposition.text(health.client, health.task_queue)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    return Starlette(routes=[Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", metrics)])
