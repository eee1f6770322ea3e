"""Words and plain text for pages: what models wrote cannot hide in them."""

import json
import unicodedata
from datetime import datetime

from perdure.domain.approvals import Request, RequestKind, Verdict
from perdure.domain.model import JsonValue

__all__ = ["ago", "how_long", "money", "no_means", "plain", "pretty", "verdict_means"]

HIDDEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Co", "Cs", "Cn"})
"""Unicode categories that print as nothing, or turn the direction of text."""
PLAIN_SPACE = frozenset("\n\t")
UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))

NO: dict[RequestKind, str] = {
    RequestKind.TOOL_CALL: "the call is not made; the agent is told so, with your reason, unless a rule ends the run",
    RequestKind.QUESTION: "the agent is told that it gets no answer, with your reason",
    RequestKind.UNKNOWN_OUTCOME: "the call counts as not having happened; the agent is told so",
    RequestKind.LIMIT: "the run ends here, at its limit, with what it has reached",
    RequestKind.PLAN: "the plan is not followed; your reason goes back to those who made it",
    RequestKind.RESULT: "the result is not accepted; your reason goes back to those who made it",
}

YES: dict[tuple[RequestKind, Verdict], str] = {
    (RequestKind.TOOL_CALL, Verdict.APPROVE): "make the call as it is shown",
    (
        RequestKind.TOOL_CALL,
        Verdict.EDIT,
    ): "make the call with the values of the form; a page shows the difference first",
    (RequestKind.TOOL_CALL, Verdict.RESPOND): "do not make the call; give the agent this answer instead",
    (RequestKind.QUESTION, Verdict.RESPOND): "give the agent this answer",
    (RequestKind.UNKNOWN_OUTCOME, Verdict.APPROVE): "run the call again under the same key",
    (RequestKind.UNKNOWN_OUTCOME, Verdict.RESPOND): "the call did happen, and this was its result",
    (RequestKind.LIMIT, Verdict.APPROVE): "go on, with as much again",
    (RequestKind.LIMIT, Verdict.EDIT): "go on with the limits of the form; a page shows the difference first",
    (RequestKind.PLAN, Verdict.APPROVE): "go on with the plan as it is shown",
    (RequestKind.PLAN, Verdict.EDIT): "go on with the plan of the form; a page shows the difference first",
    (RequestKind.RESULT, Verdict.APPROVE): "accept the result as it is shown",
    (RequestKind.RESULT, Verdict.EDIT): "accept the result of the form; a page shows the difference first",
}


def plain(text: object) -> str:
    """Text in which every character that prints as nothing or turns the direction of text is written out."""
    return "".join(
        char if char in PLAIN_SPACE or unicodedata.category(char) not in HIDDEN else f"\\u{{{ord(char):x}}}"
        for char in str(text)
    )


def pretty(value: JsonValue) -> str:
    """JSON over several lines, as plain text."""
    return plain(json.dumps(value, indent=2, ensure_ascii=False))


def how_long(seconds: float) -> str:
    """`3 hours`, `1 minute`, `20 seconds`."""
    for size, name in UNITS:
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {name}{'' if number == 1 else 's'}"
    number = max(0, int(seconds))
    return f"{number} second{'' if number == 1 else 's'}"


def ago(moment: datetime, now: datetime) -> str:
    """How long since, or how long until."""
    seconds = (now - moment).total_seconds()
    return f"{how_long(seconds)} ago" if seconds >= 0 else f"in {how_long(-seconds)}"


def money(cost_usd: float | None) -> str:
    """US dollars of a run so far; of a list, which may not know of the first ones yet."""
    return "none recorded" if cost_usd is None else f"{cost_usd:.4f} USD"


def no_means(request: Request) -> str:
    """What rejecting does."""
    return NO[request.kind]


def verdict_means(request: Request, verdict: Verdict) -> str:
    """What a verdict does."""
    if verdict is Verdict.REJECT:
        return no_means(request)
    if verdict is Verdict.STOP:
        return "end the whole run now, with what it has reached"
    if verdict is Verdict.ESCALATE:
        return "hand this to those above you; it goes on waiting"
    return YES.get((request.kind, verdict), verdict)
