"""Retry-After in its three spellings, keys kept out of words, and overflows inside streams."""

from datetime import UTC, datetime

import pytest

from perdure.domain.errors import ContextOverflow
from perdure.providers.faults import LONGEST_WAIT, Fault, retry_after, scrub

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "4233600"}, LONGEST_WAIT),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds, seconds and dates are seconds from now; nonsense is as if nothing had been said."""
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    "text", ["Incorrect key: sk-proj-abc123def", "Authorization: Bearer abc.def-123456", "the key is hunter2hunter2"]
)
def test_scrub(text: str) -> None:
    """Given keys and whatever looks like one are replaced."""
    cleaned = scrub(text, ["hunter2hunter2"])
    assert cleaned.endswith("[key]")
    assert not {"sk-proj", "abc.def", "hunter2"} & set(cleaned.split())


@pytest.mark.parametrize(
    "fault",
    [
        Fault(200, ("context_length_exceeded", "invalid_request_error"), "Your input is too much."),
        Fault(200, (), "The model is loaded with context length of only 4096 tokens, which is not enough."),
    ],
)
def test_an_overflow_inside_a_stream_is_one(fault: Fault) -> None:
    """A response that failed, and servers that answer 200 before they have read the prompt."""
    assert fault.kind() is ContextOverflow
