"""Waits for what is in flight only for as long as the run may: until it is told to stop, interrupted or out of time."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from temporalio import workflow

from perdure.domain.run import StopReason
from workflows.control import Broken, Control, RunEndedError

if TYPE_CHECKING:
    from typing import Any

__all__ = ["until_stopped"]

T = TypeVar("T")


async def until_stopped(
    control: Control, task: "workflow.ActivityHandle[T]", left: timedelta | None, broken: Broken = lambda: False
) -> T:
    """Result of the task, unless the run is told to stop or its time is over first: then the task is cancelled.

    When somebody breaks in the task is cancelled too, and what it has until then is its result: only a task that
    was started to wait for its cancellation has one.
    """
    try:
        await workflow.wait_condition(lambda: task.done() or control.stopping or broken(), timeout=left)
        if not task.done() and not control.stopping:
            task.cancel()
            await workflow.wait_condition(lambda: task.done() or control.stopping)
    except TimeoutError:
        _abandon(task)
        raise RunEndedError(StopReason.TIME_LIMIT) from None
    except asyncio.CancelledError:
        _abandon(task)
        raise
    if not task.done():
        _abandon(task)
        raise RunEndedError(StopReason.STOPPED)
    return await task


def _abandon(task: "workflow.ActivityHandle[Any]") -> None:
    """Cancel, and see to it that an end which nobody waits for is not reported as lost."""
    task.cancel()
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
