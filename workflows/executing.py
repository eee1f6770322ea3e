"""How activities are executed: the retry policies they share, and how their failures become those of the run."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

__all__ = ["HEARTBEAT", "PATIENT", "REPEATS", "STORE_OUTAGE", "as_failure", "pass_on_cancel", "retry", "store"]

HEARTBEAT = timedelta(seconds=3)
REPEATS = 10
STEADY = timedelta(seconds=1)
STORING = timedelta(minutes=5)
STORE_OUTAGE = timedelta(minutes=2)
"""For what somebody waits for: then the question fails with words, and can be asked again."""
PATIENT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
"""For the blob store: nothing can go on without it, so its outage is waited out, for as long as it lasts."""

T = TypeVar("T")


def retry(attempts: int) -> RetryPolicy:
    """Steady retries: a lost worker is retried after a second; errors of providers bring their own delay."""
    return RetryPolicy(initial_interval=STEADY, backoff_coefficient=1.0, maximum_attempts=attempts)


async def store(
    activity: str, args: Sequence[Any], kind: type[T] | None, summary: str, patience: timedelta | None = None
) -> T:
    """Use the blob store; raises its typed failure when it is away for longer than `patience` (None: for ever)."""
    try:
        return await workflow.execute_activity(
            activity,
            args=args,
            result_type=kind,
            start_to_close_timeout=STORING,
            schedule_to_close_timeout=patience,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=PATIENT,
            summary=summary,
        )
    except ActivityError as error:
        pass_on_cancel(error)
        raise as_failure(error) from None


def pass_on_cancel(error: ActivityError) -> None:
    """Let the cancellation of the run through: as a value it would be swallowed and the run would go on."""
    if isinstance(error.cause, CancelledError):
        raise asyncio.CancelledError from error


def as_failure(error: ActivityError) -> ApplicationError:
    """Take the typed failure of an activity as the failure of the run."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return ApplicationError(cause.message, *cause.details, type=cause.type, non_retryable=True)
    return ApplicationError(str(cause or error), type="ProviderUnavailable", non_retryable=True)
