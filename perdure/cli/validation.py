"""The verb that checks files of all kinds, draws definitions, and says what a policy makes of a call."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - what a verb needs is imported when it runs: `--help` must not pay for pydantic;
# its parameters are its options

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ExitCode

if TYPE_CHECKING:
    from perdure.cli.explaining import AskedCall

__all__ = ["Kind", "validate"]


class Kind(StrEnum):
    """What a file describes."""

    AGENT = "agent"
    POLICY = "policy"
    SCRIPT = "script"
    DEFINITION = "definition"


class Graph(StrEnum):
    """Forms in which a definition is drawn."""

    TEXT = "text"
    MERMAID = "mermaid"


class CallEffect(StrEnum):
    """Effects of tools, as `perdure.domain.tools.Effect` has them."""

    PURE = "pure"
    IDEMPOTENT = "idempotent"
    ONCE = "once"
    COMPENSABLE = "compensable"


async def validate(
    cli: Cli,
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE…", help="YAML files, or folders of them.")] = None,
    kind: Annotated[
        Kind | None,
        typer.Option(
            "--kind",
            help="What they are; default: by folder (agents, policies, scripts, workflows).",
            show_default=False,
        ),
    ] = None,
    call: Annotated[
        str | None,
        typer.Option(
            "--call", metavar="TOOL", help="Say which rule of the policy file applies to a call of this tool."
        ),
    ] = None,
    arguments: Annotated[str, typer.Option("--arguments", metavar="JSON", help="Arguments of that call.")] = "{}",
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="Agent that makes the call.")] = "default",
    effect: Annotated[
        CallEffect | None, typer.Option("--effect", help="Effect of the tool; default: the registered one.")
    ] = None,
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="Tenant of the run.")] = "default",
    requester: Annotated[str, typer.Option("--requester", metavar="NAME", help="Who asked for the run.")] = "",
    graph: Annotated[
        Graph | None, typer.Option("--graph", help="Draw the stages of a valid definition.", show_default=False)
    ] = None,
    *,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of files of this --kind, for editors.")
    ] = False,
) -> int:
    """Check files; errors name file, line and field.

    With --graph: draw a definition. With --call: which rule of a policy would apply, and why.
    """
    if schema:
        return _schema(cli, kind)
    if call is None:
        return _check(cli, files or [], kind, graph)
    from perdure.cli.explaining import AskedCall
    from perdure.domain.tools import Effect

    known = None if effect is None else Effect(effect)
    return _explain(cli, files or [], kind, AskedCall(call, arguments, agent, known, tenant, requester))


def _schema(cli: Cli, kind: Kind | None) -> int:
    from perdure.cli.checking_files import schema_of

    if kind is None:
        raise CliError(ExitCode.USAGE, "InvalidInput", f"--schema needs --kind: {', '.join(Kind)}")
    if cli.out.is_text:  # for a file that people may read
        cli.out.text(json.dumps(schema_of(kind), indent=2))
    else:
        cli.out.document(schema_of(kind))
    return ExitCode.SUCCESS


def _check(cli: Cli, files: list[Path], kind: Kind | None, graph: Graph | None = None) -> int:
    from perdure.cli.checking_files import Definitions, check_file, yaml_files

    paths = [path for given in files for path in yaml_files(given)]
    if not paths:
        words = "these folders hold no YAML files" if files else "name a file: validate FILE…"
        raise CliError(ExitCode.USAGE, "InvalidInput", words)
    definitions = Definitions(cli, graph)
    items = [check_file(path, kind, definitions) for path in paths]
    if cli.out.is_text:
        for item in items:
            cli.out.text(f"{item['file']}: valid {item['kind']}" if item["valid"] else "\n".join(item["problems"]))
            for warning in item["warnings"]:
                cli.out.text(f"warning: {warning}")
            for note in item.get("notes", []):
                cli.out.text(f"note: {note}")
            if "graph" in item:
                cli.out.text(item["graph"])
    else:
        cli.out.items(items)
    return ExitCode.SUCCESS if all(item["valid"] for item in items) else ExitCode.USAGE


def _explain(cli: Cli, files: list[Path], kind: Kind | None, asked: "AskedCall") -> int:
    from perdure.cli.checking_files import check_file, kind_of
    from perdure.cli.explaining import explain_file, explanation_lines
    from perdure.settings import load_settings

    if len(files) != 1 or files[0].is_dir() or (kind or kind_of(files[0]) or Kind.POLICY) is not Kind.POLICY:
        raise CliError(ExitCode.USAGE, "InvalidInput", "--call needs exactly one FILE, a policy")
    path = files[0]
    item = check_file(path, Kind.POLICY)
    if not item["valid"]:
        return _check(cli, files, Kind.POLICY)
    found = explain_file(path, asked, load_settings())
    if not cli.out.is_text:
        cli.out.items([{**item, "explanation": found}])
        return ExitCode.SUCCESS
    for warning in item["warnings"]:
        cli.out.text(f"warning: {warning}")
    for line in explanation_lines(path, found):
        cli.out.text(line)
    return ExitCode.SUCCESS
