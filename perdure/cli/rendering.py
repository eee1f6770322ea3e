"""Messages, requests, results and states as lines for people; whatever models wrote cannot steer the terminal."""

import shlex

from perdure.cli.output import clean, shown_json
from perdure.domain.approvals import Request, RequestKind, Verdict
from perdure.domain.errors import ErrorInfo
from perdure.domain.messages import Message
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.run import RunResult, RunStatus, StopReason, Usage

__all__ = [
    "PROGRAM",
    "answer_commands",
    "cut",
    "edit_example",
    "message_lines",
    "output_text",
    "request_lines",
    "stop_words",
    "usage_words",
    "votes_words",
    "way_back",
]

PROGRAM = "uv run starter.py"
SHORT_ARGUMENTS = 160
SHORT_RESULT = 240
SHORT_TEXT = 600

ENDINGS: dict[StopReason, str] = {
    StopReason.COMPLETED: "completed",
    StopReason.TURN_LIMIT: "ended at the limit of turns",
    StopReason.TOOL_CALL_LIMIT: "ended at the limit of tool calls",
    StopReason.TOKEN_LIMIT: "ended at the limit of tokens",
    StopReason.COST_LIMIT: "ended at the limit of cost",
    StopReason.TIME_LIMIT: "ended at the limit of time",
    StopReason.CONTEXT_LIMIT: "ended: the conversation no longer fits into the model's window",
    StopReason.OUTPUT_LIMIT: "ended: the answer was cut off at the model's output limit",
    StopReason.LOOP_DETECTED: "ended: the agent was going in circles",
    StopReason.REJECTED: "ended: a call was rejected",
    StopReason.REFUSED: "ended: the model refused",
    StopReason.STOPPED: "stopped",
    StopReason.ERROR: "ended with an error",
}

MEANINGS: dict[RequestKind, dict[Verdict, str]] = {
    RequestKind.UNKNOWN_OUTCOME: {
        Verdict.APPROVE: "run it again under the same key",
        Verdict.RESPOND: "it happened, and this is its result",
        Verdict.REJECT: "it did not happen",
    },
    RequestKind.LIMIT: {
        Verdict.APPROVE: "go on, with as much again",
        Verdict.EDIT: 'go on with these limits, as in {"turns": 50}',
        Verdict.REJECT: "end here, at the limit",
        Verdict.STOP: "stop the run",
    },
    RequestKind.PLAN: {
        Verdict.APPROVE: "go on with this plan",
        Verdict.EDIT: "go on with the plan as you change it",
        Verdict.REJECT: "it will not do, and your reason says why",
        Verdict.STOP: "stop the run",
    },
    RequestKind.RESULT: {
        Verdict.APPROVE: "this result is good",
        Verdict.EDIT: "take the result as you change it",
        Verdict.REJECT: "it will not do, and your reason says why",
        Verdict.STOP: "stop the run",
    },
}


