"""Reads what a run left in its event history."""

from dataclasses import dataclass
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle, WorkflowHistory

__all__ = ["History", "chain_of"]

BOOKKEEPING = "run.archive"


@dataclass(frozen=True)
class History:
    """What lies in the event histories of a chain of runs, the oldest first: one run, or those it continued as."""

    runs: tuple[WorkflowHistory, ...]

    @property
    def events(self) -> list[HistoryEvent]:
        """All events, in order."""
        return [event for run in self.runs for event in run.events]

    @property
    def activities(self) -> list[str]:
        """Types of all scheduled activities, in order, but for those that store a transcript to continue as new.

        An attempt that Temporal retried counts once.
        """
        kind = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        names = (
            event.activity_task_scheduled_event_attributes.activity_type.name
            for event in self.events
            if event.event_type == kind
        )
        return [name for name in names if name != BOOKKEEPING]

    @property
    def bytes(self) -> int:
        """Size of all events."""
        return sum(event.ByteSize() for event in self.events)

    def count(self, activity: str) -> int:
        """How often an activity was scheduled."""
        return self.activities.count(activity)


async def chain_of(client: Client, handle: WorkflowHandle[Any, Any]) -> History:
    """Histories of the latest run of a workflow and of those that it continues."""
    runs: list[WorkflowHistory] = []
    run_id = (await client.get_workflow_handle(handle.id).describe()).run_id
    while run_id:
        history = await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
        runs.insert(0, history)
        run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return History(tuple(runs))
