"""The domain's messages in the form of the Messages API: pure conversion of requests."""

import re

from perdure.domain.messages import (
    AssistantMessage,
    CallPart,
    Message,
    Part,
    SystemMessage,
    TextPart,
    ToolResultMessage,
)
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.ports import ProviderRequest
from perdure.domain.tools import ToolSpec
from perdure.providers.pairing import wire_items
from perdure.providers.schema import in_words, strict_schema
from perdure.providers.text import note_text, result_text, sent_arguments

__all__ = ["NAME", "body", "convert"]

NAME = "anthropic"
_CACHE: JsonObject = {"type": "ephemeral"}
_CACHEABLE = ("text", "tool_result", "tool_use")
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
_MARKED_MESSAGES = 2
"""The end of this request and the end of the one before: a turn with many results still finds the older mark."""


def body(request: ProviderRequest) -> JsonObject:
    """The whole request. Tools, instructions and the conversation's end are marked for the prompt cache."""
    messages = wire_items(request.conversation, NAME, convert, _join)
    if not messages or messages[0]["role"] != "user":
        messages.insert(0, _user({"type": "text", "text": "Begin."}))
    sent: JsonObject = {
        "model": request.model,
        "max_tokens": request.max_output_tokens,
        "messages": _marked(messages),
        "stream": True,
    }
    instructions, output = request.instructions, _output_config(request)
    if request.output_schema is not None and "format" not in output:
        instructions = f"{instructions}\n\n{in_words(request.output_schema)}".strip()
    if output:
        sent["output_config"] = output
    if instructions:
        sent["system"] = [{"type": "text", "text": instructions, "cache_control": _CACHE}]
    if request.tools:
        tools: list[JsonValue] = [_tool(spec) for spec in request.tools]
        if not instructions:
            tools[-1] = {**_tool(request.tools[-1]), "cache_control": _CACHE}
        sent["tools"] = tools
    return sent


def convert(message: Message) -> list[JsonObject]:
    """Wire messages of one message of the domain, none when nothing is left to send."""
    match message:
        case AssistantMessage():
            own = message.provider == NAME
            blocks: list[JsonValue] = [
                block for part in message.content if (block := _block(part, own=own)) is not None
            ]
            return [{"role": "assistant", "content": blocks}] if blocks else []
        case ToolResultMessage():
            result: JsonObject = {
                "type": "tool_result",
                "tool_use_id": _id(message.call_id),
                "content": result_text(message),
            }
            if message.error:
                result["is_error"] = True
            return [_user(result)]
        case SystemMessage():
            # Only some models take the role `system` here, and not everywhere: a tagged user text works with all.
            return [_user({"type": "text", "text": note_text(message)})]
        case _:
            return [_user({"type": "text", "text": message.text})] if message.text.strip() else []


def _user(block: JsonObject) -> JsonObject:
    return {"role": "user", "content": [block]}


def _block(part: Part, *, own: bool) -> JsonObject | None:
    match part:
        case TextPart():
            block: JsonObject = {"type": "text", "text": part.text, **(part.extra if own else {})}
            return block if part.text.strip() else None
        case CallPart():
            call: JsonObject = {"type": "tool_use", "id": _id(part.id), "name": part.tool}
            return {**call, "input": sent_arguments(part), **(part.extra if own else {})}
        case _:
            return part.item if own and part.provider == NAME else None


def _id(call_id: str) -> str:
    """Ids of other providers may hold characters that this API refuses."""
    return _FOREIGN.sub("_", call_id)


def _join(messages: list[JsonObject], message: JsonObject) -> None:
    """Consecutive user messages become one, so that all results of a turn answer it together."""
    last = messages[-1] if messages else {}
    before, new = last.get("content"), message["content"]
    if last.get("role") == message["role"] == "user" and isinstance(before, list) and isinstance(new, list):
        messages[-1] = {"role": "user", "content": [*before, *new]}
    else:
        messages.append(message)


def _marked(messages: list[JsonObject]) -> list[JsonValue]:
    """The messages with cache marks on copies of the last two that the user's side wrote."""
    marked: list[JsonValue] = list(messages)
    places = [index for index, message in enumerate(messages) if message["role"] == "user"]
    for index in places[-_MARKED_MESSAGES:]:
        content = messages[index]["content"]
        last = content[-1] if isinstance(content, list) else None
        if isinstance(content, list) and isinstance(last, dict) and last.get("type") in _CACHEABLE:
            marked[index] = {"role": "user", "content": [*content[:-1], {**last, "cache_control": _CACHE}]}
    return marked


def _tool(spec: ToolSpec) -> JsonObject:
    return {
        "name": spec.name,
        "description": spec.description,
        "input_schema": {"type": "object", "properties": {}, **spec.parameters},
    }


def _output_config(request: ProviderRequest) -> JsonObject:
    config: JsonObject = {}
    if request.effort:
        config["effort"] = request.effort
    if request.output_schema is not None:
        schema = strict_schema(request.output_schema, optional=True)
        if schema is not None:
            config["format"] = {"type": "json_schema", "schema": schema}
    return config
