"""How every run ends: whatever happens its state shows it, its audit log is written, and nobody is left waiting."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from perdure.domain.run import RunResult, RunState, Used
from workflows.run import AgentRun

__all__ = ["CANCELLED_SECONDS", "live"]

CANCELLED_SECONDS = 30.0
"""For the last entries of the audit log of a run that is cancelled, which must not hang when the log is away."""

R = TypeVar("R", bound=RunResult)


async def live(run: AgentRun, work: Awaitable[R]) -> R:
    """Await the work of a run and end it; fails with our error code as type when configuration or provider is at fault.

    The failure of a run that another one has started says what it has used, so that the other can count it.
    """
    try:
        result = await work
    except asyncio.CancelledError:
        run.control.enter(RunState.CANCELLED)
        await run.journal.end("cancelled", within=CANCELLED_SECONDS)
        raise
    except ApplicationError as error:
        run.control.enter(RunState.FAILED)
        await run.journal.end("failed")
        if workflow.info().parent is None:
            raise
        used = Used(usage=run.total.usage, tool_calls=run.total.tool_calls)
        raise ApplicationError(error.message, *error.details, used, type=error.type, non_retryable=True) from None
    run.control.enter(RunState.COMPLETED if result.success else RunState.FAILED)
    await run.journal.end(result.stop_reason)
    await workflow.wait_condition(workflow.all_handlers_finished)
    return result
