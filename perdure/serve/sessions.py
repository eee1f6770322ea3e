"""`POST /api/sessions/{id}/ask`: one question to a session, which is started or opened again when it is not open."""

import asyncio
import time
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from temporalio.client import (
    RPCError,
    RPCTimeoutOrCancelledError,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
)
from temporalio.service import RPCStatusCode

from perdure.asking import LOST, MOVING, result_of, send_question
from perdure.contact import failure_of
from perdure.domain.identity import Role
from perdure.domain.model import Model
from perdure.domain.sessions import Ask, SessionInput
from perdure.serve.acts import SUMMARY_CHARACTERS
from perdure.serve.api import body, parsed
from perdure.serve.people import Person
from perdure.serve.problems import Problem
from perdure.serve.site import Site

__all__ = ["ask"]

RETRY_SECONDS = 0.25


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
            if failure_of(error)[0] not in LOST:
                return JSONResponse({"message_id": asked.message_id, "reply": None, "error": _failure(error)})
        except RPCTimeoutOrCancelledError:
            if time.monotonic() < deadline:
                raise
        except RPCError as error:
            if error.status not in MOVING:
                raise
        if time.monotonic() >= deadline:
            pending = {"message_id": asked.message_id, "reply": None, "error": None, "pending": True}
            return JSONResponse(pending, HTTPStatus.ACCEPTED)
        await asyncio.sleep(RETRY_SECONDS)


async def _send(site: Site, workflow_id: str, given: SessionInput, asked: Ask) -> "WorkflowUpdateHandle[object]":
    acts, summary = site.acts, " ".join(asked.text.split())[:SUMMARY_CHARACTERS]
    try:
        return await send_question(acts.client, acts.task_queue, workflow_id, given, asked, summary=summary)
    except RPCError as error:
        if error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
            words = "ten questions wait in this session already: ask again, with the same message_id, in a while"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "SessionBusy", words) from error
        raise


def _failure(error: WorkflowUpdateFailedError) -> dict[str, Any]:
    kind, words = failure_of(error)
    found: dict[str, Any] = {"type": kind, "message": words}
    if (result := result_of(error)) is not None:
        found["result"] = result.model_dump(mode="json")
    return found
