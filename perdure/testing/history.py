"""Reads what a run left in its event history."""

from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

__all__ = ["History"]


@dataclass(frozen=True)
class History:
    """What lies in a run's event history."""

    raw: WorkflowHistory

    @property
    def activities(self) -> list[str]:
        """Types of all scheduled activities, in order; an attempt that Temporal retried counts once."""
        kind = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        return [
            event.activity_task_scheduled_event_attributes.activity_type.name
            for event in self.raw.events
            if event.event_type == kind
        ]

    @property
    def bytes(self) -> int:
        """Size of all events."""
        return sum(event.ByteSize() for event in self.raw.events)

    def count(self, activity: str) -> int:
        """How often an activity was scheduled."""
        return self.activities.count(activity)