def cut(text: str, limit: int) -> str:
    """One line of at most `limit` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def message_lines(message: Message, *, full: bool = False) -> list[str]:
    """Lines of one message; without `full`, arguments and results are shortened."""
    if message.kind == "user":
        return [f"» {clean(message.text) if full else cut(message.text, SHORT_TEXT)}"]
    if message.kind == "system":
        return [f"· {clean(message.text)}"]
    if message.kind == "tool_result":
        head = f"  ← {message.tool}" + (f" [{message.error}]" if message.error else "")
        return [f"{head} {clean(message.text) if full else cut(message.text, SHORT_RESULT)}"]
    text = [clean(message.text)] if message.text else []
    calls = [
        f"  → {cut(part.tool, SHORT_TEXT)} "
        + (cut(part.malformed, SHORT_ARGUMENTS) or shown_json(part.arguments, None if full else SHORT_ARGUMENTS))
        for part in message.calls
    ]
    return [*text, *calls]


def request_lines(request: Request) -> list[str]:
    """What a person must know to decide a request."""
    rows = [
        ("request", request.request_id),
        ("run", request.workflow_id),
        ("kind", str(request.kind)),
        *_subject(request),
        ("agent", request.agent),
        ("asked by", request.requester),
        ("why", request.reason),
        ("expires", request.expires_at.isoformat(timespec="seconds") if request.expires_at else ""),
        ("approvers", ", ".join(request.approvers) + (" (escalated)" if request.escalated else "")),
        ("approvals", votes_words(request)),
        ("edited by", request.edited_by),
        ("digest", request.digest),
    ]
    lines = [f"? {clean(request.title)}", *(f"  {name:<10} {clean(value)}" for name, value in rows if value)]
    meanings = MEANINGS.get(request.kind, {})
    return lines + [f"  {verdict:<10} = {words}" for verdict, words in meanings.items()]


def votes_words(request: Request) -> str:
    """How many approvals there are of those that it takes, and whose; empty where one person decides."""
    if request.quorum == 1:
        return ""
    names = ", ".join(f"{vote.by} (signed)" if vote.signed else vote.by for vote in request.votes)
    return f"{len(request.votes)} of {request.quorum}" + (f": {names}" if names else "")


def _subject(request: Request) -> list[tuple[str, str]]:
    """The call that is asked about, the limits that were reached, or the content under review."""
    if request.kind.of_content:
        return [("level", str(request.level)), ("content", shown_json(request.arguments))]
    if request.kind is RequestKind.LIMIT:
        return [("limit", " ".join(f"{name} {shown_json(value)}" for name, value in request.arguments.items()))]
    about = f"{request.tool}, effect {request.effect}, level {request.level}"
    return [("tool", about), ("arguments", shown_json(request.arguments))]


def edit_example(request: Request) -> JsonObject:
    """What an edit of a request could say: its arguments, or the limit that approval would set."""
    if request.kind is not RequestKind.LIMIT:
        return request.arguments
    return {str(request.arguments.get("limit")): request.arguments.get("approve")}


def answer_commands(request: Request) -> list[str]:
    """The commands that answer a request."""
    where = f"{shlex.quote(request.workflow_id)} {shlex.quote(request.request_id)}"
    commands = {
        Verdict.APPROVE: f"{PROGRAM} approve {where}",
        Verdict.EDIT: f"{PROGRAM} edit {where} {shlex.quote(shown_json(edit_example(request)))}",
        Verdict.RESPOND: f"{PROGRAM} respond {where} 'TEXT'",
        Verdict.REJECT: f"{PROGRAM} reject {where} --reason 'WHY'",
        Verdict.ESCALATE: f"{PROGRAM} escalate {where} --reason 'WHY'",
        Verdict.STOP: f"{PROGRAM} stop {shlex.quote(request.workflow_id)}",
    }
    return [commands[verdict] for verdict in request.verdicts if verdict in commands]


def way_back(workflow_id: str, *, embedded: bool = False) -> list[str]:
    """The commands that lead back to a run."""
    name = shlex.quote(workflow_id)
    words = {
        "watch": "follow it again",
        "status": "where it stands",
        "stop": "end it with what it has reached",
        "cancel": "cancel it",
    }
    lines = [f"  {f'{PROGRAM} {verb} {name}':<60} {meaning}" for verb, meaning in words.items()]
    return [*lines, "its worker goes on in the background"] if embedded else lines


def usage_words(turns: int, tool_calls: int, usage: Usage) -> str:
    """Turns, calls, tokens and cost in one line."""
    cost = "cost unknown" if usage.cost_usd is None else f"{usage.cost_usd:.4f} USD"
    tokens = f"{usage.input_tokens:,} + {usage.output_tokens:,} tokens"
    return f"{_count(turns, 'turn')} · {_count(tool_calls, 'tool call')} · {tokens} · {cost}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def output_text(value: JsonValue) -> str:
    """The output of a run: text as it is, anything else as JSON."""
    return clean(value) if isinstance(value, str) else shown_json(value)


def stop_words(result: RunResult) -> str:
    """How a run ended, in words."""
    return ENDINGS[result.stop_reason] + _error_words(result.error)


def _error_words(error: ErrorInfo | None) -> str:
    return "" if error is None else f": {clean(error.message)} ({error.type})"


def status_lines(status: RunStatus) -> list[str]:
    """The part of a status that only the run itself knows."""
    left = {name: value for name, value in status.left.items() if value is not None}
    notices = [f"{notice.at:%H:%M:%S} {notice.code}: {cut(notice.text, SHORT_RESULT)}" for notice in status.notices]
    rows = [
        ("waiting for", [status.waiting_for] if status.waiting_for and not status.pending else []),
        ("agent", [f"{status.agent} on {status.model}"] if status.agent else []),
        ("used", [usage_words(status.turn, status.tool_calls, status.usage)]),
        ("left", [", ".join(f"{name} {value}" for name, value in left.items())] if left else []),
        ("queued", [cut(text, SHORT_RESULT) for text in status.queued]),
        ("children", [f"{child.workflow_id} ({child.agent}): {child.state}" for child in status.children]),
        ("warnings", [*status.warnings]),
        ("notices", notices),
    ]
    pairs = [(label if not index else "", value) for label, values in rows for index, value in enumerate(values)]
    return [f"{label:<12} {clean(value)}" for label, value in pairs]
