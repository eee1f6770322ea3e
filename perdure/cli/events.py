"""What history tells of tool calls while they run: which started, and how each ended."""

from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

from perdure.domain.tools import CallOutcome, ToolCall

__all__ = ["ToolEvent", "ToolEvents"]

TOOL = "tools.call"
LOST = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "FAILED",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "TIMED_OUT",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "CANCELED",
}


@dataclass(frozen=True)
class ToolEvent:
    """A tool call that started (`outcome` is None) or ended."""

    call: ToolCall
    outcome: CallOutcome | None = None


class ToolEvents:
    """Reads tool calls out of the events of one run, in order."""

    def __init__(self, converter: DataConverter) -> None:
        """Decode payloads with the client's converter."""
        self._converter = converter
        self._calls: dict[int, ToolCall] = {}

    async def read(self, event: HistoryEvent) -> ToolEvent | None:
        """What this event says of a tool call, if anything."""
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name != TOOL:
                return None
            call: ToolCall = await self._decode(scheduled.input, ToolCall)
            self._calls[event.event_id] = call
            return ToolEvent(call)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            completed = event.activity_task_completed_event_attributes
            known = self._calls.pop(completed.scheduled_event_id, None)
            return known and ToolEvent(known, await self._decode(completed.result, CallOutcome))
        if event.event_type in LOST:
            known = self._calls.pop(_scheduled(event), None)
            return known and ToolEvent(known, CallOutcome(error=LOST[event.event_type]))
        return None

    async def _decode(self, payloads: Payloads, kind: type) -> Any:  # noqa: ANN401 - an instance of `kind`
        return (await self._converter.decode(payloads.payloads, [kind]))[0]


def _scheduled(event: HistoryEvent) -> int:
    """Id of the event that scheduled the activity which this one ends."""
    ends = (
        event.activity_task_failed_event_attributes,
        event.activity_task_timed_out_event_attributes,
        event.activity_task_canceled_event_attributes,
    )
    return max(end.scheduled_event_id for end in ends)
