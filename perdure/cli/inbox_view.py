"""What the verb `approvals` writes: a line for each request of all runs, or all there is to know of those of one."""

from collections.abc import Sequence
from datetime import datetime

from perdure.cli.inbox import Waiting
from perdure.cli.output import Output, table
from perdure.cli.rendering import PROGRAM, answer_commands, cut, request_lines
from perdure.domain.approvals import Request

__all__ = ["show_in_full", "show_inbox", "span"]

HEAD = ["TITLE", "ASKED BY", "AGE", "DEADLINE", "VOTES", "LEVEL", "REQUEST", "RUN", "ROOT"]
SHORT = 60
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
NOTHING = "nothing waits for a person"


def show_inbox(out: Output, waiting: Sequence[Waiting], now: datetime) -> None:
    """Write a line for each."""
    if _written_as_json(out, waiting):
        return
    rows = [_row(each, now) for each in waiting]
    for line in table(HEAD, rows) if rows else [NOTHING]:
        out.text(line)
    if rows:
        out.text()
        out.text(f"`{PROGRAM} approvals RUN` shows more, and the commands that answer")


def show_in_full(out: Output, waiting: Sequence[Waiting]) -> None:
    """Write each with all there is to know, and the commands that answer it."""
    if _written_as_json(out, waiting):
        return
    for number, each in enumerate(waiting):
        lines = [*request_lines(each.request), *(f"  {command}" for command in answer_commands(each.request))]
        for line in ["", *lines] if number else lines:
            out.text(line)
    if not waiting:
        out.text(NOTHING)


def _written_as_json(out: Output, waiting: Sequence[Waiting]) -> bool:
    if not out.is_text:
        out.items([{**each.request.model_dump(mode="json"), "root": each.root} for each in waiting])
    return not out.is_text


def _row(each: Waiting, now: datetime) -> list[str]:
    request = each.request
    return [
        cut(request.title, SHORT),
        request.requester or "-",
        span((now - request.asked_at).total_seconds()),
        _deadline(request, now),
        f"{len(request.votes)} of {request.quorum}",
        request.level.value,
        request.request_id,
        request.workflow_id,
        each.root,
    ]


def _deadline(request: Request, now: datetime) -> str:
    if request.expires_at is None:
        return "-"
    left = (request.expires_at - now).total_seconds()
    return f"in {span(left)}" if left > 0 else "now"


def span(seconds: float) -> str:
    """A length of time in its largest unit: `3 h`, `12 min`, `0 s`."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), (1, "s"))
    return f"{max(0, int(seconds // size))} {unit}"
