"""The course of a run, read from its event histories: milliseconds and bytes of history at every turn."""

from collections.abc import Sequence
from datetime import UTC
from typing import NamedTuple

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

__all__ = ["Point", "course", "events_of"]


class Point(NamedTuple):
    """A turn (from 1), when its model call was scheduled (seconds), and the bytes of all history before it."""

    turn: int
    at: float
    bytes: int


async def events_of(client: Client, workflow_id: str, run_ids: Sequence[str]) -> list[HistoryEvent]:
    """All events of these runs, in order."""
    handles = [client.get_workflow_handle(workflow_id, run_id=run_id) for run_id in run_ids]
    return [event for handle in handles async for event in handle.fetch_history_events(page_size=200)]


def course(events: Sequence[HistoryEvent], model: str) -> list[Point]:
    """A point for each activity of the type `model` that was scheduled."""
    points: list[Point] = []
    size = 0
    for event in events:
        if event.activity_task_scheduled_event_attributes.activity_type.name == model:
            at = event.event_time.ToDatetime(tzinfo=UTC).timestamp()
            points.append(Point(len(points) + 1, at, size))
        size += event.ByteSize()
    return points
