"""No error of a vendor is unmapped: every exception class that the SDKs export becomes an error of the domain."""

import inspect
import json
from types import ModuleType
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from anthropic import _error_classes as typed_errors

from perdure.domain.errors import (
    AuthenticationFailed,
    Caller,
    ConfigurationError,
    ContextOverflow,
    Operator,
    PerdureError,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    TruncatedStream,
    Waitable,
)
from perdure.providers.faults import Vendor
from perdure.providers.sdk_errors import BY_NAME, SdkErrors

VENDOR = Vendor("vendor", "VENDOR_KEY", "VENDOR_URL")
REQUEST = httpx2.Request("POST", "http://vendor.test/v1")


def exported(sdk: ModuleType) -> list[type[Exception]]:
    """Every exception class that an SDK offers by name."""
    offered = [getattr(sdk, name) for name in sdk.__all__]
    return sorted({each for each in offered if inspect.isclass(each) and issubclass(each, Exception)}, key=str)


def instance(kind: type[Exception]) -> Exception:
    """An error of this class as the SDK would raise it."""
    status = getattr(kind, "status_code", 500)
    response = httpx2.Response(status, request=REQUEST, json={"error": {"message": "words"}})
    given: dict[str, Any] = {
        "response": response,
        "request": REQUEST,
        "body": {"error": {"message": "words"}},
        "message": "words",
        "completion": type("Completion", (), {"usage": None})(),
        "code": 1000,
        "reason": "words",
        "unsent_messages": [],
    }
    # An exception without a constructor of its own has no names for what it takes.
    named = [name for name in given if name in getattr(kind.__init__, "__annotations__", {})]
    return kind(**{name: given[name] for name in named}) if named else kind("words")


@pytest.mark.parametrize(
    ("sdk", "kind"), [(sdk, kind) for sdk in (anthropic, openai) for kind in exported(sdk)], ids=str
)
@pytest.mark.parametrize("started", [False, True])
def test_every_exported_class_is_mapped(sdk: ModuleType, kind: type[Exception], *, started: bool) -> None:
    """Each class has a meaning of its own in the table: none ends in the default for what nobody foresaw."""
    error = SdkErrors(sdk, VENDOR).translate(instance(kind), "m", started=started)
    assert isinstance(error, Waitable | Operator | Caller | ContextOverflow)
    assert "cannot be sent" not in error.message
    assert "words" in error.message or type(error) in (ProviderTimeout, ProviderUnavailable, *EXPECTED.values())


@pytest.mark.parametrize("sdk", [anthropic, openai], ids=str)
def test_no_exported_class_is_left_to_its_base(sdk: ModuleType) -> None:
    """A class that a new SDK version brings must be put into the table, unless an HTTP status speaks for it."""
    spoken_for = (sdk.APIStatusError, sdk.APIConnectionError)
    rest = {kind.__name__ for kind in exported(sdk) if not issubclass(kind, spoken_for)}
    assert rest - {"APIError"} <= BY_NAME.keys()


EXPECTED: dict[str, type[PerdureError]] = {
    "APIConnectionError": ProviderUnavailable,
    "APIResponseValidationError": TruncatedStream,
    "APITimeoutError": ProviderTimeout,
    "AnthropicError": ConfigurationError,
    "AuthenticationError": AuthenticationFailed,
    "ContentTooLargeError": ContextOverflow,
    "CredentialsError": AuthenticationFailed,
    "IdentityTokenFileError": AuthenticationFailed,
    "OAuthError": AuthenticationFailed,
    "OpenAIError": ConfigurationError,
    "PaymentRequiredError": QuotaExhausted,
    "RateLimitError": RateLimited,
    "UnprocessableEntityError": ProviderRefused,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_classes_that_matter(name: str) -> None:
    """The meaning of some classes, spelled out."""
    sdk = anthropic if hasattr(anthropic, name) else openai
    error = SdkErrors(sdk, VENDOR).translate(instance(getattr(sdk, name)), "m")
    assert type(error) is EXPECTED[name]


@pytest.mark.parametrize(("status", "code"), [key for key in typed_errors.ERROR_CLASSES if key[1]], ids=str)
def test_anthropics_typed_errors_follow_their_status_or_say_more(status: int, code: str) -> None:
    """About a hundred error codes: spend limits and sizes are told apart, all others mean what their status means."""
    body = {"error": {"type": "some_error", "message": "words", "details": {"error_code": code}}}
    response = httpx2.Response(status, request=REQUEST, json=body)
    error = SdkErrors(anthropic, VENDOR).translate(
        typed_errors.make_status_error("words", body=body, response=response)
    )
    plain = SdkErrors(anthropic, VENDOR).translate(
        typed_errors.make_status_error("words", body=None, response=response)
    )
    assert type(error) is (QuotaExhausted if "spend_limit_reached" in code else type(plain))
    assert error.details["code"] == code


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (httpx2.ConnectError("refused"), TruncatedStream),
        (httpx2.RemoteProtocolError("dropped"), TruncatedStream),
        (httpx2.ReadTimeout("silent"), ProviderTimeout),
        (json.JSONDecodeError("bad", "{", 0), TruncatedStream),
        (RuntimeError("no response.completed"), TruncatedStream),
        (KeyError("index"), TruncatedStream),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), TruncatedStream),
    ],
)
def test_what_breaks_a_stream_that_is_no_sdk_error(raised: Exception, kind: type[PerdureError]) -> None:
    """Raw transport and parser errors come out of streams too."""
    assert type(SdkErrors(anthropic, VENDOR).translate(raised, "m", started=True)) is kind
