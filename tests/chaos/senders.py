"""People who ask a session: each question under one message id, sent again until there is a reply."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, TemporalError

__all__ = ["AskOnce", "Senders", "by_start", "by_update"]

PATIENCE = 15.0
"""Seconds that a sender waits for a reply before it sends the question again."""

Payload = dict[str, str]
AskOnce = Callable[[Client, str, str, Payload], Awaitable[Any]]
"""One attempt to ask: client, session, task queue, payload."""


async def by_start(client: Client, session: str, queue: str, payload: Payload) -> str:
    """Ask by update-with-start, as `chat` does: no one has to know whether the session is there."""
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        "Session",
        {"model": "openai-chat:echo"},
        id=session,
        task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    return await client.execute_update_with_start_workflow(  # pyright: ignore[reportUnknownMemberType] - open generic
        "ask", payload, start_workflow_operation=start
    )


async def by_update(client: Client, session: str, _queue: str, payload: Payload) -> str:
    """Ask a session that is there by a plain update."""
    handle = client.get_workflow_handle(session)
    return await handle.execute_update("ask", payload)  # pyright: ignore[reportUnknownMemberType] - open generic


class Senders:
    """Ask one session; `replies` are those to each message id, `again` counts why attempts were repeated."""

    def __init__(self, client: Client, session: str, queue: str, ask_once: AskOnce) -> None:
        """Ask in this way."""
        self._client, self._session, self._queue, self._ask_once = client, session, queue, ask_once
        self.replies: dict[str, list[str]] = {}
        self.again: Counter[str] = Counter()

    async def ask(self, text: str, message_id: str) -> None:
        """Send the question until its reply is there."""
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    payload = {"text": text, "message_id": message_id}
                    reply = await self._ask_once(self._client, self._session, self._queue, payload)
            except (TemporalError, TimeoutError) as error:
                self.again[_reason(error)] += 1
                await asyncio.sleep(0.1)
            else:
                self.replies.setdefault(message_id, []).append(reply)
                return

    async def send(self, name: str, count: int) -> None:
        """Ask `count` questions one after the other, each of them twice under its id.

        In turn: both at once; the repetition beside the next questions; the repetition when all has been answered.
        """
        beside, later = list[asyncio.Task[None]](), list[int]()
        for n in range(count):
            text, message_id = f"question {n} of {name}", f"{name}-{n}"
            if n % 3 == 0:
                await asyncio.gather(self.ask(text, message_id), self.ask(text, message_id))
                continue
            await self.ask(text, message_id)
            if n % 3 == 1:
                beside.append(asyncio.create_task(self.ask(text, message_id)))
            else:
                later.append(n)
        await asyncio.gather(*beside)
        for n in later:
            await self.ask(f"question {n} of {name}", f"{name}-{n}")


def _reason(error: Exception) -> str:
    """What went wrong, in one or two words; what is no reason to send again is raised."""
    cause = error.cause if isinstance(error, WorkflowUpdateFailedError) else error
    name = (cause.type or "") if isinstance(cause, ApplicationError) else type(cause).__name__
    if isinstance(error, WorkflowUpdateFailedError) and name not in ALLOWED:
        raise error
    return f"{name}: {error}"[:120]


ALLOWED = ("ContinuedAsNew", "AcceptedUpdateCompletedWorkflow")
"""Failures of an update that only say that another run goes on with the session."""
