"""The activity `run.archive`: what leaves a workflow that continues as new is stored, page by page."""

import json
from typing import Any

from temporalio import activity
from temporalio.client import Client

from activities.conversations import Handle, ask
from activities.failures import reporting
from activities.heartbeat import heartbeating
from perdure.domain.archive import Archived, ArchiveRequest, LogName, Span, StoredPage
from perdure.domain.control import PageRequest
from perdure.domain.errors import TranscriptUnavailable
from perdure.domain.ports import Blobs

__all__ = ["ArchiveActivities"]

PAGE = 1_000
QUERIES: dict[LogName, str] = {"messages": "transcript", "calls": "ledger", "step_results": "steps"}


class ArchiveActivities:
    """Reads the logs of the current activity's run by query and writes them to the blob store."""

    def __init__(self, client: Client, blobs: Blobs) -> None:
        """Use this client and this store."""
        self._client = client
        self._blobs = blobs

    @activity.defn(name="run.archive")
    async def archive(self, request: ArchiveRequest) -> Archived:
        """Store the named items; a store or a run that does not answer just now fails retryably."""
        info = activity.info()
        handle = self._client.get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
        async with reporting(info.attempt), heartbeating():
            return Archived(
                messages=await self._store(handle, "messages", request.messages),
                calls=await self._store(handle, "calls", request.calls),
                steps=await self._store(handle, "step_results", request.steps),
            )

    async def _store(self, handle: Handle, log: LogName, span: Span) -> tuple[StoredPage, ...]:
        """Pages of the items from the first number up to the second, each as large as an answer to a query."""
        offset, end = span
        pages: list[StoredPage] = []
        while offset < end:
            page = PageRequest(offset=offset, limit=min(PAGE, end - offset))
            answer = await ask(handle, QUERIES[log], page, dict[str, Any])
            items: list[Any] = answer[log]
            if answer["offset"] != offset or not items:
                msg = f"the run has no {log} from {offset} on: it is not where it was when this was asked"
                raise TranscriptUnavailable(msg)
            blob = await self._blobs.put(json.dumps(items, ensure_ascii=False, separators=(",", ":")).encode())
            pages.append(StoredPage(offset=offset, count=len(items), blob=blob))
            offset += len(items)
        return tuple(pages)
