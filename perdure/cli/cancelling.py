"""Cancellation the way Temporal does it: sent to a run, whose end is waited for."""

import asyncio
import contextlib
import shlex

from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError

from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ExitCode, ended
from perdure.cli.many import each, matching, tell_one
from perdure.cli.session import Session, open_session
from perdure.contact import ANSWER, Handle, answered

__all__ = ["cancel_many", "cancel_one"]

CLOSING_SECONDS = 30.0
"""How long a cancelled run gets to close: a call that cannot be repeated may take that long to end."""


async def cancel_one(cli: Cli, run: str, reason: str) -> ExitCode:
    """Cancel one run, and tell its status."""
    session = await open_session(cli)
    cli.way_back = [f"the cancellation may have been sent; `uv run starter.py status {shlex.quote(run)}` shows it"]
    await session.open_run(run)
    status = await _cancelled(session, run, reason)
    return tell_one(cli, run, status=status)


async def cancel_many(cli: Cli, query: str, reason: str, *, yes: bool) -> ExitCode:
    """Cancel every open run that matches; fails when any of them does not close."""
    session = await open_session(cli)
    names = await matching(session, query)
    return await each(session, "cancel", names, lambda run: _cancelled(session, run, reason), yes=yes)


async def _cancelled(session: Session, run: str, reason: str) -> str:
    """The status of a run that was open and has closed; raises CliError when it was not open, or does not close."""
    described = await session.describe(run)
    if described.status is not WorkflowExecutionStatus.RUNNING:
        raise ended(run, described.status.name if described.status else "unknown")
    handle = session.handle(run)
    await answered(handle.cancel(reason=reason, rpc_timeout=ANSWER))
    closing = asyncio.create_task(_closed(handle))
    done, _ = await asyncio.wait([closing], timeout=CLOSING_SECONDS)
    if not done:
        closing.cancel()
        message = f"the cancellation was sent, and run {run} has not closed within {CLOSING_SECONDS:.0f} s"
        raise CliError(ExitCode.UNREACHABLE, "StillClosing", message, "its worker may be gone, or busy with a call")
    described = await session.describe(run)
    return described.status.name if described.status else "UNKNOWN"


async def _closed(handle: Handle) -> None:
    with contextlib.suppress(WorkflowFailureError):
        await handle.result(follow_runs=False)
