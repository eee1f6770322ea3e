"""Verbs that look at runs: status, transcript, approvals."""
# ruff: noqa: PLC0415 - what a verb needs is imported when it runs: `--help` must not pay for Temporal

from typing import Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.options import RunId

__all__ = ["approvals", "status", "transcript"]


async def status(cli: Cli, run: RunId) -> None:
    """Show where a run stands, what it has used, and what it waits for."""
    from perdure.cli.session import open_session
    from perdure.cli.views import show_status

    session = await open_session(cli)
    described = await session.describe(run)
    await session.worker()
    await show_status(session, described)


async def transcript(
    cli: Cli,
    run: RunId,
    offset: Annotated[int, typer.Option("--offset", min=0, help="First message, from 0.")] = 0,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="At most so many messages; default: all.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All messages, which is the default.")] = False,
) -> int:
    """Show the conversation of a run or session, over all runs of its chain."""
    from perdure.cli.inputs import invalid
    from perdure.cli.session import open_session
    from perdure.cli.views import show_transcript

    if everything and (limit is not None or offset):
        raise invalid("--all does not go with --offset or --limit", "say one of them")
    session = await open_session(cli)
    await session.describe(run)
    await session.worker()
    return await show_transcript(session, run, offset, limit)


async def approvals(
    cli: Cli,
    run: Annotated[str | None, typer.Argument(metavar="[ID]", help="Id of a run.", show_default=False)] = None,
) -> None:
    """Show what waits for a person: in one run and those it started, or in all open runs, oldest first."""
    from datetime import UTC, datetime

    from perdure.cli.inbox import inbox, waiting_below
    from perdure.cli.inbox_view import show_in_full, show_inbox
    from perdure.cli.session import open_session

    session = await open_session(cli)
    described = None if run is None else await session.describe(run)
    await session.worker()
    if described is not None:
        show_in_full(cli.out, await waiting_below(session, described))
    else:
        show_inbox(cli.out, await inbox(session, [info.name for info in cli.workflows()]), datetime.now(UTC))
