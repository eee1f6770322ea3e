"""Puts a conversation into the order every provider insists on: each call followed by exactly one result."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from perdure.domain.messages import (
    AssistantMessage,
    CallPart,
    Message,
    Part,
    SystemMessage,
    ToolResultMessage,
    UserMessage,
)
from perdure.domain.model import JsonObject
from perdure.domain.ports import Conversation
from perdure.providers.text import NOT_RUN

__all__ = ["Pairing", "wire_items"]

Convert = Callable[[Message], list[JsonObject]]
"""Wire items of one message."""
Join = Callable[[list[JsonObject], JsonObject], None]
"""Append an item, or put a merged copy in place of the last one; never changes an item."""
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass
class _Open:
    """A call that waits for its result: the id it has, the one it is sent under, and its tool."""

    id: str
    sent: str
    tool: str


@dataclass
class Pairing:
    """Holds back what was said between a call and its result; drops results that nobody asked for.

    Ids that came before, as servers that count anew in each answer give them, are sent with a number behind them.
    """

    open: list[_Open] = field(default_factory=list[_Open])
    held: list[Message] = field(default_factory=list[Message])
    used: set[str] = field(default_factory=set[str])

    def feed(self, message: Message) -> list[Message]:
        """The messages that may be sent now that this one has come."""
        match message:
            case AssistantMessage():
                settled = self.rest()
                self.open, self.held = [], []
                return [*settled, self._renamed(message)]
            case ToolResultMessage():
                return self._answer(message)
            case UserMessage() | SystemMessage() if self.open:
                self.held.append(message)
                return []
            case _:
                return [message]

    def _renamed(self, message: AssistantMessage) -> AssistantMessage:
        """The message with ids that none before it had; the same object when they are so already."""
        content = tuple(self._opened(part) if isinstance(part, CallPart) else part for part in message.content)
        same = all(new is old for new, old in zip(content, message.content, strict=True))
        return message if same else message.model_copy(update={"content": content})

    def _opened(self, call: CallPart) -> Part:
        sent, number = call.id, 1
        while not sent or _FOREIGN.sub("_", sent) in self.used:
            number += 1
            sent = f"{call.id or 'call'}_{number}"
        # As the strictest API will see it, which takes only these characters.
        self.used.add(_FOREIGN.sub("_", sent))
        self.open.append(_Open(call.id, sent, call.tool))
        return call if sent == call.id else call.model_copy(update={"id": sent})

    def _answer(self, result: ToolResultMessage) -> list[Message]:
        call = next((call for call in self.open if call.id == result.call_id), None)
        if call is None:
            return []
        self.open.remove(call)
        answer = result if call.sent == call.id else result.model_copy(update={"call_id": call.sent})
        if self.open:
            return [answer]
        held, self.held = self.held, []
        return [answer, *held]

    def rest(self) -> list[Message]:
        """What must be sent if nothing more comes: stand-ins for missing results, then what was held back."""
        missing = [
            ToolResultMessage(call_id=call.sent, tool=call.tool, text=NOT_RUN, error="not_run") for call in self.open
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
