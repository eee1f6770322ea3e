"""Verbs that follow a run to its end: run starts one, watch joins one."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - imports happen when a verb runs, not for `--help`; parameters are its options

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ExitCode
from perdure.cli.options import RunId

if TYPE_CHECKING:
    from perdure.domain.model import JsonObject

__all__ = ["OnLimit", "run", "watch"]


class OnLimit(StrEnum):
    """What a run does at a limit."""

    STOP = "stop"
    ASK = "ask"
    SUMMARISE = "summarise"


Goal = Annotated[str | None, typer.Argument(metavar="GOAL", help="What the agent is to reach.", show_default=False)]
Wait = Annotated[
    float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long others have to answer requests.")
]
Yes = Annotated[
    bool, typer.Option("--yes", help="Approve calls that need `confirm`; reviews and unknown outcomes still ask.")
]


def _text(name: str, metavar: str, words: str) -> typer.models.OptionInfo:
    return typer.Option(name, metavar=metavar, help=words, show_default=False)


async def run(
    cli: Cli,
    goal: Goal = None,
    agent: Annotated[str | None, _text("--agent", "NAME", "Agent that does it; default: `default`.")] = None,
    model: Annotated[str | None, _text("--model", "M", "Model, provider:model; default: PERDURE_MODEL.")] = None,
    workflow_id: Annotated[str | None, _text("--id", "ID", "Id of the run; default: a new one.")] = None,
    tools: Annotated[str | None, _text("--tools", "GLOB,…", "Only these of the agent's tools.")] = None,
    policy: Annotated[Path | None, _text("--policy", "FILE", "What runs, and what asks a person first.")] = None,
    limit: Annotated[list[str] | None, _text("--limit", "K=V,…", "Limits: turns=50,cost_usd=2 and so on.")] = None,
    on_limit: Annotated[
        OnLimit | None,
        typer.Option("--on-limit", help="At a limit: stop, ask a person for more, or summarise.", show_default=False),
    ] = None,
    output_schema: Annotated[
        Path | None, _text("--output-schema", "FILE", "JSON Schema that the result must fit.")
    ] = None,
    input_json: Annotated[str | None, _text("--input", "JSON", "Input of the workflow as JSON.")] = None,
    input_file: Annotated[Path | None, _text("--input-file", "FILE", "Input of the workflow from a JSON file.")] = None,
    workflow: Annotated[str, typer.Option("--workflow", metavar="TYPE", help="Workflow type.")] = "Agent",
    definition: Annotated[
        Path | None, _text("--definition", "FILE", "Run this workflow definition; GOAL may then be left out.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Only start it.")] = False,
    wait: Wait = 0.0,
    yes: Yes = False,
) -> int:
    """Start a run and follow it live to its result.

    Input comes from --input-file, --input, GOAL and the other options; the later ones win. Ctrl-C leaves the run
    going and prints the way back.
    """
    from perdure.cli.inputs import RunOptions, build_input
    from perdure.cli.signing import requester
    from perdure.cli.starting import start

    if definition is not None:
        workflow = _of_definition(workflow)
    kinds = {info.name: info for info in cli.workflows()}
    if workflow not in kinds:
        message = f"there is no workflow type {workflow!r}; there are: {', '.join(sorted(kinds))}"
        raise CliError(ExitCode.USAGE, "InvalidInput", message, "`uv run starter.py list workflows` describes them")
    options = RunOptions(
        goal=goal,
        agent=agent,
        model=model,
        tools=tools,
        policy=policy,
        limits=limit or (),
        on_limit=on_limit,
        output_schema=output_schema,
        input_json=input_json,
        input_file=input_file,
        definition=None if definition is None else _read(cli, definition),
    )
    given = build_input(options, kinds[workflow].input, requester=requester())
    session, started, worker = await start(cli, workflow, given, workflow_id)
    if detach:
        return started.leave(session)
    return await started.follow(session, worker, yes=yes, wait=wait)


def _of_definition(workflow: str) -> str:
    if workflow not in {"Agent", "Definition"}:
        raise CliError(ExitCode.USAGE, "InvalidInput", "--definition and --workflow: say only one of them")
    return "Definition"


def _read(cli: Cli, definition: Path) -> "JsonObject":
    from perdure.cli.definitions import definition_input

    return definition_input(cli, definition)


async def watch(cli: Cli, run: RunId, wait: Wait = 0.0) -> int:
    """Follow a run to its result, from its beginning; asks for decisions when this is a terminal."""
    from perdure.cli.session import open_session
    from perdure.cli.starting import Started

    session = await open_session(cli)
    described = await session.describe(run)
    worker = await session.worker()
    return await Started(run, described.run_id).follow(session, worker, yes=False, wait=wait)
