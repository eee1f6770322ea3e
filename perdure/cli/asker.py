"""Asks a session one question by update-with-start, again and again under the same id until it is answered."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from pydantic import BaseModel
from temporalio.client import RPCError, RPCTimeoutOrCancelledError, WorkflowUpdateFailedError, WorkflowUpdateHandle
from temporalio.service import RPCStatusCode

from perdure.asking import LOST, MOVING, result_of, send_question
from perdure.cli.rendering import cut
from perdure.cli.session import Session
from perdure.contact import failure_of
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.run import RunResult
from perdure.domain.sessions import Ask

__all__ = ["Asker", "Question", "Reply"]

POLL = timedelta(seconds=60)
"""Longer than the server holds a poll for a reply that is not there yet."""
RETRY_SECONDS = 0.5
PATIENCE = 60.0
"""Seconds that a server may be away."""
SUMMARY_CHARACTERS = 95

FULL = frozenset({RPCStatusCode.RESOURCE_EXHAUSTED})
"""Ten questions wait already (Temporal's limit): others have to be answered first."""
AWAY = MOVING | {RPCStatusCode.UNAVAILABLE}
"""The server is away, or the session moves."""


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
                kind, words = failure_of(error)
                if kind not in LOST:
                    return Reply(question, kind=kind, words=words, result=result_of(error))
            except RPCTimeoutOrCancelledError as error:
                if isinstance(error.__cause__, asyncio.CancelledError):
                    # The SDK took a Ctrl-C for a timeout.
                    raise asyncio.CancelledError from error
                away = self._session.no_worker()
                self._tell(f"{away.message}; the question waits\n{away.hint}")
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
        asked = Ask(text=question.text, message_id=question.message_id)
        handle = await send_question(
            self._session.client,
            self._session.settings.task_queue,
            self._workflow_id,
            self._given,
            asked,
            summary=cut(question.text, SUMMARY_CHARACTERS),
        )
        self._joined(handle.workflow_run_id or "")
        return handle

    def _tell(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            self._session.cli.out.note(words)
