"""What a chain of runs has left in its histories, as the server counts it, with the carried states set apart."""

from dataclasses import dataclass

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistoryEventFilterType

__all__ = ["Run", "runs_of"]


@dataclass(frozen=True)
class Run:
    """One run of a chain: events and bytes of its history; `carried`: bytes of it that are carried state.

    A carried state lies in two histories: where the one run ends with it and where the next begins with it.
    """

    run_id: str
    events: int
    bytes: int
    carried: int


async def runs_of(client: Client, workflow_id: str) -> list[Run]:
    """The runs of a chain, the oldest first."""
    runs: list[Run] = []
    run_id = (await client.get_workflow_handle(workflow_id).describe()).run_id
    while run_id:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id)
        info = (await handle.describe()).raw_description.workflow_execution_info
        first = await anext(aiter(handle.fetch_history_events(page_size=1)))
        closing = WorkflowHistoryEventFilterType.CLOSE_EVENT
        last = [event async for event in handle.fetch_history_events(event_filter_type=closing)]
        run_id = first.workflow_execution_started_event_attributes.continued_execution_run_id
        carried = (_input(first) if run_id else 0) + sum(map(_output, last))
        runs.insert(0, Run(handle.run_id or "", info.history_length, info.history_size_bytes, carried))
    return runs


def _input(started: HistoryEvent) -> int:
    return started.workflow_execution_started_event_attributes.input.ByteSize()


def _output(closed: HistoryEvent) -> int:
    return closed.workflow_execution_continued_as_new_event_attributes.input.ByteSize()
