"""What Temporal is told about an error: try again and when, or never."""

import pytest
from temporalio.exceptions import ApplicationErrorCategory

from activities.failures import LONGEST_DELAY, backoff, to_application_error
from perdure.domain import errors
from perdure.domain.errors import PerdureError, Waitable

KINDS: list[type[PerdureError]] = [getattr(errors, name) for name in errors.__all__ if name != "ErrorInfo"]


def low() -> float:
    """Jitter at its low end."""
    return 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_either_waited_out_or_final(kind: type[PerdureError]) -> None:
    """The type is the public code, the details travel, and only what passes is tried again."""
    failure = to_application_error(kind("words", details={"status": 1}), 1, low)
    waits = issubclass(kind, Waitable)
    assert (failure.type, failure.message, list(failure.details)) == (kind.__name__, "words", [{"status": 1}])
    assert failure.non_retryable is not waits
    assert (failure.next_retry_delay is not None) is waits
    assert (failure.category == ApplicationErrorCategory.BENIGN) is waits


@pytest.mark.parametrize(("given", "seconds"), [(None, 4), (0.0, 0), (7.5, 7.5), (3600.0, 3600)])
def test_what_the_provider_says_wins_over_backoff(given: float | None, seconds: float) -> None:
    """Also when it says an hour, or at once."""
    failure = to_application_error(errors.RateLimited("words", retry_after=given), 3, low)
    assert failure.next_retry_delay is not None
    assert failure.next_retry_delay.total_seconds() == seconds


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 1), (1, 1), (2, 2), (5, 16), (7, 60), (1_000_000, 60)])
def test_backoff_doubles_to_a_minute(attempt: int, seconds: float) -> None:
    """However often it has failed, the number stays a number."""
    assert backoff(attempt, low) == seconds


def test_jitter_takes_off_up_to_a_quarter() -> None:
    """Runs that failed together do not come back together, and never later than said."""
    assert backoff(20, lambda: 1.0) == LONGEST_DELAY * 0.75
