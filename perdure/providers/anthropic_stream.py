"""Gathers a streamed answer of the Messages API into a reply of the domain."""

import json
from typing import Any

from perdure.domain.errors import ContextOverflow, TruncatedStream
from perdure.domain.messages import AssistantMessage, OpaquePart, Part, TextPart
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.ports import ProviderReply, StopKind, TokenUsage
from perdure.providers.anthropic_wire import NAME
from perdure.providers.loose import count, rows, table, words
from perdure.providers.text import call_part, whole

__all__ = ["Answer", "said"]

_STOPS: dict[str, StopKind] = {"max_tokens": "max_tokens", "refusal": "refused"}
_USAGE = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_GROWING = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


class Answer:
    """One answer, built from events. `blocks` is its content in wire form; after a pause it goes on growing."""

    def __init__(self) -> None:
        """An answer of which nothing has come yet."""
        self.blocks: list[JsonObject] = []
        self._stop = ""
        self._refusal = ""
        self._model = ""
        self._earlier = dict.fromkeys(_USAGE, 0)
        self._usage = dict.fromkeys(_USAGE, 0)
        self._open: dict[int, dict[str, Any]] = {}
        self._raw: dict[int, str] = {}

    def take(self, event: JsonObject) -> None:
        """Take one event; kinds that are not known are passed over."""
        match event.get("type"):
            case "message_start":
                message = table(event.get("message"))
                self._model = words(message.get("model"))
                self._count(table(message.get("usage")))
            case "content_block_start":
                self._open[count(event.get("index"))] = {**table(event.get("content_block")), "parts": {}}
            case "content_block_delta":
                block = self._open.setdefault(count(event.get("index")), {"type": "text", "parts": {}})
                _grow(block["parts"], table(event.get("delta")))
            case "content_block_stop":
                self._close(count(event.get("index")))
            case "message_delta":
                delta = table(event.get("delta"))
                self._stop = words(delta.get("stop_reason")) or self._stop
                self._refusal = words(table(delta.get("stop_details")).get("explanation"))
                self._count(table(event.get("usage")))
            case _:
                pass

    def _count(self, usage: dict[str, Any]) -> None:
        """Counts are cumulative within one stream; a count that is left out keeps its value."""
        for name in _USAGE:
            if usage.get(name) is not None:
                self._usage[name] = count(usage[name])

    def _close(self, index: int) -> None:
        block = self._open.pop(index, None)
        if block is None:
            return
        parts: dict[str, list[Any]] = block.pop("parts")
        for name, pieces in parts.items():
            if name == "input":
                self._raw[len(self.blocks)] = "".join(pieces)
            elif name == "citations":
                block[name] = [*rows(block.get(name)), *pieces]
            else:
                block[name] = whole(words(block.get(name)) + "".join(pieces))
        if block.get("type") == "tool_use" and (raw := self._raw.get(len(self.blocks))):
            block["input"] = _parsed(raw)
        if block.get("type") == "text" and block.get("citations") is None:
            block.pop("citations", None)  # sent as null, refused as null
        self.blocks.append(block)

    def finish(self) -> bool:
        """Close this stream's part of the answer; True when the provider paused and wants it sent back."""
        for index in sorted(self._open):
            self._close(index)
        if not self._stop:
            message = f"The stream of {NAME}:{self._model} ended before its message was complete."
            raise TruncatedStream(message)
        for name in _USAGE:
            self._earlier[name] += self._usage[name]
        if self._stop != "pause_turn":
            return False
        self._stop, self._usage = "", dict.fromkeys(_USAGE, 0)
        return True

    def reply(self, model: str) -> ProviderReply:
        """The reply; raises ContextOverflow when the window was full before the answer was complete."""
        if self._stop == "model_context_window_exceeded":
            message = f"The context window of {NAME}:{model} was full before the answer was complete."
            raise ContextOverflow(message)
        content = [_part(block, self._raw.get(index, "")) for index, block in enumerate(self.blocks)]
        if self._refusal and not any(isinstance(part, TextPart) for part in content):
            content.append(TextPart(text=self._refusal))
        message = AssistantMessage(content=tuple(content), provider=NAME)
        stop: StopKind = _STOPS.get(self._stop, "calls" if message.calls else "end")
        fresh, output, read, write = (self._earlier[name] for name in _USAGE)
        usage = TokenUsage(input=fresh + read + write, output=output, cache_read=read, cache_write=write)
        return ProviderReply(message=message, stop=stop, usage=usage, model=self._model)


def said(event: JsonObject) -> str:
    """The piece of the answer's text that an event brings."""
    delta = table(event.get("delta")) if event.get("type") == "content_block_delta" else {}
    return words(delta.get("text")) if delta.get("type") == "text_delta" else ""


def _grow(parts: dict[str, list[Any]], delta: dict[str, Any]) -> None:
    match delta.get("type"):
        case "input_json_delta":
            parts.setdefault("input", []).append(words(delta.get("partial_json")))
        case "citations_delta":
            parts.setdefault("citations", []).append(delta.get("citation"))
        case str(kind) if kind in _GROWING:
            parts.setdefault(_GROWING[kind], []).append(words(delta.get(_GROWING[kind])))
        case _:
            pass


def _part(block: JsonObject, raw: str) -> Part:
    match block:
        case {"type": "text", "text": str(text), **extra}:
            return TextPart(text=text, extra=dict(extra))
        case {"type": "tool_use", "id": str(call_id), "name": str(tool), "input": given, **extra}:
            return call_part(call_id, tool, raw or json.dumps(given), dict(extra))
        case _:
            return OpaquePart(provider=NAME, item=block)


def _parsed(raw: str) -> JsonValue:
    try:
        return table(json.loads(raw))
    except ValueError:
        return {}
