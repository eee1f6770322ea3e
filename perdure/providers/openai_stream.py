"""Gathers a streamed answer of the Responses API into a reply of the domain."""

from typing import Any

from perdure.domain.errors import TruncatedStream
from perdure.domain.messages import AssistantMessage, OpaquePart, Part, TextPart
from perdure.domain.model import JsonObject
from perdure.domain.ports import ProviderReply, StopKind, TokenUsage
from perdure.providers.faults import Fault, Vendor, status_error
from perdure.providers.loose import count, rows, table, words
from perdure.providers.openai_wire import NAME
from perdure.providers.text import call_part, whole

__all__ = ["Answer", "said"]

_ENDS = ("response.completed", "response.incomplete", "response.failed")
_INCOMPLETE: dict[str, StopKind] = {"content_filter": "refused", "max_output_tokens": "max_tokens"}
_TEXT = ("response.output_text.delta", "response.refusal.delta")
_REFUSALS = ("bio_policy", "misalignment_policy_violation")
"""Codes of failed responses that are the provider's refusal, not a fault."""


class Answer:
    """One answer, built from events: finished output items, and the response object at the end."""

    def __init__(self, vendor: Vendor, model: str) -> None:
        """An answer of which nothing has come yet; vendor and model are for error messages."""
        self._vendor = vendor
        self._model = model
        self._items: dict[int, JsonObject] = {}
        self._end = ""
        self._response: dict[str, Any] = {}

    def take(self, event: JsonObject) -> None:
        """Take one event; raises the provider's own error when the event is one."""
        kind = words(event.get("type"))
        if kind == "response.output_item.done":
            self._items[count(event.get("output_index", len(self._items)))] = table(event.get("item"))
        elif kind in _ENDS:
            self._end, self._response = kind, table(event.get("response"))
        elif kind == "error":
            raise self._error(table(event.get("error")) or event)

    def _error(self, error: dict[str, Any]) -> Exception:
        codes = [code for name in ("code", "type") if (code := words(error.get(name))) not in ("", "error")]
        return status_error(self._vendor, self._model, Fault(200, codes, words(error.get("message"))))

    def reply(self) -> ProviderReply:
        """The reply; raises TruncatedStream when the response never ended, or the error it failed with."""
        if not self._end:
            message = f"The stream of {self._vendor.name}:{self._model} ended before its response was complete."
            raise TruncatedStream(message)
        error = table(self._response.get("error"))
        refused = error.get("code") in _REFUSALS
        if self._end == "response.failed" and not refused:
            raise self._error(error)
        items = [self._items[index] for index in sorted(self._items)] or rows(self._response.get("output"))
        content = [part for item in items for part in _parts(table(item))]
        if refused and not content:
            content = [TextPart(text=words(error.get("message")))]
        message = AssistantMessage(content=tuple(content), provider=NAME)
        return ProviderReply(
            message=message,
            stop="refused" if refused else self._stop(message),
            usage=_usage(table(self._response.get("usage"))),
            model=words(self._response.get("model")),
        )

    def _stop(self, message: AssistantMessage) -> StopKind:
        if self._end == "response.incomplete":
            reason = words(table(self._response.get("incomplete_details")).get("reason"))
            return _INCOMPLETE.get(reason, "max_tokens")
        if any(isinstance(part, TextPart) and part.extra.get("refusal") for part in message.content):
            return "refused"
        return "calls" if message.calls else "end"


def said(event: JsonObject) -> str:
    """The piece of the answer's text, or of a refusal, that an event brings."""
    return words(event.get("delta")) if event.get("type") in _TEXT else ""


def _parts(item: JsonObject) -> list[Part]:
    match item:
        case {"type": "message", "content": list(content), **extra}:
            pieces = [table(each) for each in content]
            kept: JsonObject = {key: extra[key] for key in ("id", "phase", "status") if extra.get(key) is not None}
            if any(piece.get("type") == "refusal" for piece in pieces):
                kept["refusal"] = True
            text = "".join(words(piece.get("text")) or words(piece.get("refusal")) for piece in pieces)
            return [TextPart(text=whole(text), extra=kept)]
        case {"type": "function_call", "call_id": str(call_id), "name": str(tool), "arguments": str(raw), **extra}:
            return [call_part(call_id, tool, raw, {key: value for key, value in extra.items() if value is not None})]
        case _:
            return [OpaquePart(provider=NAME, item=item)]


def _usage(usage: dict[str, Any]) -> TokenUsage:
    details = table(usage.get("input_tokens_details"))
    return TokenUsage(
        input=count(usage.get("input_tokens")),
        output=count(usage.get("output_tokens")),
        cache_read=count(details.get("cached_tokens")),
        cache_write=count(details.get("cache_write_tokens")),
    )
