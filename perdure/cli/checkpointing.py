"""The verb for the checkpoints of a run: list, show, export, resume."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - imports happen when a verb runs, not for `--help`; parameters are its options

from pathlib import Path
from typing import Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.options import Reason, RunId

__all__ = ["checkpoints"]


async def checkpoints(
    cli: Cli,
    run: RunId,
    show: Annotated[
        int | None, typer.Option("--show", min=0, metavar="N", help="Show turn N in full.", show_default=False)
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="FILE", help="Write the event history as JSON, a file for each run.", show_default=False
        ),
    ] = None,
    resume: Annotated[
        int | None,
        typer.Option("--resume", min=0, metavar="N", help="Go back to the beginning of turn N.", show_default=False),
    ] = None,
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", help="Go back without asking.")] = False,
) -> int:
    """Show the turns of a run, over all runs of its chain, and what each did; export them, or go back to one.

    Checkpoints are the event history. Going back forgets what came after: what tools have done is not undone.
    """
    from perdure.checkpoints import find_chain
    from perdure.cli.checkpoint_views import export_histories, resume_turn, show_turn, show_turns
    from perdure.cli.inputs import invalid
    from perdure.cli.session import open_session

    if sum(option is not None for option in (show, export, resume)) > 1:
        raise invalid("--show, --export and --resume do not go together", "say one of them")
    session = await open_session(cli)
    await session.describe(run)
    chain = await find_chain(session.client, run)
    if show is not None:
        return await show_turn(session, chain, show)
    if export is not None:
        return await export_histories(session, chain, export)
    if resume is not None:
        return await resume_turn(session, chain, resume, reason, yes=yes)
    return await show_turns(session, chain)
