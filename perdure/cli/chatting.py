"""The verb that talks to a session: `chat`."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - imports happen when a verb runs, not for `--help`; parameters are its options

from pathlib import Path
from typing import Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.running import OnLimit, Wait, Yes

__all__ = ["chat"]


def _new(name: str, metavar: str, words: str) -> typer.models.OptionInfo:
    return typer.Option(name, metavar=metavar, help=f"{words} (of a new session)", show_default=False)


async def chat(
    cli: Cli,
    session_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Id of the session; default: a new one.", show_default=False)
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", "-m", metavar="TEXT", help="Ask only this.", show_default=False)
    ] = None,
    message_id: Annotated[
        str | None,
        typer.Option(
            "--message-id",
            metavar="M",
            help="Id of this question: asked again under the same id, it has the same reply.",
            show_default=False,
        ),
    ] = None,
    agent: Annotated[str | None, _new("--agent", "NAME", "Agent that answers")] = None,
    model: Annotated[str | None, _new("--model", "M", "Model, provider:model")] = None,
    tools: Annotated[str | None, _new("--tools", "GLOB,…", "Only these of the agent's tools")] = None,
    policy: Annotated[Path | None, _new("--policy", "FILE", "What runs, and what asks a person first")] = None,
    limit: Annotated[list[str] | None, _new("--limit", "K=V,…", "Limits of each question")] = None,
    on_limit: Annotated[OnLimit | None, _new("--on-limit", "HOW", "At a limit: stop, ask or summarise")] = None,
    idle: Annotated[float | None, _new("--idle", "SECONDS", "Close after so long without a question")] = None,
    wait: Wait = 0.0,
    yes: Yes = False,
) -> int:
    """Talk to a session: one workflow, many questions; it lives on when you leave.

    At a terminal it asks line by line (/quit or Ctrl-D leave, /end ends the session for good). Without one, each
    line of stdin is a question, and -o json writes one object a line for each. --message asks once and exits.
    """
    from perdure.cli.conversation import open_conversation
    from perdure.cli.inputs import RunOptions, invalid
    from perdure.cli.prompting import talk
    from perdure.cli.questioning import ask_lines, ask_once
    from perdure.cli.terminal import is_terminal

    if message_id is not None and message is None:
        raise invalid("--message-id belongs to --message", "a chat makes an id for each question")
    if message is not None and not message.strip():
        raise invalid("--message: it is empty")
    options = RunOptions(
        agent=agent,
        model=model,
        tools=tools,
        policy=policy,
        limits=limit or (),
        on_limit=on_limit,
        idle_seconds=idle,
    )
    conversation = await open_conversation(cli, session_id, options, yes=yes, wait=wait)
    try:
        if message is not None:
            return await ask_once(conversation, message, message_id)
        if is_terminal():
            return await talk(conversation)
        return await ask_lines(conversation)
    finally:
        conversation.close()
