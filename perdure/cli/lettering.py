"""The verb for the letters of a mesh: list, dead ones, redrive."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - imports happen when a verb runs, not for `--help`; parameters are its options

from typing import Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.options import By, RunId, Token

__all__ = ["letters"]


async def letters(
    cli: Cli,
    run: RunId,
    pair: Annotated[
        str | None,
        typer.Option("--pair", metavar="A,B", help="Only those between these two, or of this one.", show_default=False),
    ] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Dead letters: those that did not arrive, and why.")] = False,
    pending: Annotated[bool, typer.Option("--pending", help="Requests that have no answer yet.")] = False,
    redrive: Annotated[
        list[str] | None,
        typer.Option("--redrive", metavar="LETTER", help="Send this dead letter again; may be repeated."),
    ] = None,
    redrive_all: Annotated[bool, typer.Option("--redrive-all", help="Send all dead letters again.")] = False,
    by: By = None,
    token: Token = None,
) -> int:
    """Show the letters between the agents of a mesh and how far each is, or send dead ones again.

    Sending again exits with 1 when a letter is dead once more.
    """
    from perdure.cli.inputs import invalid
    from perdure.cli.letter_views import redrive_letters, show_dead, show_letters, show_pending
    from perdure.cli.session import open_session

    if sum((pair is not None, dead, pending, bool(redrive), redrive_all)) > 1:
        raise invalid("--pair, --dead, --pending, --redrive and --redrive-all do not go together", "say one of them")
    names = [name.strip() for name in (pair or "").split(",") if name.strip()]
    if pair is not None and len(names) not in (1, 2):
        raise invalid(f"--pair: {pair!r} does not name one or two", "two names, as in --pair ann,ben")
    session = await open_session(cli)
    if redrive or redrive_all:
        await session.open_run(run)
        return await redrive_letters(session, run, redrive, by, token)
    await session.describe(run)
    await session.worker()
    if dead:
        return await show_dead(session, run)
    if pending:
        return await show_pending(session, run)
    return await show_letters(session, run, names)
