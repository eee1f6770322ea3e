"""What the SDKs and their transport raise, as errors of the domain; both SDKs name their errors alike."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import httpx2

from perdure.domain.errors import (
    AuthenticationFailed,
    ConfigurationError,
    PerdureError,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    TruncatedStream,
)
from perdure.providers.faults import Fault, Vendor, retry_after, scrub, status_error
from perdure.providers.loose import table, words

__all__ = ["BY_NAME", "SdkErrors", "truncated"]

_CODE_FIELDS = ("error_code", "code", "type")
BY_NAME: dict[str, type[PerdureError]] = {
    "APIResponseValidationError": TruncatedStream,
    "APIWebhookValidationError": ProviderRefused,
    "ContentFilterFinishReasonError": ProviderRefused,
    "CredentialsError": AuthenticationFailed,
    "IdentityTokenFileError": AuthenticationFailed,
    "InvalidWebhookSignatureError": ProviderRefused,
    "LengthFinishReasonError": ProviderRefused,
    "RetryableError": ProviderUnavailable,
    "SubjectTokenProviderError": AuthenticationFailed,
    "WebSocketConnectionClosedError": TruncatedStream,
    "WebSocketQueueFullError": ProviderUnavailable,
    "AnthropicError": ConfigurationError,
    "OpenAIError": ConfigurationError,
}
"""SDK errors that carry no answer. The two base classes are what the SDKs raise for a client set up wrongly."""


@dataclass(frozen=True)
class SdkErrors:
    """The translation for one SDK and one vendor; keys in `secrets` never show in its words."""

    sdk: ModuleType
    vendor: Vendor
    secrets: Sequence[str] = ()

    def translate(self, error: Exception, model: str = "", *, started: bool = False) -> PerdureError:
        """The domain's error. `started` says that the provider had begun to answer."""
        said = scrub(str(error), self.secrets).strip() or type(error).__name__
        why = scrub(_why(error.__cause__ or error), self.secrets)
        named = next((BY_NAME[base.__name__] for base in type(error).__mro__ if base.__name__ in BY_NAME), None)
        if isinstance(error, self.sdk.APIError) and type(error).__name__ not in BY_NAME and _answered(error):
            return status_error(self.vendor, model, self._fault(error))
        if isinstance(error, self.sdk.APITimeoutError | httpx2.TimeoutException | TimeoutError):
            return ProviderTimeout(f"{self.vendor.name}:{model} was silent for too long ({why}).")
        if isinstance(error, self.sdk.APIConnectionError | httpx2.HTTPError | OSError):
            return truncated(self.vendor, model, why) if started else self._unreachable(model, why)
        if named is not None:
            return named(f"{self.vendor.name}: {said}{self._settings()}")
        if started or isinstance(error, json.JSONDecodeError):
            # The SDK stumbles over an answer that is not what the protocol says.
            return truncated(self.vendor, model, why)
        return ProviderRefused(f"The request to {self.vendor.name}:{model} cannot be sent ({why}).")

    def _unreachable(self, model: str, why: str) -> ProviderUnavailable:
        return ProviderUnavailable(f"{self.vendor.name}:{model} cannot be reached ({why}){self._settings()}")

    def _settings(self) -> str:
        return f". Check {self.vendor.key} and {self.vendor.base_url} in the worker's environment."

    def _fault(self, error: Exception) -> Fault:
        """What an SDK error with an answer says; both SDKs' shapes and plain proxies."""
        response: httpx2.Response | None = getattr(error, "response", None)
        body: object = getattr(error, "body", None)
        inner = table(body).get("error", body)
        sources = [table(table(inner).get("details")), table(inner)]
        codes = [code for source in sources for field in _CODE_FIELDS if (code := words(source.get(field)))]
        text = words(table(inner).get("message")) or words(inner) or str(error)
        return Fault(
            status=200 if response is None else response.status_code,
            codes=codes,
            text=scrub(" ".join(text.split()), self.secrets),
            request_id="" if response is None else _request_id(response),
            retry_after=None if response is None else retry_after(response.headers),
        )


def truncated(vendor: Vendor, model: str, why: str) -> TruncatedStream:
    """An answer that broke off, and why."""
    return TruncatedStream(f"The answer of {vendor.name}:{model} broke off ({why}).")


def _why(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")


def _answered(error: Exception) -> bool:
    return getattr(error, "response", None) is not None or getattr(error, "body", None) is not None


def _request_id(response: httpx2.Response) -> str:
    return response.headers.get("request-id") or response.headers.get("x-request-id") or ""
