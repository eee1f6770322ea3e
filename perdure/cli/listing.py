"""Verbs that list: runs, sessions, agents, tools, workflow types."""
# ruff: noqa: PLC0415 - what a verb needs is imported when it runs: `--help` must not pay for Temporal

from typing import Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.output import table

__all__ = ["list_agents", "list_runs", "list_sessions", "list_tools", "list_workflows"]


async def list_runs(
    cli: Cli,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, newest first.")] = 50,
    query: Annotated[
        str | None,
        typer.Option(
            "--query", metavar="QUERY", help="Only runs that match this visibility query.", show_default=False
        ),
    ] = None,
) -> None:
    """Show runs, newest first."""
    from perdure.cli.catalogue import runs
    from perdure.cli.session import open_session

    session = await open_session(cli)
    items = await runs(session, [info.name for info in cli.workflows()], limit, query)
    if not cli.out.is_text:
        cli.out.items(items)
        return
    rows = [
        [
            item["workflow_id"],
            item["type"],
            item["state"],
            item["agent"] or "-",
            item["started_at"],
            "-" if item["cost_usd"] is None else f"{item['cost_usd']:.4f}",
        ]
        for item in items
    ]
    _show(cli, ["ID", "TYPE", "STATE", "AGENT", "STARTED", "USD"], rows, "no run matches" if query else "no runs yet")


async def list_sessions(
    cli: Cli, limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, newest first.")] = 50
) -> None:
    """Show sessions, each once, the one that was opened last first; those that are closed can be opened again."""
    from perdure.cli.session import open_session
    from perdure.cli.sessions import sessions

    items = await sessions(await open_session(cli), limit)
    if not cli.out.is_text:
        cli.out.items(items)
        return
    rows = [
        [
            item["workflow_id"],
            item["state"],
            "-" if item["questions"] is None else str(item["questions"]),
            item["agent"] or "-",
            item["last_activity"] or "-",
        ]
        for item in items
    ]
    _show(cli, ["ID", "STATE", "QUESTIONS", "AGENT", "LAST ACTIVITY"], rows, "no sessions yet")


async def list_agents(cli: Cli) -> None:
    """Show the agents of the definitions folder."""
    from perdure.cli.catalogue import agents
    from perdure.settings import load_settings

    items = agents(load_settings())
    if not cli.out.is_text:
        cli.out.items(items)
        return
    rows = [
        [item["name"], item["role"] or "-", item["model"] or "-", item["problem"] or item["description"]]
        for item in items
    ]
    _show(cli, ["NAME", "ROLE", "MODEL", "DESCRIPTION"], rows, "no agents")


async def list_tools(cli: Cli) -> None:
    """Show the tools of a worker with these settings: the built-in ones and those of PERDURE_TOOL_MODULES."""
    from perdure.cli.catalogue import tools
    from perdure.settings import load_settings

    items = tools(load_settings())
    if not cli.out.is_text:
        cli.out.items(items)
        return
    rows = [[item["name"], item["effect"], item["source"] or "-", item["description"]] for item in items]
    _show(cli, ["NAME", "EFFECT", "SOURCE", "DESCRIPTION"], rows, "no tools")


async def list_workflows(cli: Cli) -> None:
    """Show the workflow types and the definitions of the folder; -o json adds the JSON Schema of input and result."""
    from perdure.cli.definitions import definition_items

    infos, definitions = cli.workflows(), definition_items(cli)
    if not cli.out.is_text:
        cli.out.items(
            [
                {
                    "name": info.name,
                    "description": info.description,
                    "input": info.input.model_json_schema(),
                    "result": info.result.model_json_schema(mode="serialization"),
                }
                for info in infos
            ]
            + [{**item, "type": "Definition"} for item in definitions]
        )
        return
    rows = [[info.name, info.description] for info in infos]
    rows += [[item["file"], item["problem"] or item["description"]] for item in definitions]
    _show(cli, ["NAME", "DESCRIPTION"], rows, "no workflow types")


def _show(cli: Cli, head: list[str], rows: list[list[str]], nothing: str) -> None:
    for line in table(head, rows) if rows else [nothing]:
        cli.out.text(line)
