"""Makes typer commands of async functions: output options, error handling and exit codes are the same for all."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

import typer

from perdure.cli.cli import Cli, Workflows
from perdure.cli.errors import CliError, ExitCode, translated
from perdure.cli.output import Format, Output

__all__ = ["Verb", "add_verb"]

Verb = Callable[..., Coroutine[Any, Any, int | None]]
"""A verb: takes the Cli first, then what typer reads; returns an exit code (None: success) or raises."""

OUTPUT = Annotated[
    Format, typer.Option("--output", "-o", help="Form of stdout: text, one JSON document, or JSON lines.")
]
JSON = Annotated[bool, typer.Option("--json", help="Same as -o json.")]


def add_verb(app: typer.Typer, verb: Verb, workflows: Workflows, name: str | None = None) -> None:
    """Register a verb under its name (or another); its docstring is the help."""

    def command(output: Format, *, as_json: bool, **given: object) -> None:
        raise typer.Exit(_execute(verb, Cli(Output(Format.JSON if as_json else output), workflows), given))

    signature = inspect.signature(verb)
    own = list(signature.parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter("output", keyword, default=Format.TEXT, annotation=OUTPUT),
        inspect.Parameter("as_json", keyword, default=False, annotation=JSON),
    ]
    parameters = [parameter.replace(kind=keyword) for parameter in own] + added
    vars(command)["__signature__"] = signature.replace(parameters=parameters, return_annotation=None)
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = verb.__doc__
    app.command(name or verb.__name__)(command)


def _execute(verb: Verb, cli: Cli, given: Mapping[str, object]) -> int:
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(verb(cli, **given)) or ExitCode.SUCCESS
    except KeyboardInterrupt:
        words = "interrupted; the run lives on" if cli.way_back else "interrupted"
        error = CliError(ExitCode.INTERRUPTED, "Interrupted", words, "\n".join(cli.way_back))
    except BrokenPipeError:
        # Whoever read our output has gone, as in `list runs | head`: there is nobody to tell.
        return ExitCode.FAILURE
    except Exception as unexpected:  # noqa: BLE001 - a user never sees a traceback
        error = translated(unexpected)
    cli.out.error(error)
    return error.code
