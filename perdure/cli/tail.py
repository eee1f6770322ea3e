"""News of a run and of those that continue it: history events as they happen, over lost connections too."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import RPCError
from temporalio.service import RPCStatusCode

from perdure.contact import Handle

__all__ = ["tail", "tail_chain"]

TRANSIENT = frozenset({RPCStatusCode.UNAVAILABLE, RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED})
RETRY_SECONDS = 1.0
PATIENCE = 60.0
"""Seconds that a server may be away."""


async def tail(handle: Handle) -> AsyncIterator[HistoryEvent]:
    """Every event of a run from its first to its last, waiting for those to come.

    A lost server is waited for; after a minute RPCError is raised.
    """
    seen, lost_since = 0, None
    while True:
        try:
            async for event in handle.fetch_history_events(wait_new_event=True, skip_archival=True):
                lost_since = None
                if event.event_id > seen:
                    seen = event.event_id
                    yield event
        except RPCError as error:
            lost_since = lost_since or time.monotonic()
            if error.status not in TRANSIENT or time.monotonic() - lost_since > PATIENCE:
                raise
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return


async def tail_chain(
    handle_of: Callable[[str | None], Handle], run_id: str | None
) -> AsyncIterator[tuple[str | None, HistoryEvent]]:
    """Like `tail`, for a run and every run that continues it as new; each event comes with the id of its run."""
    while True:
        following = None
        async for event in tail(handle_of(run_id)):
            yield run_id, event
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
                following = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        if following is None:
            return
        run_id = following
