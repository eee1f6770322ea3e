"""Verbs that steer runs: steer, pause, resume, interrupt, stop, cancel."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - imports happen when a verb runs, not for `--help`; parameters are its options

from enum import StrEnum
from typing import Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.options import Anyway, By, MaybeRunId, Query, Reason, RunId, Token

__all__ = ["cancel", "interrupt", "pause", "resume", "steer", "stop"]


class Mode(StrEnum):
    """When a steering message is read."""

    NEXT_TURN = "next_turn"
    WHEN_IDLE = "when_idle"
    INTERRUPT = "interrupt"


async def steer(
    cli: Cli,
    run: RunId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to tell the agent.")],
    mode: Annotated[
        Mode,
        typer.Option(
            "--mode",
            help="Read it before the next turn, when the agent has nothing left to do, or now: the model's answer that "
            "is being written breaks off, and a paused run goes on.",
        ),
    ] = Mode.NEXT_TURN,
    by: By = None,
    token: Token = None,
) -> None:
    """Put a message into a running conversation."""
    from pydantic import ValidationError

    from perdure.cli.deciding import update
    from perdure.cli.inputs import invalid
    from perdure.cli.session import open_session
    from perdure.cli.signing import given_token, name_for, token_for
    from perdure.domain.control import SteerAnswer, SteerPayload
    from perdure.domain.explain import explain

    word = given_token(token)
    name = name_for(by, word)
    try:
        payload = SteerPayload(text=text, mode=mode.value, by=name)
    except ValidationError as error:
        raise invalid(explain(error)) from error
    session = await open_session(cli)
    await session.open_run(run)
    signed = token_for(session.settings, word, name, run, "steer", content=payload.content)
    answer = await update(session, run, "steer", payload.model_copy(update={"token": signed}), SteerAnswer)
    if cli.out.is_text:
        cli.out.text(f"queued at position {answer.position}")
    else:
        cli.out.document({"workflow_id": run, **answer.model_dump(mode="json")})


async def pause(
    cli: Cli,
    run: MaybeRunId = None,
    query: Query = None,
    reason: Reason = "",
    by: By = None,
    token: Token = None,
    yes: Anyway = False,
) -> int:
    """Hold a run before its next step, or all that match a query; what is running is finished."""
    return await _control(cli, "pause", run, query, reason, by, token, yes=yes)


async def resume(
    cli: Cli,
    run: MaybeRunId = None,
    query: Query = None,
    reason: Reason = "",
    by: By = None,
    token: Token = None,
    yes: Anyway = False,
) -> int:
    """Let a paused run go on, or all that match a query."""
    return await _control(cli, "resume", run, query, reason, by, token, yes=yes)


async def interrupt(
    cli: Cli,
    run: MaybeRunId = None,
    query: Query = None,
    reason: Reason = "",
    by: By = None,
    token: Token = None,
    yes: Anyway = False,
) -> int:
    """Break off the model's answer in flight and hold the run, or all that match a query; its text so far is kept."""
    return await _control(cli, "interrupt", run, query, reason, by, token, yes=yes)


async def stop(
    cli: Cli,
    run: MaybeRunId = None,
    query: Query = None,
    reason: Reason = "",
    by: By = None,
    token: Token = None,
    yes: Anyway = False,
) -> int:
    """End a run, or all that match a query, with what it has reached: it completes with the stop reason `stopped`."""
    return await _control(cli, "stop", run, query, reason, by, token, yes=yes)


async def _control(
    cli: Cli,
    verb: str,
    run: str | None,
    query: str | None,
    reason: str,
    by: str | None,
    token: str | None,
    *,
    yes: bool,
) -> int:
    from perdure.cli.controlling import Order, control_many, control_one
    from perdure.cli.many import one_or_many
    from perdure.cli.signing import given_token, name_for

    many = one_or_many(run, query, token)
    word = given_token(token)
    order = Order(verb, name_for(by, word), reason, word)
    return await (control_one(cli, run or "", order) if many is None else control_many(cli, many, order, yes=yes))


async def cancel(
    cli: Cli, run: MaybeRunId = None, query: Query = None, reason: Reason = "", yes: Anyway = False
) -> int:
    """Cancel a run, or all that match a query, the way Temporal does: it closes as CANCELED, and so do its children."""
    from perdure.cli.cancelling import cancel_many, cancel_one
    from perdure.cli.many import one_or_many

    many = one_or_many(run, query, None)
    return await (cancel_one(cli, run or "", reason) if many is None else cancel_many(cli, many, reason, yes=yes))
