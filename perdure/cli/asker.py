"""Asks a session one question by update-with-start, again and again under the same id until it is answered."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from pydantic import BaseModel, ValidationError
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

from perdure.cli.rendering import cut
from perdure.cli.session import Session
from perdure.contact import ANSWER
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.run import RunResult

__all__ = ["SESSION", "Asker", "Question", "Reply"]

SESSION = "Session"
"""Name of the workflow type."""

POLL = timedelta(seconds=60)
"""Longer than the server holds a poll for a reply that is not there yet."""
RETRY_SECONDS = 0.5
PATIENCE = 60.0
"""Seconds that a server may be away."""
SUMMARY_CHARACTERS = 95

FULL = frozenset({RPCStatusCode.RESOURCE_EXHAUSTED})
"""Ten questions wait already (Temporal's limit): others have to be answered first."""
AWAY = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.ABORTED,
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.NOT_FOUND,
    }
)
"""The server is away, or the session closes or continues as new just now."""
LOST = frozenset({"AcceptedUpdateCompletedWorkflow", "ContinuedAsNew", "SessionBusy"})
"""Types of failure of updates whose run ended before they were answered: given by the server, and by the session."""


@dataclass(frozen=True)
class Question:
    """A question and the id that it is answered once under."""

    text: str
    message_id: str


@dataclass(frozen=True)
class Reply:
    """The reply to a question; when `kind` is not empty, why there is none, with the result that was reached."""

    question: Question
    value: JsonValue = None
    kind: str = ""
    words: str = ""
    result: RunResult | None = None

    def plain(self) -> JsonObject:
        """The JSON of a question and its reply."""
        error: JsonObject = {"type": self.kind, "message": self.words}
        if self.result is not None:
            error["result"] = self.result.model_dump(mode="json")
        return {
            "message_id": self.question.message_id,
            "question": self.question.text,
            "reply": self.value,
            "error": error if self.kind else None,
        }


class Asker:
    """Asks the questions of one person in one session, which is started or opened again when it is not open."""

    def __init__(self, session: Session, workflow_id: str, given: BaseModel, joined: Callable[[str], None]) -> None:
        """`given` is the input of a session that has to be started; `joined` hears the run that took a question."""
        self._session = session
        self._workflow_id = workflow_id
        self._given = given
        self._joined = joined
        self._told: set[str] = set()

    async def ask(self, question: Question) -> Reply:
        """The reply, however long it takes; raises RPCError when the server is away for a minute."""
        lost_since: float | None = None
        while True:
            try:
                handle = await self._send(question)
                lost_since = None
                return Reply(question, cast("JsonValue", await handle.result(rpc_timeout=POLL)))
            except WorkflowUpdateFailedError as error:
                if _type(error) not in LOST:
                    return _without_success(question, error)
            except RPCTimeoutOrCancelledError as error:
                if isinstance(error.__cause__, asyncio.CancelledError):
                    # The SDK took a Ctrl-C for a timeout.
                    raise asyncio.CancelledError from error
                words = self._session.no_worker()
                self._tell(f"{words.message}; the question waits\n{words.hint}")
            except RPCError as error:
                lost_since = lost_since or time.monotonic()
                if error.status in FULL:
                    lost_since = None
                    self._tell("ten questions wait in this session already; yours is asked when one is answered")
                elif error.status not in AWAY or time.monotonic() - lost_since > PATIENCE:
                    raise
            await asyncio.sleep(RETRY_SECONDS)

    async def _send(self, question: Question) -> "WorkflowUpdateHandle[object]":
        """Send the question until the session has taken it in."""
        start = WithStartWorkflowOperation[object, object](
            SESSION,
            self._given,
            id=self._workflow_id,
            task_queue=self._session.settings.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=cut(question.text, SUMMARY_CHARACTERS),
        )
        handle = await self._session.client.start_update_with_start_workflow(  # pyright: ignore[reportUnknownMemberType] - open generic
            "ask",
            {"text": question.text, "message_id": question.message_id},
            start_workflow_operation=start,
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
            id=question.message_id,
            rpc_timeout=ANSWER,
        )
        self._joined(handle.workflow_run_id or "")
        return handle

    def _tell(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            self._session.cli.out.note(words)


def _type(error: WorkflowUpdateFailedError) -> str:
    return (error.cause.type if isinstance(error.cause, ApplicationError) else None) or "UpdateFailed"


def _without_success(question: Question, error: WorkflowUpdateFailedError) -> Reply:
    """A question that ended without success; the result of its run is the first detail of the failure."""
    cause = error.cause
    words = cause.message if isinstance(cause, ApplicationError) else str(cause)
    details = cause.details if isinstance(cause, ApplicationError) else ()
    try:
        result = RunResult.model_validate(details[0]) if details else None
    except ValidationError:
        result = None
    return Reply(question, kind=_type(error), words=words, result=result)
