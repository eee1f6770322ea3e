"""What a notification says. Never the arguments of a call, which may be secret: only its sentence, and who asked."""

from datetime import datetime
from urllib.parse import quote

from perdure.domain.approvals import Request
from perdure.domain.model import JsonObject
from perdure.domain.record import Notification

__all__ = ["body_of", "line", "link", "subject_of", "text_of"]

MAX_LINE = 300
LEADS = {
    "asked": "Waits for a decision",
    "reminder": "Still waits for a decision",
    "escalation": "Escalated, waits for a decision",
}


def line(text: str, limit: int = MAX_LINE) -> str:
    """One line of at most `limit` printable characters: nothing in it can begin a new line or header."""
    flat = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def link(public_url: str | None, request: Request) -> str | None:
    """Address of the request on the approver's page, where there is one."""
    if public_url is None:
        return None
    workflow_id, request_id = quote(request.workflow_id, safe=""), quote(request.request_id, safe="")
    return f"{public_url.rstrip('/')}/requests/{workflow_id}/{request_id}"


def body_of(notification: Notification, public_url: str | None) -> JsonObject:
    """The JSON that a webhook gets; times are ISO 8601."""
    request = notification.request
    return {
        "occasion": notification.occasion,
        "request_id": request.request_id,
        "workflow_id": request.workflow_id,
        "title": _title(request),
        "level": request.level.value,
        "requester": request.requester,
        "to": list(_to(notification)),
        "asked_at": request.asked_at.isoformat(),
        "expires_at": request.expires_at.isoformat() if request.expires_at else None,
        "url": link(public_url, request),
        "key": notification.key,
    }


def subject_of(notification: Notification) -> str:
    """Subject of a mail."""
    return line(f"{LEADS[notification.occasion]}: {_title(notification.request)}", 150)


def text_of(notification: Notification, public_url: str | None) -> str:
    """Text of a mail: the sentence, who asked, for whom, until when, and where to answer."""
    request = notification.request
    rows = [
        ("Asked by", request.requester),
        ("For", ", ".join(_to(notification))),
        ("Level", request.level.value),
        ("Approvals", f"{len(request.votes)} of {request.quorum}" if request.quorum > 1 else ""),
        ("Asked", _moment(request.asked_at)),
        ("Answer by", _moment(request.expires_at) if request.expires_at else ""),
        ("Run", request.workflow_id),
        ("Request", request.request_id),
    ]
    told = [f"{name + ':':<11} {line(value)}" for name, value in rows if value]
    where = link(public_url, request) or f"uv run starter.py approvals {line(request.workflow_id)}"
    return "\n".join([f"{LEADS[notification.occasion]}:", line(_title(request)), "", *told, "", where, ""])


def _title(request: Request) -> str:
    """The sentence; a tool without one is titled by its call, arguments and all, and then only its name is told."""
    return f"Call of {request.tool}" if request.title.startswith(f"{request.tool} {{") else line(request.title)


def _to(notification: Notification) -> tuple[str, ...]:
    """Whom it is for: those to whom it was escalated, else all who may decide; nobody named: anyone."""
    return notification.to or notification.request.approvers


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M %Z").strip()
