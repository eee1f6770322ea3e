"""Verbs that steer a run: steer, pause, resume, stop, cancel."""
# ruff: noqa: PLC0415 - what a verb needs is imported when it runs: `--help` must not pay for Temporal

import asyncio
import contextlib
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ExitCode
from perdure.cli.options import Reason, RunId

if TYPE_CHECKING:
    from perdure.cli.session import Handle

__all__ = ["cancel", "pause", "resume", "steer", "stop"]

CLOSING_SECONDS = 30.0
"""How long `cancel` waits for the run to close: a call that cannot be repeated may take that long to end."""


class Mode(StrEnum):
    """When a steering message is read."""

    NEXT_TURN = "next_turn"
    WHEN_IDLE = "when_idle"


async def steer(
    cli: Cli,
    run: RunId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to tell the agent.")],
    mode: Annotated[
        Mode, typer.Option("--mode", help="Read it before the next turn, or when the agent has nothing left to do.")
    ] = Mode.NEXT_TURN,
) -> None:
    """Put a message into a running conversation."""
    from pydantic import ValidationError

    from perdure.cli.deciding import update
    from perdure.cli.inputs import invalid
    from perdure.cli.session import open_session
    from perdure.domain.control import SteerAnswer, SteerPayload
    from perdure.domain.explain import explain

    try:
        payload = SteerPayload(text=text, mode=mode.value)
    except ValidationError as error:
        raise invalid(explain(error)) from error
    session = await open_session(cli)
    await session.open_run(run)
    answer = await update(session, run, "steer", payload, SteerAnswer)
    if cli.out.is_text:
        cli.out.text(f"queued at position {answer.position}")
    else:
        cli.out.document({"workflow_id": run, **answer.model_dump(mode="json")})


async def pause(cli: Cli, run: RunId, reason: Reason = "") -> None:
    """Hold a run before its next step; what is running is finished."""
    await _control(cli, run, "pause", reason)


async def resume(cli: Cli, run: RunId, reason: Reason = "") -> None:
    """Let a paused run go on."""
    await _control(cli, run, "resume", reason)


async def stop(cli: Cli, run: RunId, reason: Reason = "") -> None:
    """End a run with what it has reached: it completes with the stop reason `stopped`."""
    await _control(cli, run, "stop", reason)


async def _control(cli: Cli, run: str, verb: str, reason: str) -> None:
    from perdure.cli.deciding import me, update
    from perdure.cli.session import open_session
    from perdure.domain.control import ControlPayload

    session = await open_session(cli)
    await session.open_run(run)
    state = await update(session, run, verb, ControlPayload(by=me(), reason=reason), str)
    if cli.out.is_text:
        cli.out.text(f"run {run} is {state}")
    else:
        cli.out.document({"workflow_id": run, "state": state})


async def cancel(cli: Cli, run: RunId, reason: Reason = "") -> None:
    """Cancel a run the way Temporal does: it closes as CANCELED, and so do the runs it started."""
    from perdure.cli.session import ANSWER, open_session

    session = await open_session(cli)
    handle = await session.open_run(run)
    await handle.cancel(reason=reason, rpc_timeout=ANSWER)
    cli.way_back = [f"the cancellation was sent; `uv run starter.py status {shlex.quote(run)}` shows what became of it"]
    closing = asyncio.create_task(_closed(handle))
    done, _ = await asyncio.wait([closing], timeout=CLOSING_SECONDS)
    described = await session.describe(run)
    status = described.status.name if described.status else "UNKNOWN"
    if not done:
        closing.cancel()
        message = f"the cancellation was sent, and run {run} has not closed within {CLOSING_SECONDS:.0f} s"
        raise CliError(ExitCode.UNREACHABLE, "StillClosing", message, "its worker may be gone, or busy with a call")
    if cli.out.is_text:
        cli.out.text(f"run {run} is {status}")
    else:
        cli.out.document({"workflow_id": run, "status": status})


async def _closed(handle: "Handle") -> None:
    from temporalio.client import WorkflowFailureError

    with contextlib.suppress(WorkflowFailureError):
        await handle.result(follow_runs=False)
