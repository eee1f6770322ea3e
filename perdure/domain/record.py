"""What a run tells the outside about itself: entries for its audit log, events for its readers, messages to people."""

from typing import Literal

from perdure.domain.approvals import Request
from perdure.domain.audit import AuditEntry
from perdure.domain.events import StreamEvent
from perdure.domain.model import Compact

__all__ = ["Notification", "RecordRequest"]


class Notification(Compact, frozen=True):
    """Request of the activity `run.notify`: a request waits, still waits, or now waits also for others."""

    occasion: Literal["asked", "reminder", "escalation"]
    request: Request
    to: tuple[str, ...] = ()
    key: str


class RecordRequest(Compact, frozen=True):
    """Request of the activity `run.record`; every part may come a second time and is known by number or key.

    `log` names the audit log: workflow id, a slash, and the id of the first run of the chain.
    """

    log: str
    entries: tuple[AuditEntry, ...] = ()
    events: tuple[StreamEvent, ...] = ()
