"""Puts a conversation into the order every provider insists on: each call followed by exactly one result."""

from collections.abc import Callable
from dataclasses import dataclass, field

from perdure.domain.messages import AssistantMessage, Message, SystemMessage, ToolResultMessage, UserMessage
from perdure.domain.model import JsonObject
from perdure.domain.ports import Conversation
from perdure.providers.text import NOT_RUN

__all__ = ["Pairing", "wire_items"]

Convert = Callable[[Message], list[JsonObject]]
"""Wire items of one message."""
Join = Callable[[list[JsonObject], JsonObject], None]
"""Append an item, or put a merged copy in place of the last one; never changes an item."""


@dataclass
class Pairing:
    """Holds back what was said between a call and its result; drops results that nobody asked for."""

    open: dict[str, str] = field(default_factory=dict[str, str])
    held: list[Message] = field(default_factory=list[Message])

    def feed(self, message: Message) -> list[Message]:
        """The messages that may be sent now that this one has come."""
        match message:
            case AssistantMessage():
                settled = [*self.rest(), message]
                self.open, self.held = {call.id: call.tool for call in message.calls}, []
                return settled
            case ToolResultMessage():
                return self._answer(message)
            case UserMessage() | SystemMessage() if self.open:
                self.held.append(message)
                return []
            case _:
                return [message]

    def _answer(self, result: ToolResultMessage) -> list[Message]:
        if self.open.pop(result.call_id, None) is None:
            return []
        if self.open:
            return [result]
        held, self.held = self.held, []
        return [result, *held]

    def rest(self) -> list[Message]:
        """What must be sent if nothing more comes: stand-ins for missing results, then what was held back."""
        missing = [
            ToolResultMessage(call_id=call_id, tool=tool, text=NOT_RUN, error="not_run")
            for call_id, tool in self.open.items()
        ]
        return [*missing, *self.held]


@dataclass
class _Prefix:
    """The wire form of the first `read` messages of a conversation."""

    read: int = 0
    pairing: Pairing = field(default_factory=Pairing)
    items: list[JsonObject] = field(default_factory=list[JsonObject])


def wire_items(conversation: Conversation, name: str, convert: Convert, join: Join | None = None) -> list[JsonObject]:
    """The conversation in wire form, in a list of its own; only messages that are new are converted."""
    prefix: _Prefix | None = conversation.wire.get(name)
    if prefix is None or prefix.read > len(conversation.messages):
        prefix = conversation.wire[name] = _Prefix()
    join = join or list[JsonObject].append
    for message in conversation.messages[prefix.read :]:
        for sent in prefix.pairing.feed(message):
            for item in convert(sent):
                join(prefix.items, item)
        prefix.read += 1
    items = list(prefix.items)
    for sent in prefix.pairing.rest():
        for item in convert(sent):
            join(items, item)
    return items
