"""The activities `tools.call` and `tools.verify`: one attempt at a tool call, and the question whether one happened."""

from collections.abc import Sequence

from temporalio import activity

from activities.heartbeat import heartbeating
from perdure.domain.policy import matches_any
from perdure.domain.tools import CallOutcome, ToolCall, Verification
from perdure.tools.host import CallInfo, ToolHost

__all__ = ["ToolActivities"]


class ToolActivities:
    """Tool calls of a worker; `deny` are globs of tools that its operator does not allow, whatever a run carries."""

    def __init__(self, host: ToolHost, deny: Sequence[str] = ()) -> None:
        """Run calls on this host."""
        self._host = host
        self._deny = deny

    @activity.defn(name="tools.call")
    async def call(self, call: ToolCall) -> CallOutcome:
        """Attempt one call; whatever the tool does, the answer is a value."""
        if matches_any(self._deny, call.tool):
            return CallOutcome(error="DENIED", text=f"The operator of this worker does not allow {call.tool}.")
        async with heartbeating():
            return await self._host.run(call, _info())

    @activity.defn(name="tools.verify")
    async def verify(self, call: ToolCall) -> Verification:
        """Ask the tool's read-back hook whether the call with this key happened."""
        async with heartbeating():
            return await self._host.verify(call.tool, call.key, _info())


def _info() -> CallInfo:
    info = activity.info()
    return CallInfo(workflow_id=info.workflow_id or "", attempt=info.attempt, heartbeat=activity.heartbeat)
