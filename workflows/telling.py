"""Activities by which a run speaks with the outside: its records, messages to people, tokens, runs below it."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from perdure.domain.approvals import Decide, DecisionAnswer
from perdure.domain.audit import AuditHead
from perdure.domain.identity import Checked, TokenCheck
from perdure.domain.record import Notification, RecordRequest
from workflows.executing import HEARTBEAT, PATIENT, REPEATS, STORE_OUTAGE, as_failure, pass_on_cancel, retry, store

__all__ = ["check_token", "decide_elsewhere", "notify", "record"]


async def record(request: RecordRequest) -> AuditHead | None:
    """Write to the audit log and to the stream; an outage of the log is waited out: nothing happens unrecorded.

    Returns the head of the last entry that was sent; an activity of an earlier release has returned nothing.
    """
    return await store("run.record", [request], AuditHead, f"record {len(request.entries)} entries")


async def notify(notification: Notification) -> str:
    """Tell people; returns what went wrong, in words. Nobody waits for it."""
    try:
        await workflow.execute_activity(
            "run.notify",
            notification,
            start_to_close_timeout=timedelta(seconds=60),
            schedule_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=HEARTBEAT,
            retry_policy=PATIENT,
            summary=f"{notification.occasion}: {notification.request.title}"[:100].replace("\n", " "),
        )
    except ActivityError as error:
        pass_on_cancel(error)
        return str(getattr(error.cause, "message", None) or error.cause)
    return ""


async def check_token(check: TokenCheck) -> Checked:
    """Who signed a token, as the public keys of a worker see it; trouble with the check is its answer."""
    try:
        return await workflow.execute_activity(
            "identity.check",
            check,
            result_type=Checked,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=retry(REPEATS),
            summary=f"who says {check.act}?",
        )
    except ActivityError as error:
        pass_on_cancel(error)
        return Checked(code="token_unchecked", reason=f"the token could not be checked: {error.cause}")


async def decide_elsewhere(workflow_id: str, decide: Decide) -> DecisionAnswer:
    """Pass a decision on to the run that asked; raises its refusal."""
    try:
        return await workflow.execute_activity(
            "run.decide",
            args=[workflow_id, decide],
            result_type=DecisionAnswer,
            start_to_close_timeout=timedelta(seconds=30),
            schedule_to_close_timeout=STORE_OUTAGE,
            retry_policy=retry(REPEATS),
            summary=f"decide {decide.request_id} of {workflow_id}"[:100],
        )
    except ActivityError as error:
        pass_on_cancel(error)
        raise as_failure(error) from None
