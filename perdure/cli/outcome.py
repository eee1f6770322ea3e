"""How a run ended, in words, as JSON and as an exit code."""

import shlex
from dataclasses import dataclass
from typing import cast

from pydantic import ValidationError
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.exceptions import TimeoutError as TimedOut

from perdure.cli.errors import CliError, ExitCode
from perdure.cli.output import Format, clean, shown_json
from perdure.cli.rendering import PROGRAM, output_text, stop_words, usage_words
from perdure.cli.session import Session
from perdure.domain.run import RunResult

__all__ = ["Outcome", "outcome_of", "report"]

CLOSED = ((CancelledError, "CANCELED"), (TerminatedError, "TERMINATED"), (TimedOut, "TIMED_OUT"))


@dataclass(frozen=True)
class Outcome:
    """How a run closed: Temporal's status, and its result or what made it fail.

    `other` is a result with more fields than that of an agent, as it came.
    """

    status: str
    result: RunResult | None = None
    other: object = None
    kind: str = ""
    words: str = ""

    @property
    def shown(self) -> object:
        """The result as it came."""
        return self.result if self.other is None else self.other


async def outcome_of(session: Session, workflow_id: str, run_id: str | None) -> Outcome:
    """How a run ended; waits when it has not yet."""
    try:
        value: object = await session.handle(workflow_id, run_id).result()
    except WorkflowFailureError as error:
        return _failure(error.cause)
    fields = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    beyond = fields.keys() - RunResult.model_fields.keys()
    try:
        result = RunResult.model_validate({name: fields[name] for name in fields if name not in beyond})
    except ValidationError:
        return Outcome("COMPLETED", other=cast("object", value))
    return Outcome("COMPLETED", result=result, other=fields if beyond else None)


def _failure(cause: BaseException | None) -> Outcome:
    for kind, status in CLOSED:
        if isinstance(cause, kind):
            return Outcome(status, kind=status.title().replace("_", ""), words=cause.message)
    if isinstance(cause, ApplicationError):
        return Outcome("FAILED", kind=cause.type or "ApplicationError", words=cause.message)
    return Outcome("FAILED", kind=type(cause).__name__, words=str(cause))


def report(session: Session, workflow_id: str, run_id: str, outcome: Outcome) -> ExitCode:
    """Write the result of a run and return its exit code; raises CliError when it ended without a result."""
    out = session.cli.out
    about = {"workflow_id": workflow_id, "run_id": run_id, "status": outcome.status, "result": outcome.shown}
    if outcome.kind:
        raise CliError(
            ExitCode.of_failure(outcome.kind),
            outcome.kind,
            f"run {workflow_id} {_closed_how(outcome)}",
            where_to_look(session, workflow_id, run_id),
            about,
        )
    if not out.is_text:
        event = {"event": "result"} if out.form is Format.JSONL else {}
        out.document({**event, **about})
    elif outcome.result is None:
        out.text(shown_json(outcome.other))
    else:
        _tell(session, workflow_id, run_id, outcome.result)
    success = outcome.result is None or outcome.result.success
    return ExitCode.SUCCESS if success else ExitCode.FAILURE


def _closed_how(outcome: Outcome) -> str:
    if outcome.status == "FAILED":
        return f"failed: {clean(outcome.words)} ({outcome.kind})"
    return {"CANCELED": "was canceled", "TERMINATED": "was terminated", "TIMED_OUT": "timed out"}[outcome.status]


def _tell(session: Session, workflow_id: str, run_id: str, result: RunResult) -> None:
    out = session.cli.out
    out.text()
    if not out.shown or result.output != out.shown:
        out.text(output_text(result.output))
        out.text()
    out.dim(f"{stop_words(result)} · {usage_words(result.turns, result.tool_calls, result.usage)}")
    if not result.success:
        out.note(where_to_look(session, workflow_id, run_id))


def where_to_look(session: Session, workflow_id: str, run_id: str) -> str:
    """Where to find out why a run ended as it did."""
    link = session.link(workflow_id, run_id)
    return f"look closer: {PROGRAM} transcript {shlex.quote(workflow_id)}" + (f", or {link}" if link else "")
