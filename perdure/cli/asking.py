"""Asks the person at the terminal to decide a request."""

from collections.abc import Awaitable, Callable
from typing import TextIO

from perdure.cli.deciding import response_value
from perdure.cli.errors import CliError
from perdure.cli.inputs import invalid, parse_object
from perdure.cli.output import clean, shown_json
from perdure.cli.rendering import edit_example
from perdure.domain.approvals import Decide, Request, RequestKind, Verdict
from perdure.domain.arguments import check_arguments
from perdure.domain.model import JsonObject, JsonValue

__all__ = ["Asked", "ask_person"]

Asked = Callable[[str], Awaitable[str | None]]
"""Shows a prompt and returns the line that was typed, None at the end of input."""

LATER = "later"
KEYS = {
    "a": Verdict.APPROVE,
    "e": Verdict.EDIT,
    "t": Verdict.RESPOND,
    "r": Verdict.REJECT,
    "u": Verdict.ESCALATE,
    "s": Verdict.STOP,
}


async def ask_person(request: Request, approver: str, ask: Asked, stream: TextIO) -> Decide | None:
    """The person's decision; None when they leave it for later. Raises EOFError at the end of input."""
    while True:
        verdict = await _verdict(request, ask)
        if verdict is None:
            return None
        try:
            arguments, response, reason = await _details(request, verdict, ask)
        except CliError as error:
            stream.write(f"{clean(error.message)}\n")
            continue
        return Decide(
            request_id=request.request_id,
            verdict=verdict,
            approver=approver,
            digest=request.digest,
            arguments=arguments,
            response=response,
            reason=reason,
        )


async def _line(ask: Asked, prompt: str) -> str:
    line = await ask(prompt)
    if line is None:
        raise EOFError
    return line


async def _verdict(request: Request, ask: Asked) -> Verdict | None:
    choices = {key: verdict for key, verdict in KEYS.items() if verdict in request.verdicts}
    menu = ", ".join([*(f"{verdict} [{key}]" for key, verdict in choices.items()), f"{LATER} [l]"])
    while True:
        typed = (await _line(ask, f"{menu}? ")).lower()
        if typed in ("l", LATER):
            return None
        verdict = choices.get(typed) or next((verdict for verdict in choices.values() if verdict == typed), None)
        if verdict is not None:
            return verdict


def _edited(request: Request) -> str:
    """What an edit of this request changes, for the prompt."""
    if request.kind is RequestKind.LIMIT:
        return "limits as JSON, for example"
    return "content as JSON, now" if request.kind.of_content else "arguments as JSON, now"


async def _details(request: Request, verdict: Verdict, ask: Asked) -> tuple[JsonObject | None, JsonValue, str]:
    """Arguments, response and reason that go with a verdict."""
    if verdict is Verdict.EDIT:
        what = _edited(request)
        typed = await _line(ask, f"new {what} {shown_json(edit_example(request))}\n> ")
        arguments = parse_object(typed, "arguments")
        if problem := check_arguments(request.answer_schema, arguments):
            raise invalid(problem)
        return arguments, None, ""
    if verdict is Verdict.RESPOND:
        options = request.answer_schema.get("enum")
        hint = f" (one of {shown_json(options)})" if options else ""
        return None, response_value(request.answer_schema, await _line(ask, f"answer{hint}> ")), ""
    if verdict in (Verdict.REJECT, Verdict.ESCALATE):
        return None, None, await _line(ask, "reason (may be empty)> ")
    return None, None, ""
