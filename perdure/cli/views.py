"""What the verbs that look at runs write."""

from temporalio.client import RPCError, WorkflowExecutionDescription, WorkflowExecutionStatus, WorkflowQueryFailedError

from perdure.cli.catalogue import run_item
from perdure.cli.errors import CliError, ExitCode
from perdure.cli.outcome import Outcome, outcome_of
from perdure.cli.output import Format, Output, clean
from perdure.cli.questions import pages, status_of
from perdure.cli.rendering import answer_commands, message_lines, output_text, request_lines, status_lines, stop_words
from perdure.cli.session import Session, failed_tasks
from perdure.contact import NoAnswer
from perdure.domain.approvals import Request
from perdure.domain.messages import Message
from perdure.domain.run import RunStatus

__all__ = ["show_status", "show_transcript"]

TOLD_BY_RUN = frozenset({"agent", "model", "cost_usd"})


async def show_status(session: Session, described: WorkflowExecutionDescription) -> None:
    """Write where a run stands: what it says itself, or what the server knows when no worker answers for it."""
    out = session.cli.out
    status, missing = await _own_words(session, described)
    running = described.status is WorkflowExecutionStatus.RUNNING
    outcome = None if running else await outcome_of(session, described.id, described.run_id)
    if missing:
        out.note(missing)
    facts = _facts(described)
    if not out.is_text:
        own = status.model_dump(mode="json") if status else {}
        error = {"error": {"type": outcome.kind, "message": outcome.words}} if outcome and outcome.kind else {}
        out.document({**facts, **own, "result": outcome.shown if outcome else None, **error})
        return
    link = session.link(described.id, described.run_id)
    shown = {**facts, "state": status.state if status else facts["state"], "ui": link}
    for name, value in shown.items():
        if value and not (status and name in TOLD_BY_RUN):
            out.text(f"{name:<12} {clean(str(value))}")
    _show_more(session, status, outcome)


async def _own_words(session: Session, described: WorkflowExecutionDescription) -> tuple[RunStatus | None, str]:
    """What the run says itself, or why it says nothing."""
    failed = failed_tasks(described)
    if failed:
        why = f"the workflow code of this run has failed {failed} times in a row (the worker's log says why)"
        return None, f"{why}: this is what the server knows"
    try:
        return await status_of(session.handle(described.id, described.run_id)), ""
    except NoAnswer:
        return None, f"{session.no_worker().message}: this is what the server knows"
    except (WorkflowQueryFailedError, RPCError) as error:
        return None, f"the run does not say more: {error}"


def _facts(described: WorkflowExecutionDescription) -> dict[str, object]:
    """What the server knows; the requests themselves are known to the run alone."""
    return {name: value for name, value in run_item(described).items() if name != "pending"}


def _show_more(session: Session, status: RunStatus | None, outcome: Outcome | None) -> None:
    out = session.cli.out
    for line in status_lines(status) if status else ():
        out.text(line)
    if outcome and outcome.result:
        out.text(f"{'ended':<12} {stop_words(outcome.result)}")
        out.text()
        out.text(output_text(outcome.result.output))
    elif outcome and outcome.kind:
        out.text(f"{'error':<12} {clean(outcome.words)} ({outcome.kind})")
    for request in status.pending if status else ():
        _show_request(session, request)


def _show_request(session: Session, request: Request) -> None:
    out = session.cli.out
    out.text()
    for line in (*request_lines(request), *(f"  {command}" for command in answer_commands(request))):
        out.text(line)


async def show_transcript(session: Session, workflow_id: str, offset: int, limit: int | None) -> ExitCode:
    """Write messages as their pages arrive; the form json collects them into one document.

    Messages that cannot be read end it: the exit code is 1.
    """
    out, messages, page = session.cli.out, list[Message](), None
    try:
        async for page in pages(session.handle(workflow_id), offset, limit):
            if out.form is Format.JSON:
                messages += page.messages
            for message in page.messages:
                _show_message(out, message)
    except NoAnswer:
        raise session.no_worker() from None
    except WorkflowQueryFailedError as error:
        raise CliError(ExitCode.FAILURE, "NoTranscript", f"run {workflow_id} has no transcript: {error}") from error
    if out.form is Format.JSON:
        last: dict[str, object] = {"next_offset": page and page.next_offset, "total": page.total if page else 0}
        problem = {"problem": page.problem} if page and page.problem else {}
        out.document({"messages": messages, "offset": offset, **last, **problem})
    if page is None or not page.problem:
        return ExitCode.SUCCESS
    out.note(
        f"message {page.offset} of {page.total}, and what is stored with it, cannot be read: {clean(page.problem)}"
    )
    out.note("--offset reads on behind them")
    return ExitCode.FAILURE


def _show_message(out: Output, message: Message) -> None:
    if out.form is Format.JSONL:
        out.document(message)
    for line in message_lines(message, full=True):
        out.text(line)
