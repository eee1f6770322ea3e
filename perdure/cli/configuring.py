"""The verb that changes a running run: `configure`."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - imports happen when a verb runs, not for `--help`; parameters are its options

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.options import Reason, RunId, Token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perdure.domain.model import JsonObject, JsonValue

__all__ = ["configure"]


def _text(name: str, metavar: str, words: str) -> typer.models.OptionInfo:
    return typer.Option(name, metavar=metavar, help=words, show_default=False)


async def configure(
    cli: Cli,
    run: RunId,
    limit: Annotated[list[str] | None, _text("--limit", "K=V,…", "Limits: turns=50,cost_usd=2 and so on.")] = None,
    model: Annotated[str | None, _text("--model", "M", "Model, provider:model.")] = None,
    tools: Annotated[str | None, _text("--tools", "GLOB,…", "Only these of the agent's tools.")] = None,
    policy: Annotated[Path | None, _text("--policy", "FILE", "What runs, and what asks a person first.")] = None,
    reason: Reason = "",
    by: Annotated[str | None, _text("--by", "NAME", "Who changes it; default: you.")] = None,
    token: Token = None,
) -> None:
    """Change the limits, model, tools or policy of a run or session that is open; it is recorded with the run."""
    from pydantic import ValidationError

    from perdure.cli.deciding import update
    from perdure.cli.inputs import invalid
    from perdure.cli.session import open_session
    from perdure.cli.signing import given_token, name_for, token_for
    from perdure.domain.control import ConfigureAnswer, ConfigurePayload
    from perdure.domain.explain import explain

    changes, word = _changes(limit or [], model, tools, policy), given_token(token)
    name = name_for(by, word)
    try:
        payload = ConfigurePayload.model_validate_json(json.dumps({**changes, "by": name, "reason": reason}))
    except ValidationError as error:
        raise invalid(explain(error)) from error
    session = await open_session(cli)
    await session.open_run(run)
    if signed := token_for(session.settings, word, name, run, "configure", content=payload.content):
        payload = payload.model_copy(update={"token": signed})
    answer = await update(session, run, "configure", payload, ConfigureAnswer)
    if cli.out.is_text:
        for line in change_lines(answer.changed):
            cli.out.text(line)
    else:
        cli.out.document({"workflow_id": run, **answer.model_dump(mode="json")})


def change_lines(changed: "Mapping[str, Mapping[str, JsonValue]]") -> list[str]:
    """A line for each field that is another now."""
    from perdure.cli.output import clean, shown_json

    lines = [
        f"{clean(name)}: {shown_json(change.get('from'))} -> {shown_json(change.get('to'))}"
        for name, change in changed.items()
        if change.get("from") != change.get("to")
    ]
    return lines or ["nothing has changed: it was so already"]


def _changes(limits: list[str], model: str | None, tools: str | None, policy: Path | None) -> "JsonObject":
    from perdure.cli.inputs import check_limits, check_model, invalid, parse_globs, parse_limits, read_policy

    changes: JsonObject = {}
    if limits:
        changes["limits"] = parse_limits(",".join(limits))
        check_limits(changes["limits"])
    if model is not None:
        check_model(model)
        changes["model"] = model
    if tools is not None:
        changes["tools"] = parse_globs(tools)
    if policy is not None:
        changes["policy"] = read_policy(policy)
    if not changes:
        raise invalid("nothing to change: say --limit, --model, --tools or --policy", "for example --limit turns=50")
    return changes
