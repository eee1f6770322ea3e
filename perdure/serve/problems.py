"""What ends a request without success: a status, a code and words, shown as a page or as JSON."""

from collections.abc import Sequence
from http import HTTPStatus

from temporalio.client import RPCError, RPCTimeoutOrCancelledError, WorkflowUpdateFailedError
from temporalio.service import RPCStatusCode

from perdure.contact import NoAnswer, failure_of
from perdure.domain.approvals import DecisionAnswer
from perdure.domain.errors import PerdureError, StoreUnavailable

__all__ = ["Problem", "ended", "status_of", "translated"]


class Problem(Exception):
    """Ends the request with `status`; `fields` names the parts of the input that are wrong."""

    def __init__(
        self, status: HTTPStatus, code: str, message: str, *, hint: str = "", fields: Sequence[str] = ()
    ) -> None:
        """Keep what to say."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.fields = tuple(fields)

    def document(self) -> dict[str, object]:
        """The JSON of it."""
        error: dict[str, object] = {"type": self.code, "message": self.message, "hint": self.hint}
        if self.fields:
            error["fields"] = list(self.fields)
        return {"error": error}


NOT_ALLOWED = frozenset({"approver_not_allowed", "role_missing", "self_approval", "token_required"})
"""Codes of decisions that this person cannot take, whatever they say; `token_…` is about their token."""

REFUSED = {
    "UnknownRequest": HTTPStatus.NOT_FOUND,
    "SessionBusy": HTTPStatus.SERVICE_UNAVAILABLE,
    "InvalidInput": HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""Types of failure of updates that have a status of their own; every other is a conflict."""


def status_of(answer: DecisionAnswer) -> HTTPStatus:
    """200 for a decision that counts; 403 for somebody who may not decide, 409 for what does not fit the request."""
    if answer.accepted:
        return HTTPStatus.OK
    person = answer.code in NOT_ALLOWED or answer.code.startswith("token_")
    return HTTPStatus.FORBIDDEN if person else HTTPStatus.CONFLICT


def ended(workflow_id: str, status: str) -> Problem:
    """A run that was open once and takes nothing any more."""
    words = f"run {workflow_id!r} has ended ({status.lower()}): it takes nothing any more"
    return Problem(HTTPStatus.GONE, "RunEnded", words)


def translated(error: Exception) -> Problem | None:
    """Words for what Temporal and our own code say; None for what nobody foresaw."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, NoAnswer):
        words = "no worker answered for this run in time"
        hint = "start one with `uv run worker.py` and try again; what was sent may still count then"
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "NoWorker", words, hint=hint)
    if isinstance(error, WorkflowUpdateFailedError):
        return _refused(error)
    if isinstance(error, RPCError):
        return _from_rpc(error)
    if isinstance(error, PerdureError):
        away = isinstance(error, StoreUnavailable)
        status = HTTPStatus.SERVICE_UNAVAILABLE if away else HTTPStatus.UNPROCESSABLE_ENTITY
        return Problem(status, error.code, error.message)
    return None


def _refused(error: WorkflowUpdateFailedError) -> Problem:
    kind, words = failure_of(error)
    return Problem(REFUSED.get(kind, HTTPStatus.CONFLICT), kind, words)


def _from_rpc(error: RPCError) -> Problem:
    if isinstance(error, RPCTimeoutOrCancelledError) or error.status in (
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
    ):
        hint = "nothing is lost: runs go on when it is back; try again then"
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Unreachable", "the Temporal server does not answer", hint=hint)
    if error.status is RPCStatusCode.NOT_FOUND:
        return Problem(HTTPStatus.NOT_FOUND, "UnknownRun", "there is no such run, or it has ended")
    status = HTTPStatus.BAD_REQUEST if error.status is RPCStatusCode.INVALID_ARGUMENT else HTTPStatus.BAD_GATEWAY
    return Problem(
        status, f"Temporal{error.status.name.title().replace('_', '')}", f"Temporal refuses: {error.message}"
    )
