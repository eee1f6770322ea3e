"""Arguments and options that several verbs share."""

from typing import Annotated

import typer

__all__ = ["Anyway", "AsName", "By", "Digest", "MaybeRunId", "Query", "Reason", "RequestId", "RunId", "Token"]

RunId = Annotated[str, typer.Argument(metavar="ID", help="Id of the run.", show_default=False)]
RequestId = Annotated[
    str, typer.Argument(metavar="REQ", help="Id of the request, or the beginning of it.", show_default=False)
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded with the run.", show_default=False)]
AsName = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who decides; default: you.", show_default=False)
]
Digest = Annotated[
    str | None,
    typer.Option(
        "--digest", help="Digest of the call that is meant; default: that of the waiting call.", show_default=False
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        help="Signed token of who does this; - reads a line of stdin, which no list of processes shows.",
        show_default=False,
    ),
]
MaybeRunId = Annotated[str | None, typer.Argument(metavar="ID", help="Id of the run.", show_default=False)]
Query = Annotated[
    str | None,
    typer.Option(
        "--query",
        metavar="QUERY",
        help="Instead of ID: all open runs that match this visibility query, as in \"PerdureTenant = 'acme'\".",
        show_default=False,
    ),
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who does it; default: you.", show_default=False)]
Anyway = Annotated[bool, typer.Option("--yes", help="With --query: do not ask whether that is meant.")]
