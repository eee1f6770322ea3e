"""The verb `demo`: a real job on real files, whose worker is killed in the middle, and which finishes all the same."""
# ruff: noqa: PLC0415 - imports happen when a verb runs, not for `--help`

from typing import Annotated

import typer

from perdure.cli.cli import Cli

__all__ = ["demo"]


async def demo(
    cli: Cli,
    yes: Annotated[bool, typer.Option("--yes", help="Approve the report without asking.")] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="M", help="Default: a real one when a key is set, else a script.", show_default=False
        ),
    ] = None,
) -> int:
    """See a run survive the death of its worker: real server, real tools, real files, an approval and a SIGKILL.

    Needs no key, no server and no Docker. Without a key the model is a script, and the demo says so.
    """
    from perdure.cli.demonstration import demonstrate

    return await demonstrate(cli, yes=yes, model=model)
