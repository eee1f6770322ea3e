"""The domain's messages in the form of Chat Completions: pure conversion of requests."""

from perdure.domain.messages import (
    AssistantMessage,
    CallPart,
    Message,
    OpaquePart,
    SystemMessage,
    ToolResultMessage,
)
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.ports import Conversation, ProviderRequest
from perdure.domain.tools import ToolSpec
from perdure.providers.openai_wire import arguments_text, output_format, parameters
from perdure.providers.pairing import wire_items
from perdure.providers.schema import in_words
from perdure.providers.text import note_text, result_text

__all__ = ["NAME", "body", "convert"]

NAME = "openai-chat"


def body(request: ProviderRequest, *, compatible: bool) -> JsonObject:
    """The whole request. `compatible`: a server of others, which may know only the oldest names of fields."""
    instructions = request.instructions
    sent: JsonObject = {"model": request.model, "stream": True, "stream_options": {"include_usage": True}}
    sent["max_tokens" if compatible else "max_completion_tokens"] = request.max_output_tokens
    if request.output_schema is not None:
        output = output_format(request.output_schema)
        if output is None:
            instructions = f"{instructions}\n\n{in_words(request.output_schema)}".strip()
        else:
            sent["response_format"] = {"type": "json_schema", "json_schema": output}
    if request.tools:
        sent["tools"] = [_tool(spec) for spec in request.tools]
    if request.effort:
        sent["reasoning_effort"] = request.effort
    if request.cache_key and not compatible:
        sent["prompt_cache_key"] = request.cache_key
    head: list[JsonValue] = [{"role": "system", "content": instructions}] if instructions else []
    return {**sent, "messages": [*head, *_messages(request.conversation, compatible=compatible)]}


def _messages(conversation: Conversation, *, compatible: bool) -> list[JsonObject]:
    """Many servers fill a template that knows one system message, the first, and turns of the two sides that alternate.

    For them notes are text of the user's side, and what one side says in a row is one message.
    """
    if compatible:
        return wire_items(conversation, f"{NAME}:compatible", _plain, _join)
    return wire_items(conversation, NAME, convert)


def convert(message: Message) -> list[JsonObject]:
    """Wire messages of one message of the domain."""
    match message:
        case AssistantMessage():
            return _assistant(message)
        case ToolResultMessage():
            return [{"role": "tool", "tool_call_id": message.call_id, "content": result_text(message)}]
        case SystemMessage():
            return [{"role": "system", "content": message.text}]
        case _:
            return [{"role": "user", "content": message.text}]


def _plain(message: Message) -> list[JsonObject]:
    if isinstance(message, SystemMessage):
        return [{"role": "user", "content": note_text(message)}]
    return convert(message)


def _join(messages: list[JsonObject], message: JsonObject) -> None:
    last = messages[-1] if messages else {}
    plain = last.keys() == message.keys() == {"role", "content"}
    if plain and last["role"] == message["role"]:
        messages[-1] = {**message, "content": f"{last['content']}\n\n{message['content']}"}
    else:
        messages.append(message)


def _assistant(message: AssistantMessage) -> list[JsonObject]:
    own = message.provider == NAME
    sent: JsonObject = {"role": "assistant", "content": message.text or None}
    if calls := message.calls:
        sent["tool_calls"] = [_call(call, own=own) for call in calls]
    for part in message.content:
        if own and isinstance(part, OpaquePart) and part.provider == NAME:
            sent.update(part.item)
    return [sent] if message.text or message.calls else []


def _call(call: CallPart, *, own: bool) -> JsonObject:
    function: JsonObject = {"name": call.tool, "arguments": arguments_text(call)}
    return {"id": call.id, "type": "function", "function": function, **(call.extra if own else {})}


def _tool(spec: ToolSpec) -> JsonObject:
    schema, strict = parameters(spec)
    function: JsonObject = {"name": spec.name, "description": spec.description, "parameters": schema}
    if strict:
        function["strict"] = True
    return {"type": "function", "function": function}
