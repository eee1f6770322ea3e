"""Gathers a streamed answer of Chat Completions into a reply of the domain."""

from dataclasses import dataclass, field
from typing import Any, cast

from perdure.domain.errors import ContextOverflow, TruncatedStream
from perdure.domain.messages import AssistantMessage, CallPart, OpaquePart, Part, TextPart
from perdure.domain.model import JsonObject
from perdure.domain.ports import ProviderReply, StopKind, TokenUsage
from perdure.providers.loose import count, rows, table, words
from perdure.providers.openai_chat_wire import NAME
from perdure.providers.text import call_part, whole

__all__ = ["Answer", "said"]

_STOPS: dict[str, StopKind] = {"content_filter": "refused", "length": "max_tokens"}
_FULL = "model_context_window_exceeded"
_REASONING = ("reasoning_content", "reasoning", "reasoning_details")
"""Fields in which servers show reasoning and, some of them, want it back."""


@dataclass
class _Call:
    """A tool call as its pieces come in."""

    id: str = ""
    tool: str = ""
    raw: list[str] = field(default_factory=list[str])
    extra: JsonObject = field(default_factory=dict[str, Any])


class Answer:
    """One answer, built from chunks."""

    def __init__(self, model: str, turn: int) -> None:
        """`turn` makes ids for calls of servers that give none."""
        self._model = model
        self._turn = turn
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._reasoning: JsonObject = {}
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._finish = ""
        self._usage: dict[str, Any] = {}
        self._served = ""

    def take(self, event: JsonObject) -> None:
        """Take one chunk."""
        self._usage = table(event.get("usage")) or self._usage
        self._served = words(event.get("model")) or self._served
        for each in rows(event.get("choices"))[:1]:
            choice = table(each)
            delta = table(choice.get("delta"))
            self._text.append(words(delta.get("content")))
            self._refusal.append(words(delta.get("refusal")))
            for name in _REASONING:
                self._reason(name, delta.get(name))
            for position, piece in enumerate(rows(delta.get("tool_calls"))):
                self._grow(table(piece), position)
            self._finish = words(choice.get("finish_reason")) or self._finish

    def _reason(self, name: str, piece: object) -> None:
        if isinstance(piece, str) and piece:
            self._reasoning[name] = words(self._reasoning.get(name)) + piece
        elif isinstance(piece, list):
            self._reasoning[name] = [*rows(self._reasoning.get(name)), *rows(cast("object", piece))]

    def _grow(self, piece: dict[str, Any], position: int) -> None:
        """Some servers give every call the index 0: a new id begins a new call."""
        index, call_id = count(piece.get("index", position)), words(piece.get("id"))
        call, function = self._by_index.get(index), table(piece.get("function"))
        if call is None or (call_id and call.id and call_id != call.id):
            call = self._by_index[index] = _Call()
            self._calls.append(call)
        call.id = call.id or call_id
        call.tool = call.tool or words(function.get("name"))
        call.raw.append(words(function.get("arguments")))
        call.extra.update({k: v for k, v in piece.items() if k not in ("id", "index", "type", "function")})

    def reply(self) -> ProviderReply:
        """The reply; raises TruncatedStream when no chunk says why it ended, ContextOverflow when it was full."""
        if not self._finish:
            message = f"The stream of {NAME}:{self._model} ended before its answer was complete."
            raise TruncatedStream(message)
        if self._finish == _FULL:
            message = f"The context window of {NAME}:{self._model} was full before the answer was complete."
            raise ContextOverflow(message)
        refusal = "".join(self._refusal)
        message = AssistantMessage(content=tuple(self._content(refusal)), provider=NAME)
        stop = _STOPS.get(self._finish, "refused" if refusal else "calls" if message.calls else "end")
        return ProviderReply(message=message, stop=stop, usage=_usage(self._usage), model=self._served)

    def _content(self, refusal: str) -> list[Part]:
        content: list[Part] = []
        if self._reasoning:
            content.append(OpaquePart(provider=NAME, item=self._reasoning))
        if text := whole("".join(self._text) + refusal):
            content.append(TextPart(text=text))
        seen: set[str] = set()
        for number, call in enumerate(self._calls):
            part = self._call(call, number, seen)
            seen.add(part.id)
            content.append(part)
        return content

    def _call(self, call: _Call, number: int, seen: set[str]) -> CallPart:
        unique = call.id and call.id not in seen
        call_id = call.id if unique else f"call_{self._turn}_{number}"
        return call_part(call_id, call.tool, "".join(call.raw), call.extra)


def said(event: JsonObject) -> str:
    """The piece of the answer's text, or of a refusal, that a chunk brings."""
    deltas = [table(table(each).get("delta")) for each in rows(event.get("choices"))[:1]]
    return "".join(words(delta.get(name)) for delta in deltas for name in ("content", "refusal"))


def _usage(usage: dict[str, Any]) -> TokenUsage:
    details = table(usage.get("prompt_tokens_details"))
    return TokenUsage(
        input=count(usage.get("prompt_tokens")),
        output=count(usage.get("completion_tokens")),
        cache_read=count(details.get("cached_tokens")),
        cache_write=count(details.get("cache_write_tokens")),
    )
