"""The one table from errors to what Temporal does about them."""

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from perdure.domain.errors import PerdureError, Waitable

__all__ = ["FIRST_DELAY", "LONGEST_DELAY", "backoff", "defect", "reporting", "to_application_error"]

FIRST_DELAY = 1.0
"""Seconds before the second attempt, when the provider did not say."""
LONGEST_DELAY = 60.0
"""Seconds. A provider that comes back after hours is noticed within about a minute."""
MAX_DEFECT = 1_000
"""Characters of what is said of a defect."""
MAX_UNFORESEEN = 3
"""Attempts at what fails because of a defect."""


@asynccontextmanager
async def reporting(attempt: int, jitter: Callable[[], float] = random.random) -> AsyncGenerator[None]:
    """Turn an error of the domain that leaves the block into the failure of this attempt (from 1)."""
    try:
        yield
    except PerdureError as error:
        raise to_application_error(error, attempt, jitter) from None


def to_application_error(error: PerdureError, attempt: int, jitter: Callable[[], float]) -> ApplicationError:
    """The failure of this attempt (from 1) at an activity; `type` is the error's code, details are its own.

    Waitable: tried again after what the provider said, or by `backoff`; not counted as an error in metrics.
    Everything else ends the activity: whoever must act is named by the code, and trying again would not help.
    `jitter` gives numbers from 0 to 1.
    """
    if not isinstance(error, Waitable):
        return ApplicationError(error.message, error.details, type=error.code, non_retryable=True)
    wait = error.retry_after if error.retry_after is not None else backoff(attempt, jitter)
    return ApplicationError(
        error.message,
        error.details,
        type=error.code,
        next_retry_delay=timedelta(seconds=wait),
        category=ApplicationErrorCategory.BENIGN,
    )


def defect(error: Exception, attempt: int) -> ApplicationError:
    """The failure of this attempt at a paid activity by an error that nobody foresaw.

    A defect, not an outage: every further attempt could be paid for, so there are few.
    """
    words, final = f"{type(error).__name__}: {error}"[:MAX_DEFECT], attempt >= MAX_UNFORESEEN
    return ApplicationError(words, type=type(error).__name__, non_retryable=final)


def backoff(attempt: int, jitter: Callable[[], float]) -> float:
    """Seconds before the next attempt: doubling up to `LONGEST_DELAY`, less up to a quarter so that runs spread."""
    doubled = FIRST_DELAY * 2.0 ** min(max(attempt, 1) - 1, 30)
    return min(doubled, LONGEST_DELAY) * (1 - jitter() / 4)
