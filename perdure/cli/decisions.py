"""Verbs that answer a request: approve, reject, edit, respond, escalate."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - imports happen when a verb runs, not for `--help`; parameters are its options

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.options import AsName, Digest, Reason, RequestId, RunId, Token

if TYPE_CHECKING:
    from perdure.domain.approvals import Grant, Request, Verdict
    from perdure.domain.model import JsonObject, JsonValue

__all__ = ["approve", "edit", "escalate", "reject", "respond"]


class Scope(StrEnum):
    """What a standing approval is for."""

    TOOL = "tool"
    ARGUMENTS = "arguments"


GrantScope = Annotated[
    Scope | None,
    typer.Option(
        "--grant",
        help="Approve later calls too: all of this tool, or those with exactly these arguments.",
        show_default=False,
    ),
]
GrantCount = Annotated[
    int | None, typer.Option("--grant-count", metavar="N", help="So many later calls.", show_default=False)
]
GrantSeconds = Annotated[
    str | None,
    typer.Option(
        "--grant-seconds", metavar="TIME", help="For so long: seconds, or as in 15m or 2h.", show_default=False
    ),
]


async def approve(
    cli: Cli,
    run: RunId,
    request: RequestId,
    reason: Reason = "",
    as_name: AsName = None,
    digest: Digest = None,
    token: Token = None,
    grant: GrantScope = None,
    grant_count: GrantCount = None,
    grant_seconds: GrantSeconds = None,
) -> None:
    """Say yes to a request: the call runs, at once or when as many people as it takes have said so."""
    from perdure.domain.approvals import Verdict

    given = _Given(reason, as_name, digest, token, grant=_grant(grant, grant_count, grant_seconds))
    await _decide(cli, run, request, Verdict.APPROVE, given)


async def reject(
    cli: Cli,
    run: RunId,
    request: RequestId,
    reason: Reason = "",
    as_name: AsName = None,
    digest: Digest = None,
    token: Token = None,
) -> None:
    """Say no to a request: the agent is told, and goes on without it."""
    from perdure.domain.approvals import Verdict

    await _decide(cli, run, request, Verdict.REJECT, _Given(reason, as_name, digest, token))


async def edit(
    cli: Cli,
    run: RunId,
    request: RequestId,
    arguments: Annotated[str, typer.Argument(metavar="JSON", help="The whole new arguments of the call.")],
    reason: Reason = "",
    as_name: AsName = None,
    digest: Digest = None,
    token: Token = None,
) -> None:
    """Approve a call with other arguments."""
    from perdure.cli.inputs import parse_object
    from perdure.domain.approvals import Verdict

    given = _Given(reason, as_name, digest, token, arguments=parse_object(arguments, "JSON"))
    await _decide(cli, run, request, Verdict.EDIT, given)


async def respond(
    cli: Cli,
    run: RunId,
    request: RequestId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The answer.")],
    reason: Reason = "",
    as_name: AsName = None,
    digest: Digest = None,
    token: Token = None,
) -> None:
    """Answer a question, or answer instead of running a tool."""
    from perdure.domain.approvals import Verdict

    await _decide(cli, run, request, Verdict.RESPOND, _Given(reason, as_name, digest, token, text=text))


async def escalate(
    cli: Cli,
    run: RunId,
    request: RequestId,
    reason: Reason = "",
    as_name: AsName = None,
    digest: Digest = None,
    token: Token = None,
) -> None:
    """Hand a request on to those above, as its rule says: they may decide it too, and it goes on waiting."""
    from perdure.domain.approvals import Verdict

    await _decide(cli, run, request, Verdict.ESCALATE, _Given(reason, as_name, digest, token))


def _grant(scope: Scope | None, count: int | None, seconds: str | None) -> "Grant | None":
    """The standing approval asked for; raises CliError for one without an end."""
    from pydantic import ValidationError

    from perdure.cli.inputs import invalid
    from perdure.domain.approvals import Grant
    from perdure.domain.explain import explain

    if scope is None:
        if count is not None or seconds is not None:
            raise invalid("--grant-count and --grant-seconds go with --grant", "say --grant tool or --grant arguments")
        return None
    try:
        return Grant.model_validate({"scope": scope.value, "count": count, "seconds": seconds})
    except ValidationError as error:
        raise invalid(f"--grant: {explain(error)}", "--grant-count 3, or --grant-seconds 1h, or both") from error


@dataclass(frozen=True)
class _Given:
    """What the command line said about a decision."""

    reason: str
    as_name: str | None
    digest: str | None
    token: str | None = field(repr=False)
    arguments: "JsonObject | None" = None
    text: str | None = None
    grant: "Grant | None" = None


async def _decide(cli: Cli, run: str, wanted: str, verdict: "Verdict", given: _Given) -> None:
    from perdure.cli.deciding import check_verdict, decide, find_request, response_value
    from perdure.cli.session import open_session
    from perdure.cli.signing import given_token, name_for
    from perdure.domain.approvals import Decide

    token = given_token(given.token)
    session = await open_session(cli)
    await session.open_run(run)
    request = await find_request(session, run, wanted)
    response: JsonValue = given.text
    if request is not None:
        check_verdict(request, verdict)
        if given.text is not None:
            response = response_value(request.answer_schema, given.text)
    decision = Decide(
        request_id=request.request_id if request else wanted,
        verdict=verdict,
        approver=name_for(given.as_name, token),
        digest=given.digest or (request.digest if request else None),
        arguments=given.arguments,
        response=response,
        reason=given.reason,
        token=token,
        grant=given.grant,
    )
    # An id that does not wait is sent as it was given: the run knows whether it was used, or never asked.
    answer = await decide(session, request.workflow_id if request else run, decision)
    if cli.out.is_text:
        waits = f" ({answer.reason})" if answer.reason else ""
        cli.out.text(f"{answer.request_id}: {answer.verdict}{_about(request)}{waits}; the run is {answer.state}")
    else:
        cli.out.document(answer)


def _about(request: "Request | None") -> str:
    from perdure.cli.output import clean

    return f" ({clean(request.title)})" if request else ""
