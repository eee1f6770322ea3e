"""The verb that checks files: agents, policies and scripts."""
# ruff: noqa: PLC0415 - what a verb needs is imported when it runs: `--help` must not pay for pydantic

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ExitCode

__all__ = ["Kind", "validate"]


class Kind(StrEnum):
    """What a file describes."""

    AGENT = "agent"
    POLICY = "policy"
    SCRIPT = "script"


async def validate(
    cli: Cli,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="YAML files, or folders of them.")],
    kind: Annotated[
        Kind | None,
        typer.Option(
            "--kind",
            help="What they are; default: by folder (agents, policies, scripts).",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Check files; errors name file, line and field."""
    from perdure.cli.checking_files import check_file, yaml_files

    paths = [path for given in files for path in yaml_files(given)]
    if not paths:
        raise CliError(ExitCode.USAGE, "InvalidInput", "these folders hold no YAML files")
    items = [check_file(path, kind) for path in paths]
    if cli.out.is_text:
        for item in items:
            cli.out.text(f"{item['file']}: valid {item['kind']}" if item["valid"] else "\n".join(item["problems"]))
    else:
        cli.out.items(items)
    return ExitCode.SUCCESS if all(item["valid"] for item in items) else ExitCode.USAGE
