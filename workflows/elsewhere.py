"""Requests of the runs below this one, shown and answered at the root: what children tell their root, and its copy."""

from contextlib import suppress

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from perdure.domain.approvals import ChildRequest, Request
from perdure.domain.model import canonical_json

__all__ = ["Elsewhere", "tell_root"]

SIGNAL = "child_request"
MAX_ARGUMENTS = 100_000
"""Characters: larger arguments are named, not sent; the query `request` of the child has them."""
MOST = 1_000


class Elsewhere:
    """Requests of descendants, in the order they came; only the ids of runs below this one are believed."""

    def __init__(self) -> None:
        """Start with none."""
        self._requests: dict[tuple[str, str], Request] = {}

    def take(self, told: ChildRequest) -> None:
        """Open, renew or close a request of a run below this one."""
        request = told.request
        if not request.workflow_id.startswith(f"{workflow.info().workflow_id}."):
            return
        name = (request.workflow_id, request.request_id)
        if told.open and (len(self._requests) < MOST or name in self._requests):
            self._requests[name] = request
        elif not told.open:
            self._requests.pop(name, None)

    def forget(self, workflow_id: str) -> None:
        """Forget what a run and those below it have asked: it has ended."""
        gone = [name for name in self._requests if f"{name[0]}.".startswith(f"{workflow_id}.")]
        for name in gone:
            del self._requests[name]

    @property
    def pending(self) -> tuple[Request, ...]:
        """Requests that wait below this run."""
        return tuple(self._requests.values())

    def find(self, request_id: str) -> list[Request]:
        """The waiting requests of this id; more than one when several runs ask the same."""
        return [request for request in self._requests.values() if request.request_id == request_id]


async def tell_root(root: str, request: Request, *, is_open: bool) -> None:
    """Tell the root of this run about one of its requests; a root that has ended need not know."""
    size = len(canonical_json(request.arguments))
    if size > MAX_ARGUMENTS:
        note = f"{size} characters: ask the query `request` of {request.workflow_id} for {request.request_id}"
        request = request.model_copy(update={"arguments": {"elided": note}})
    with suppress(ApplicationError):
        handle = workflow.get_external_workflow_handle(root)
        await handle.signal(SIGNAL, ChildRequest(request=request, open=is_open))
