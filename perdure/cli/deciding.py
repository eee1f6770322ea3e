"""Decisions of a person on their way to a run: found by a prefix of the request's id, bound to its digest."""

import getpass
import shlex
import uuid
from typing import TypeVar

from temporalio.client import RPCError, WorkflowUpdateFailedError
from temporalio.service import RPCStatusCode

from perdure.cli.errors import CliError, ExitCode
from perdure.cli.questions import family_requests
from perdure.cli.session import Session
from perdure.cli.signing import token_for
from perdure.contact import NoAnswer, failure_of, send_update, update_id
from perdure.domain.approvals import Decide, DecisionAnswer, Request, Verdict
from perdure.domain.model import JsonObject, JsonValue, canonical_json

__all__ = ["check_verdict", "decide", "find_request", "me", "response_value", "update"]

T = TypeVar("T")


def me() -> str:
    """Name of the person at this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"


async def find_request(session: Session, workflow_id: str, wanted: str) -> Request | None:
    """The waiting request with this id, or the only one whose id starts like it; None when none does.

    Raises CliError when several do.
    """
    try:
        waiting = await family_requests(session, workflow_id)
    except NoAnswer:
        raise session.no_worker() from None
    exact = [request for request in waiting if request.request_id == wanted]
    alike = exact or [request for request in waiting if wanted and request.request_id.startswith(wanted)]
    if len(alike) > 1:
        names = ", ".join(f"{request.request_id} of {request.workflow_id}" for request in alike)
        hint = "give the whole id and the run it belongs to"
        raise CliError(ExitCode.USAGE, "AmbiguousRequest", f"{wanted!r} fits several requests: {names}", hint)
    return alike[0] if alike else None


async def decide(session: Session, workflow_id: str, decision: Decide) -> DecisionAnswer:
    """Send a decision by update, signed when there is a key. Sent again as it was, it counts once.

    Raises CliError when it is refused, when the run has ended, or when no worker takes it.
    """
    decision = _signed(session, workflow_id, decision)
    answer = await update(session, workflow_id, "decide", decision, DecisionAnswer, identity=update_id(decision))
    if not answer.accepted:
        raise CliError(
            ExitCode.FAILURE,
            "DecisionRefused",
            f"the decision does not count: {answer.reason} ({answer.code})",
            extra=answer.model_dump(mode="json"),
        )
    return answer


def _signed(session: Session, workflow_id: str, decision: Decide) -> Decide:
    """The decision with a token for it. A new token makes a new update: an old refusal must not answer for it."""
    token = token_for(
        session.settings,
        decision.token,
        decision.approver,
        workflow_id,
        decision.verdict,
        request_id=decision.request_id,
        digest=decision.digest or "",
        content=decision.content,
    )
    return decision.model_copy(update={"token": token})


async def update(  # noqa: PLR0913 - what an update is made of
    session: Session, workflow_id: str, name: str, payload: object, answer: type[T], *, identity: str | None = None
) -> T:
    """Send an update to an open run and return its answer, in bounded time and with words for every failure."""
    handle, identity = session.handle(workflow_id), identity or uuid.uuid4().hex
    try:
        return await send_update(handle, name, payload, answer, identity=identity)
    except NoAnswer:
        words = session.no_worker()
        look = f"`uv run starter.py status {shlex.quote(workflow_id)}`"
        hint = f"{words.hint}; what was sent may still count then: {look} shows it"
        raise CliError(words.code, words.kind, words.message, hint) from None
    except WorkflowUpdateFailedError as error:
        raise _refused(error) from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise CliError(ExitCode.FAILURE, "RunEnded", f"run {workflow_id} has already ended") from error
        raise


def _refused(error: WorkflowUpdateFailedError) -> CliError:
    kind, words = failure_of(error)
    return CliError(ExitCode.of_failure(kind), kind, words)


def response_value(schema: JsonObject, text: str) -> JsonValue:
    """An answer typed as text, as the value the request asks for: one of its options, or the text itself."""
    options = schema.get("enum")
    for option in options if isinstance(options, list) else []:
        if text in (option, canonical_json(option)):
            return option
    return text


def check_verdict(request: Request, verdict: Verdict) -> None:
    """Raise CliError, with the verdicts that are valid, when the request does not take this one."""
    if verdict not in request.verdicts:
        valid = ", ".join(request.verdicts)
        raise CliError(ExitCode.USAGE, "InvalidInput", f"{verdict} does not fit a {request.kind}; valid: {valid}")
