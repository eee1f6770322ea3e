"""What a provider's failure means: one table from status, code and words to the errors of the domain."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from perdure.domain.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ContextOverflow,
    Overloaded,
    PerdureError,
    PermissionDenied,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    UnknownModel,
    Waitable,
)
from perdure.domain.model import JsonObject

__all__ = ["Fault", "Vendor", "retry_after", "scrub", "status_error"]

_REDIRECT, _CLIENT, _SERVER = 300, 400, 500
"""Where these kinds of HTTP status begin."""
LONGEST_WAIT = 86_400.0
"""Seconds. A Retry-After beyond a day is a mistake of some proxy; asking again after a day costs nothing."""

_STATUS: dict[int, type[PerdureError]] = {
    401: AuthenticationFailed,
    402: QuotaExhausted,
    403: PermissionDenied,
    404: UnknownModel,
    408: ProviderTimeout,
    409: ProviderUnavailable,
    413: ContextOverflow,
    425: ProviderUnavailable,
    429: RateLimited,
    499: ProviderUnavailable,
    503: Overloaded,
    504: ProviderTimeout,
    529: Overloaded,
}
_DECISIVE: dict[str, type[PerdureError]] = {
    "billing_error": QuotaExhausted,
    "billing_hard_limit_reached": QuotaExhausted,
    "billing_not_active": QuotaExhausted,
    "context_length_exceeded": ContextOverflow,
    "contract_spend_limit_reached": QuotaExhausted,
    "enforced_spend_limit_reached": QuotaExhausted,
    "exceed_context_size_error": ContextOverflow,
    "insufficient_quota": QuotaExhausted,
    "invalid_api_key": AuthenticationFailed,
    "linked_organization_billing_unavailable": QuotaExhausted,
    "linked_organization_spend_limit_reached": QuotaExhausted,
    "model_not_found": UnknownModel,
    "request_too_large": ContextOverflow,
}
"""Codes that say more than the status they come with."""

_IN_STREAM: dict[str, type[PerdureError]] = {
    "authentication_error": AuthenticationFailed,
    "invalid_prompt": ProviderRefused,
    "invalid_request_error": ProviderRefused,
    "not_found_error": UnknownModel,
    "overloaded_error": Overloaded,
    "permission_error": PermissionDenied,
    "rate_limit_error": RateLimited,
    "rate_limit_exceeded": RateLimited,
    "timeout_error": ProviderTimeout,
}
"""Codes that stand for a status when the error comes inside a stream that began with 200."""

_OVERFLOW = re.compile(
    r"(prompt|input) (is )?too long|context_length_exceeded|maximum (context|prompt) length|model'?s context length"
    r"|exceed(s|ed)? (the |your |max |maximum |available |model'?s )*(context|token limit|model token limit)"
    r"|context (length|size|window) (of only|has been exceeded|exceeded|exceeds)|context limit"
    r"|input token count .{0,40}exceeds|prompt token count .{0,40}exceeds"
    r"|reduce the length of the (messages|input|prompt)|input or output tokens must be reduced",
    re.IGNORECASE,
)
"""How vendors and servers of others (vLLM, llama.cpp, Ollama, LM Studio, Groq, xAI, Mistral, Gemini) say it."""
_NO_CREDIT = re.compile(r"credit balance is too low|exceeded your current quota", re.IGNORECASE)
_SECRET = re.compile(r"\b(sk|key)-[\w*.\-]{6,}|(?i:bearer)\s+[\w.~+/=\-]{6,}")


@dataclass(frozen=True)
class Vendor:
    """Who answers: the provider's name and the environment variables that lead to it."""

    name: str
    key: str = ""
    base_url: str = ""


@dataclass(frozen=True)
class Fault:
    """What a provider said. `status` 200 means that the error came inside a stream. `retry_after` is in seconds."""

    status: int
    codes: Sequence[str] = ()
    text: str = ""
    request_id: str = ""
    retry_after: float | None = None

    def kind(self) -> type[PerdureError]:
        """The error of the domain that this is."""
        for code in self.codes:
            if code in _DECISIVE:
                return _DECISIVE[code]
        if self.status <= _SERVER and _OVERFLOW.search(self.text):  # llama.cpp says so with 500
            return ContextOverflow
        if self.status < _SERVER and _NO_CREDIT.search(self.text):
            return QuotaExhausted
        if self.status < _REDIRECT:
            return next((_IN_STREAM[code] for code in self.codes if code in _IN_STREAM), ProviderUnavailable)
        if self.status < _CLIENT:
            return ConfigurationError
        return _STATUS.get(self.status, ProviderRefused if self.status < _SERVER else ProviderUnavailable)


def status_error(vendor: Vendor, model: str, fault: Fault) -> PerdureError:
    """The error to raise for a fault: what happened, in whose words, the request id, and what to do."""
    kind = fault.kind()
    said = f": {fault.text[:600]}" if fault.text else ""
    where = f"HTTP {fault.status}" if fault.status >= _REDIRECT else "inside the stream"
    request = f", request id {fault.request_id}" if fault.request_id else ""
    message = f"{vendor.name}:{model} {_WHAT.get(kind, 'failed')} ({where}{request}){said}"
    if advice := _advice(kind, vendor, model):
        message = f"{message.rstrip('.')}. {advice}"
    details = _details(vendor, model, fault)
    if issubclass(kind, Waitable):
        return kind(message, retry_after=fault.retry_after, details=details)
    return kind(message, details=details)


_WHAT: dict[type[PerdureError], str] = {
    AuthenticationFailed: "refused the key",
    ConfigurationError: "redirected the request",
    ContextOverflow: "says that the conversation is too long",
    Overloaded: "is overloaded",
    PermissionDenied: "denied permission",
    ProviderRefused: "refused the request",
    ProviderTimeout: "timed out",
    QuotaExhausted: "has no quota or money left for this key",
    RateLimited: "is rate limited",
    UnknownModel: "is not a model or address it knows",
}


def _details(vendor: Vendor, model: str, fault: Fault) -> JsonObject:
    details: JsonObject = {"provider": vendor.name, "model": model, "status": fault.status}
    if fault.codes:
        details["code"] = fault.codes[0]
    if fault.request_id:
        details["request_id"] = fault.request_id
    return details


def _advice(kind: type[PerdureError], vendor: Vendor, model: str) -> str:
    if kind is AuthenticationFailed and vendor.key:
        return f"Set a valid {vendor.key} in the worker's environment."
    if kind is PermissionDenied and vendor.key:
        return f"Give the key in {vendor.key} access to {model}, or use another model."
    if kind is UnknownModel and vendor.base_url:
        return f"Check the model name {model!r} and, when it is set, {vendor.base_url} in the worker's environment."
    if kind is ConfigurationError and vendor.base_url:
        return f"Check {vendor.base_url} in the worker's environment."
    if kind is QuotaExhausted:
        return "Raise the spend limit or add credit at the provider, then start the run again."
    return ""


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds or HTTP date); None when neither can be read."""
    seconds = _number(headers.get("retry-after-ms"), 0.001)
    if seconds is None:
        seconds = _number(headers.get("retry-after"), 1)
    if seconds is None:
        seconds = _until(headers.get("retry-after"), now or datetime.now(UTC))
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT)


def _number(text: str | None, unit: float) -> float | None:
    try:
        value = float(text or "") * unit
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _until(text: str | None, now: datetime) -> float | None:
    try:
        when = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - now).total_seconds()


def scrub(text: str, secrets: Sequence[str] = ()) -> str:
    """The text without keys: those given, and whatever looks like one."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[key]")
    return _SECRET.sub("[key]", text)
