"""What activities need from the outside, as Protocols: adapters and test fakes implement them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from perdure.domain.messages import AssistantMessage, Message
from perdure.domain.model import Compact, JsonObject
from perdure.domain.tools import ToolSpec

__all__ = [
    "Blobs",
    "Conversation",
    "Price",
    "Provider",
    "ProviderReply",
    "ProviderRequest",
    "Purpose",
    "StopKind",
    "TokenUsage",
]

MILLION = 1_000_000

StopKind = Literal["end", "calls", "max_tokens", "refused", "context_limit", "interrupted"]
"""Why it stopped: finished, wants tools, hit its output bound, refuses, its window is full, a person broke in."""


Purpose = Literal["turn", "summary"]
"""What a model call is for: a turn of the agent, or a summary of what leaves its conversation."""


class TokenUsage(Compact, frozen=True):
    """Tokens of one model call. `input` counts everything sent, cached parts included."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


class Price(Compact, frozen=True):
    """US dollars per million tokens. Missing cache prices mean: like `input`."""

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None

    def cost(self, usage: TokenUsage) -> float:
        """US dollars of one call."""
        read = self.input if self.cache_read is None else self.cache_read
        write = self.input if self.cache_write is None else self.cache_write
        plain = usage.input - usage.cache_read - usage.cache_write
        total = plain * self.input + usage.cache_read * read + usage.cache_write * write + usage.output * self.output
        return total / MILLION

    def output_tokens_for(self, money: float) -> int:
        """How many output tokens this many US dollars buy (a free model: as many as you like)."""
        if money <= 0:
            return 0
        return int(money * MILLION / self.output) if self.output > 0 else MILLION


@dataclass
class Conversation:
    """Messages for a model, and `wire`, where an adapter keeps the wire form of the prefix it has converted.

    The cache belongs to one run in one process: an adapter stores under its own name whatever lets it convert only
    the messages that are new (`wire[name]`), never validating or converting the unchanged prefix again. Whoever
    replaces `messages` by something that is not a continuation clears `wire`.
    """

    messages: Sequence[Message]
    wire: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class ProviderRequest:
    """One model call, provider-neutral. `model` is without the provider's prefix.

    `attempt` counts from 1 over all attempts at this call. `output_schema` asks for JSON that fits it. `turn` is the
    number of model answers of the run so far, also those that the conversation no longer shows.
    """

    model: str
    instructions: str
    conversation: Conversation
    tools: Sequence[ToolSpec] = ()
    output_schema: JsonObject | None = None
    max_output_tokens: int = 8192
    effort: str | None = None
    cache_key: str = ""
    attempt: int = 1
    turn: int = 0
    purpose: Purpose = "turn"


@dataclass(frozen=True)
class ProviderReply:
    """What came back. `unused` names steps that remain of a script that should have ended (scripted models only).

    `malformed` says what is wrong with an answer that should have had a text form and had not.
    """

    message: AssistantMessage
    stop: StopKind
    usage: TokenUsage = field(default_factory=TokenUsage)
    model: str = ""
    unused: str = ""
    malformed: str = ""


class Provider(Protocol):
    """A model provider. Every failure is a `perdure.domain.errors.PerdureError`; cancellation passes through."""

    def check(self, model: str) -> None:
        """Raise AuthenticationFailed, UnknownModel or ConfigurationError for what can be known without a call."""
        ...

    async def reply(self, request: ProviderRequest, progress: Callable[[str], None]) -> ProviderReply:
        """Call the model once, streaming; `progress` gets the text of the answer piece by piece as it arrives."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Blobs(Protocol):
    """Content that is too large for histories, stored once under an address made from it.

    Raises StoreUnavailable when the store does not answer, BlobMissing for an address it does not have, KeyUnknown,
    WrongKey or Tampered for a blob that cannot be opened.
    """

    async def put(self, data: bytes) -> str:
        """Store the bytes, or find that they are stored already; returns their address (40 hex digits)."""
        ...

    async def get(self, address: str) -> bytes:
        """Return the bytes of an address."""
        ...
