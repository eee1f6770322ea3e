"""Arguments and options that several verbs share."""

from typing import Annotated

import typer

__all__ = ["AsName", "Digest", "Reason", "RequestId", "RunId"]

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
