"""The activities `tools.call` and `tools.verify`: one attempt at a tool call, and the question whether one happened."""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from temporalio import activity

from activities.calling import CallAtWork
from activities.heartbeat import heartbeating
from perdure.domain.policy import matches_any
from perdure.domain.ports import Blobs
from perdure.domain.tools import CallOutcome, ToolCall, Verification
from perdure.streams.ports import SILENT, Events
from perdure.tools.builtin.blobs import READ_BLOB
from perdure.tools.host import CallInfo, ToolHost
from perdure.tools.outputs import THRESHOLD, Kept, Outputs

__all__ = ["ToolActivities"]

MARGIN = 1.0
"""Seconds of an attempt's time that are left for sending the outcome."""


class ToolActivities:
    """Tool calls of a worker. `deny` are globs of tools that its operator does not allow, whatever a run carries.

    Results of more than `threshold` bytes go to `blobs`; the outcome has their beginning, their end and a handle.
    """

    def __init__(
        self,
        host: ToolHost,
        deny: Sequence[str] = (),
        *,
        blobs: Blobs,
        threshold: int = THRESHOLD,
        events: Events = SILENT,
    ) -> None:
        """Run calls on this host; tell of them there."""
        self._events = events
        self._host = host
        self._deny = deny
        self._outputs = Outputs(blobs, threshold)

    @activity.defn(name="tools.call")
    async def call(self, call: ToolCall) -> CallOutcome:
        """Attempt one call; whatever the tool does, the answer is a value."""
        if matches_any(self._deny, call.tool):
            return CallOutcome(error="DENIED", text=f"The operator of this worker does not allow {call.tool}.")
        begin = time.monotonic()
        async with heartbeating(), self._told(call) as told:
            outcome = await self._host.run(call, _info(told.progress))
            # Words about a failure are short, and so is what read_blob gives: it must not point to another blob.
            if not outcome.error and call.tool != READ_BLOB:
                kept = await self._keep(outcome.text, begin)
                outcome = outcome.model_copy(update=kept._asdict())
            told.outcome = outcome
            return outcome

    @activity.defn(name="tools.verify")
    async def verify(self, call: ToolCall) -> Verification:
        """Ask the tool's read-back hook whether the call with this key happened."""
        begin = time.monotonic()
        async with heartbeating():
            found = await self._host.verify(call.tool, call.key, _info())
            kept = await self._keep(found.text, begin)
            return found.model_copy(update={"text": kept.text})

    @asynccontextmanager
    async def _told(self, call: ToolCall) -> AsyncGenerator[CallAtWork]:
        """Tell of the beginning of a call, and of its end once that is certain."""
        info = activity.info()
        told = CallAtWork(self._events, info.workflow_id or "", call, info.attempt)
        told.begin()
        yield told
        await told.end()

    async def _keep(self, text: str, begin: float) -> Kept:
        limit = activity.info().start_to_close_timeout
        left = limit.total_seconds() - (time.monotonic() - begin) - MARGIN if limit else float("inf")
        return await self._outputs.keep(text, left)


def _info(progress: Callable[[str], None] | None = None) -> CallInfo:
    info = activity.info()
    return CallInfo(
        workflow_id=info.workflow_id or "", attempt=info.attempt, heartbeat=activity.heartbeat, progress=progress
    )
