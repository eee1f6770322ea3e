"""The domain's messages in the form of the Responses API: pure conversion of requests."""

import json

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
from perdure.providers.text import result_text, sent_arguments

__all__ = ["NAME", "arguments_text", "body", "convert", "output_format", "parameters"]

NAME = "openai"
_WITHOUT_REASONING = ("chatgpt-4", "gpt-3.5", "gpt-4")
"""Models that refuse to be asked for encrypted reasoning, having none."""


def body(request: ProviderRequest) -> JsonObject:
    """The whole request. Nothing is stored at the provider: reasoning comes back encrypted and is sent again."""
    items: list[JsonValue] = list(wire_items(request.conversation, NAME, convert))
    sent: JsonObject = {
        "model": request.model,
        "input": items,
        "max_output_tokens": request.max_output_tokens,
        "store": False,
        "stream": True,
    }
    instructions = request.instructions
    if not request.model.startswith(_WITHOUT_REASONING):
        sent["include"] = ["reasoning.encrypted_content"]
    if request.output_schema is not None:
        output = output_format(request.output_schema)
        if output is None:
            instructions = f"{instructions}\n\n{in_words(request.output_schema)}".strip()
        else:
            sent["text"] = {"format": {"type": "json_schema", **output}}
    if instructions:
        sent["instructions"] = instructions
    if request.tools:
        sent["tools"] = [_tool(spec) for spec in request.tools]
    if request.effort:
        sent["reasoning"] = {"effort": request.effort}
    if request.cache_key:
        sent["prompt_cache_key"] = request.cache_key
    return sent


def convert(message: Message) -> list[JsonObject]:
    """Input items of one message of the domain."""
    match message:
        case AssistantMessage():
            own = message.provider == NAME
            return [item for part in message.content if (item := _item(part, own=own)) is not None]
        case ToolResultMessage():
            text = result_text(message)
            return [{"type": "function_call_output", "call_id": message.call_id, "output": text}]
        case SystemMessage():
            return [{"type": "message", "role": "developer", "content": message.text}]
        case _:
            return [{"type": "message", "role": "user", "content": message.text}]


def _item(part: Part, *, own: bool) -> JsonObject | None:
    match part:
        case TextPart():
            return _text(part) if own else {"type": "message", "role": "assistant", "content": part.text}
        case CallPart():
            call: JsonObject = {"type": "function_call", "call_id": part.id, "name": part.tool}
            return {**call, "arguments": arguments_text(part), **(part.extra if own else {})}
        case _:
            return part.item if own and part.provider == NAME else None


def _text(part: TextPart) -> JsonObject:
    extra = dict(part.extra)
    content: JsonObject = {"type": "output_text", "text": part.text, "annotations": []}
    if extra.pop("refusal", False):
        content = {"type": "refusal", "refusal": part.text}
    return {"type": "message", "role": "assistant", "content": [content], **extra}


def arguments_text(call: CallPart) -> str:
    """The arguments as JSON text, compact, keys in the model's order."""
    return json.dumps(sent_arguments(call), separators=(",", ":"), ensure_ascii=False)


def output_format(schema: JsonObject) -> JsonObject | None:
    """Name, schema and strictness for a JSON Schema answer; None when the API takes no such root."""
    if schema.get("type") != "object":
        return None
    strict = strict_schema(schema, optional=False)
    return {"name": "answer", "schema": strict or schema, "strict": strict is not None}


def parameters(spec: ToolSpec) -> tuple[JsonObject, bool]:
    """A tool's parameters and whether they are strict."""
    schema: JsonObject = {"type": "object", "properties": {}, **spec.parameters}
    strict = strict_schema(schema, optional=False)
    return strict or schema, strict is not None


def _tool(spec: ToolSpec) -> JsonObject:
    schema, strict = parameters(spec)
    return {
        "type": "function",
        "name": spec.name,
        "description": spec.description,
        "parameters": schema,
        "strict": strict,
    }
