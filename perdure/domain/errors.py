"""Errors, split by who must act.

PerdureError                      carries `code` (= the Temporal failure type), a message and details
|-- Waitable                      nobody: wait and try again; `retry_after` seconds when the provider said so
|   |-- RateLimited               429 with a limit that resets
|   |-- Overloaded                529, 503
|   |-- ProviderUnavailable       5xx, connection refused or lost, DNS
|   |-- ProviderTimeout           no byte for too long
|   |-- TruncatedStream           the stream ended or broke before the provider said it was complete
|   |-- TranscriptUnavailable     the run cannot be asked for its conversation just now
|   |-- StoreUnavailable          the blob store cannot be reached or written just now
|   |-- BlobMissing               the blob store does not have (or not yet, or not here) what a run refers to
|   `-- KeyMissing                this worker has no key for the provider of a run that has begun; another may
|-- Operator                      whoever runs the worker
|   |-- AuthenticationFailed      key missing or refused (401)
|   |-- PermissionDenied          403
|   |-- QuotaExhausted            402, spend limits, insufficient_quota
|   |-- UnknownModel              404 for the model, or no such provider
|   |-- KeyUnknown                data was encrypted under a key id that this process does not have
|   |-- WrongKey                  the key of that id is another one than the data was encrypted with
|   |-- Tampered                  the data is not what was encrypted, or was moved from another place
|   `-- ConfigurationError        a file or setting of the worker is wrong
|-- Caller                        whoever started the run
|   |-- InvalidInput              the input does not fit, or asks for what this release does not do
|   |-- UnknownAgent / UnknownTool
|   |-- UnexpectedStep            a script has no step for this turn
|   `-- ProviderRefused           400 and its kin: the request itself is wrong
`-- ContextOverflow               a value for the workflow, not a failure: the conversation no longer fits
Refusals, invalid arguments and failing tools are values in results, never exceptions (decision 4).
"""

from perdure.domain.model import JsonObject, Model

__all__ = [
    "AuthenticationFailed",
    "BlobMissing",
    "Caller",
    "ConfigurationError",
    "ContextOverflow",
    "ErrorInfo",
    "InvalidInput",
    "KeyMissing",
    "KeyUnknown",
    "Operator",
    "Overloaded",
    "PerdureError",
    "PermissionDenied",
    "ProviderRefused",
    "ProviderTimeout",
    "ProviderUnavailable",
    "QuotaExhausted",
    "RateLimited",
    "StoreUnavailable",
    "Tampered",
    "TranscriptUnavailable",
    "TruncatedStream",
    "UnexpectedStep",
    "UnknownAgent",
    "UnknownModel",
    "UnknownTool",
    "Waitable",
    "WrongKey",
]


class ErrorInfo(Model, frozen=True):
    """An error as a value in a result: `type` is the code under the name that Temporal uses for it."""

    code: str
    type: str
    message: str
    details: JsonObject = {}

    @classmethod
    def of(cls, code: str, message: str) -> "ErrorInfo":
        """An error whose code is also its type."""
        return cls(code=code, type=code, message=message)


class PerdureError(Exception):
    """Base of all errors with words for a person; `code` is stable and public."""

    def __init__(self, message: str, *, details: JsonObject | None = None) -> None:
        """Keep the message and JSON details (never secrets)."""
        super().__init__(message)
        self.message = message
        self.details: JsonObject = details or {}

    @property
    def code(self) -> str:
        """Public name of this error."""
        return type(self).__name__


class Waitable(PerdureError):
    """Will pass: try again after `retry_after` seconds, or by backoff when that is None."""

    def __init__(self, message: str, *, retry_after: float | None = None, details: JsonObject | None = None) -> None:
        """Keep what the provider said about when to come back."""
        super().__init__(message, details=details)
        self.retry_after = retry_after


class RateLimited(Waitable):
    """The provider counts requests or tokens and ours are over its limit for now."""


class Overloaded(Waitable):
    """The provider says that it has too much to do."""


class ProviderUnavailable(Waitable):
    """The provider cannot be reached or answers with a server error."""


class ProviderTimeout(Waitable):
    """The provider was silent for too long."""


class TruncatedStream(Waitable):
    """The answer broke off before its end."""


class KeyMissing(Waitable):
    """This worker has no key for the provider of a run that began elsewhere; another worker may."""


class TranscriptUnavailable(Waitable):
    """The run cannot be asked for its conversation just now."""


class StoreUnavailable(Waitable):
    """The blob store cannot be reached or written just now."""


class BlobMissing(Waitable):
    """The blob store does not have what a run refers to: not yet, or this process looks at another store."""


class Operator(PerdureError):
    """Whoever runs the worker must change something."""


class AuthenticationFailed(Operator):
    """The key is missing or refused."""


class PermissionDenied(Operator):
    """The key is known but may not do this."""


class QuotaExhausted(Operator):
    """Money or quota is used up: waiting does not help."""


class UnknownModel(Operator):
    """The provider or the model does not exist."""


class KeyUnknown(Operator):
    """Data was encrypted under a key id that this process does not have."""


class WrongKey(Operator):
    """The key of this id is another one than the data was encrypted with."""


class Tampered(Operator):
    """The data is not what was encrypted, or it was moved here from another place."""


class ConfigurationError(Operator):
    """A file or setting of the worker is wrong."""


class Caller(PerdureError):
    """Whoever started the run must change its input."""


class InvalidInput(Caller):
    """The input does not fit its schema or asks for something this release does not do."""


class UnknownAgent(Caller):
    """No agent has this name."""


class UnknownTool(Caller):
    """No registered tool matches."""


class UnexpectedStep(Caller):
    """A script was asked for a step that it does not have."""


class ProviderRefused(Caller):
    """The provider calls the request itself wrong."""


class ContextOverflow(PerdureError):
    """The conversation is longer than the model's window."""
