"""A notification to send."""

from datetime import UTC, datetime
from typing import Any, Literal

from perdure.domain.approvals import VERDICTS, Request, RequestKind
from perdure.domain.policy import Level
from perdure.domain.record import Notification
from perdure.domain.tools import Effect

__all__ = ["SECRET", "notification"]

SECRET = "account 4711"  # noqa: S105 - no secret of anybody
"""An argument that no notification may tell."""


def notification(occasion: Literal["asked", "reminder", "escalation"] = "asked", **fields: Any) -> Notification:
    """A request to send an invoice; `fields` are those of the request."""
    given: dict[str, Any] = {
        "request_id": "req-1-aa",
        "kind": RequestKind.TOOL_CALL,
        "title": "Send an invoice of 42 EUR",
        "agent": "default",
        "tool": "send_invoice",
        "arguments": {"to": SECRET},
        "effect": Effect.ONCE,
        "level": Level.REVIEW,
        "digest": "d" * 64,
        "verdicts": VERDICTS[RequestKind.TOOL_CALL],
        "answer_schema": {},
        "requester": "ada",
        "reason": "",
        "asked_at": datetime(2026, 11, 21, 9, 30, tzinfo=UTC),
        "expires_at": datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        "workflow_id": "bills/7 a",
        "approvers": ("eve",),
    }
    request = Request(**{**given, **fields})
    return Notification(occasion=occasion, request=request, to=("role:finance",), key=f"key of {occasion}")
