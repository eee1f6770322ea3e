"""The conversation: provider-neutral messages, one union told apart by `kind`."""

from typing import Annotated, Literal

from pydantic import Field

from perdure.domain.model import Compact, JsonObject, Tagged

__all__ = [
    "AssistantMessage",
    "CallPart",
    "Message",
    "MessagePage",
    "OpaquePart",
    "Part",
    "StoredMessages",
    "SystemMessage",
    "TextPart",
    "ToolResultMessage",
    "TranscriptRef",
    "UserMessage",
]


class TextPart(Tagged, frozen=True):
    """Text of the model. `extra` keeps the provider's own fields (ids, phase) that it wants back."""

    kind: Literal["text"] = "text"
    text: str
    extra: JsonObject = {}


class CallPart(Tagged, frozen=True):
    """A tool call the model asks for.

    `id` is the provider's; it only pairs call and result and is never an idempotency key.
    `malformed` holds the raw argument text when it was not a JSON object; `arguments` is then empty.
    """

    kind: Literal["call"] = "call"
    id: str
    tool: str
    arguments: JsonObject = {}
    malformed: str = ""
    extra: JsonObject = {}


class OpaquePart(Tagged, frozen=True):
    """A provider's item that must go back to it unchanged and in order: thinking, reasoning, redacted blocks."""

    kind: Literal["opaque"] = "opaque"
    provider: str
    item: JsonObject


Part = Annotated[TextPart | CallPart | OpaquePart, Field(discriminator="kind")]


class UserMessage(Tagged, frozen=True):
    """What a person or the program said to the agent. `id` tells repeated steering messages apart."""

    kind: Literal["user"] = "user"
    text: str
    id: str = ""


class AssistantMessage(Tagged, frozen=True):
    """One answer of the model, its parts in order. Only `provider` may be sent its opaque parts and extras again."""

    kind: Literal["assistant"] = "assistant"
    content: tuple[Part, ...] = ()
    provider: str = ""

    @property
    def text(self) -> str:
        """All text of the answer."""
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def calls(self) -> tuple[CallPart, ...]:
        """The tool calls, in order."""
        return tuple(part for part in self.content if isinstance(part, CallPart))


class ToolResultMessage(Tagged, frozen=True):
    """The answer to one call. `error` is an error code (empty: it went well); `untrusted` marks foreign content.

    A result that was too large lies whole in the blob store: `blob` is its handle, `size` its length in characters,
    and `text` has its beginning and its end.
    """

    kind: Literal["tool_result"] = "tool_result"
    call_id: str
    tool: str
    text: str
    error: str = ""
    untrusted: bool = False
    blob: str = ""
    size: int = 0


class SystemMessage(Tagged, frozen=True):
    """A note of the runtime to the model."""

    kind: Literal["system"] = "system"
    text: str


Message = Annotated[UserMessage | AssistantMessage | ToolResultMessage | SystemMessage, Field(discriminator="kind")]


class TranscriptRef(Compact, frozen=True):
    """Names a prefix of a transcript: its number of messages and their chained digest (`transcript.chain`)."""

    length: int
    digest: str


class MessagePage(Compact, frozen=True):
    """Some messages of a transcript in order, with where the next page begins (None: this was the last)."""

    messages: tuple[Message, ...]
    offset: int
    next_offset: int | None
    total: int


class StoredMessages(MessagePage, frozen=True):
    """A page as a reader gets it: `problem` says why stored messages could not be read."""

    problem: str = ""
