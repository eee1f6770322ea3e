"""`POST /api/sessions/{id}/ask`: one question to a session, which is started or opened again when it is not open."""

import asyncio
import contextlib
import time
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from temporalio.client import (
    RPCError,
    RPCTimeoutOrCancelledError,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateStage,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCStatusCode

from perdure.contact import ANSWER
from perdure.domain.identity import Role
from perdure.domain.model import Model
from perdure.domain.run import RunResult
from perdure.domain.sessions import Ask, SessionInput
from perdure.serve.api import body, parsed
from perdure.serve.people import Person
from perdure.serve.problems import Problem
from perdure.serve.site import Site

__all__ = ["ask"]

SESSION = "Session"
RETRY_SECONDS = 0.25
SUMMARY_CHARACTERS = 95
LOST = frozenset({"AcceptedUpdateCompletedWorkflow", "ContinuedAsNew", "SessionBusy"})
"""Types of failure of updates whose run ended before they were answered: asking again under the same id helps."""
AWAY = frozenset({RPCStatusCode.ABORTED, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.NOT_FOUND})
"""The session closes or continues as new just now."""


class _Question(Model, frozen=True):
    """Body: the question, the session to start if there is none, and how many seconds to wait for the reply."""

    text: str
    message_id: str
    session: SessionInput = SessionInput()
    wait: Annotated[float, Field(ge=0, le=300)] = 60


async def ask(site: Site, person: Person, request: Request) -> Response:
    """Answer 200 `{"message_id", "reply", "error"}`, or 202 while there is no reply: the same id asks for it again."""
    question = parsed(_Question, await body(request))
    person.must(Role.OPERATOR)
    asked = parsed(Ask, {"text": question.text, "message_id": question.message_id})
    await site.ready()
    given = question.session.model_copy(update={"requester": person.name})
    deadline = time.monotonic() + question.wait
    while True:
        try:
            handle = await _send(site, request.path_params["workflow_id"], given, asked)
            left = max(deadline - time.monotonic(), RETRY_SECONDS)
            reply: object = await handle.result(rpc_timeout=timedelta(seconds=left))
            return JSONResponse({"message_id": asked.message_id, "reply": reply, "error": None})
        except WorkflowUpdateFailedError as error:
            if _kind(error) not in LOST:
                return JSONResponse({"message_id": asked.message_id, "reply": None, "error": _failure(error)})
        except RPCTimeoutOrCancelledError:
            if time.monotonic() < deadline:
                raise
        except RPCError as error:
            if error.status not in AWAY:
                raise
        if time.monotonic() >= deadline:
            pending = {"message_id": asked.message_id, "reply": None, "error": None, "pending": True}
            return JSONResponse(pending, HTTPStatus.ACCEPTED)
        await asyncio.sleep(RETRY_SECONDS)


async def _send(site: Site, workflow_id: str, given: SessionInput, asked: Ask) -> "WorkflowUpdateHandle[object]":
    """Send the question until the session has taken it in."""
    start = WithStartWorkflowOperation[object, object](
        SESSION,
        given,
        id=workflow_id,
        task_queue=site.acts.task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=" ".join(asked.text.split())[:SUMMARY_CHARACTERS],
    )
    try:
        return await site.acts.client.start_update_with_start_workflow(  # pyright: ignore[reportUnknownMemberType] - open generic
            "ask",
            asked,
            start_workflow_operation=start,
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
            id=asked.message_id,
            rpc_timeout=ANSWER,
        )
    except RPCError as error:
        if error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
            words = "ten questions wait in this session already: ask again, with the same message_id, in a while"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "SessionBusy", words) from error
        raise


def _kind(error: WorkflowUpdateFailedError) -> str:
    return (error.cause.type if isinstance(error.cause, ApplicationError) else None) or "UpdateFailed"


def _failure(error: WorkflowUpdateFailedError) -> dict[str, Any]:
    """A question that ended without success; the result of its run is the first detail of the failure."""
    cause = error.cause
    words = cause.message if isinstance(cause, ApplicationError) else str(cause)
    found: dict[str, Any] = {"type": _kind(error), "message": words}
    if isinstance(cause, ApplicationError) and cause.details:
        with contextlib.suppress(ValidationError):
            found["result"] = RunResult.model_validate(cause.details[0]).model_dump(mode="json")
    return found
