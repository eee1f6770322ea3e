"""Verbs that answer a request: approve, reject, edit, respond."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - imports happen when a verb runs, not for `--help`; parameters are its options

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.options import AsName, Digest, Reason, RequestId, RunId

if TYPE_CHECKING:
    from perdure.domain.approvals import Request, Verdict
    from perdure.domain.model import JsonObject, JsonValue

__all__ = ["approve", "edit", "reject", "respond"]


async def approve(
    cli: Cli, run: RunId, request: RequestId, reason: Reason = "", as_name: AsName = None, digest: Digest = None
) -> None:
    """Say yes to a request: the call runs."""
    from perdure.domain.approvals import Verdict

    await _decide(cli, run, request, Verdict.APPROVE, _Given(reason, as_name, digest))


async def reject(
    cli: Cli, run: RunId, request: RequestId, reason: Reason = "", as_name: AsName = None, digest: Digest = None
) -> None:
    """Say no to a request: the agent is told, and goes on without it."""
    from perdure.domain.approvals import Verdict

    await _decide(cli, run, request, Verdict.REJECT, _Given(reason, as_name, digest))


async def edit(
    cli: Cli,
    run: RunId,
    request: RequestId,
    arguments: Annotated[str, typer.Argument(metavar="JSON", help="The whole new arguments of the call.")],
    reason: Reason = "",
    as_name: AsName = None,
    digest: Digest = None,
) -> None:
    """Approve a call with other arguments."""
    from perdure.cli.inputs import parse_object
    from perdure.domain.approvals import Verdict

    given = _Given(reason, as_name, digest, arguments=parse_object(arguments, "JSON"))
    await _decide(cli, run, request, Verdict.EDIT, given)


async def respond(
    cli: Cli,
    run: RunId,
    request: RequestId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The answer.")],
    reason: Reason = "",
    as_name: AsName = None,
    digest: Digest = None,
) -> None:
    """Answer a question, or answer instead of running a tool."""
    from perdure.domain.approvals import Verdict

    await _decide(cli, run, request, Verdict.RESPOND, _Given(reason, as_name, digest, text=text))


@dataclass(frozen=True)
class _Given:
    """What the command line said about a decision."""

    reason: str
    as_name: str | None
    digest: str | None
    arguments: "JsonObject | None" = None
    text: str | None = None


async def _decide(cli: Cli, run: str, wanted: str, verdict: "Verdict", given: _Given) -> None:
    from perdure.cli.deciding import check_verdict, decide, find_request, me, response_value
    from perdure.cli.session import open_session
    from perdure.domain.approvals import Decide

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
        approver=given.as_name or me(),
        digest=given.digest or (request.digest if request else None),
        arguments=given.arguments,
        response=response,
        reason=given.reason,
    )
    # An id that does not wait is sent as it was given: the run knows whether it was used, or never asked.
    answer = await decide(session, request.workflow_id if request else run, decision)
    if cli.out.is_text:
        cli.out.text(f"{answer.request_id}: {answer.verdict}{_about(request)}; the run is {answer.state}")
    else:
        cli.out.document(answer)


def _about(request: "Request | None") -> str:
    from perdure.cli.output import clean

    return f" ({clean(request.title)})" if request else ""
