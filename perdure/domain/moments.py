"""When something is due about a request that waits: a reminder, its escalation, its end."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from perdure.domain.approvals import Request
from perdure.domain.policy import Rule

__all__ = ["Moment", "next_moment"]


class Moment(NamedTuple):
    """What is due, and when."""

    kind: Literal["expiry", "escalation", "reminder"]
    at: datetime


def next_moment(request: Request, rule: Rule | None, told: datetime) -> Moment | None:
    """What is due next; `told` is when people were last told of it, so that an outage does not end in a burst."""
    moments = list[Moment]()
    if request.expires_at is not None:
        moments.append(Moment("expiry", request.expires_at))
    if rule is not None and rule.escalate_after is not None and not request.escalated:
        moments.append(Moment("escalation", request.asked_at + timedelta(seconds=rule.escalate_after)))
    if rule is not None and rule.reminder is not None:
        every = timedelta(seconds=rule.reminder)
        passed = max(told - request.asked_at, timedelta()) // every
        moments.append(Moment("reminder", request.asked_at + every * (passed + 1)))
    return min(moments, key=lambda moment: moment.at, default=None)
