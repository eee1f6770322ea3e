"""Server-sent events of the three protocols, written from the providers' documentation of their streams."""

import json
from collections.abc import Iterator
from typing import Any

from tests.wire_script import WireCall, WireError, WireStep

__all__ = ["STREAMS", "error_body"]

Events = Iterator[tuple[str, dict[str, Any]]]
"""Event name (empty: none on the wire) and data."""


def _raw(call: WireCall) -> str:
    return json.dumps(call.arguments) if call.raw is None else call.raw


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [half for half in (text[:middle], text[middle:]) if half]


def _call_id(call: WireCall, prefix: str, turn: int, index: int) -> str:
    return call.id or f"{prefix}_{turn}_{index}"


def anthropic(step: WireStep, model: str, turn: int) -> Events:
    """A stream of the Messages API."""
    usage = {
        "input_tokens": step.usage.get("input", 10),
        "output_tokens": 1,
        "cache_read_input_tokens": step.usage.get("cache_read", 0),
        "cache_creation_input_tokens": step.usage.get("cache_write", 0),
    }
    message: dict[str, Any] = {"id": f"msg_{turn}", "type": "message", "role": "assistant", "content": []}
    start = {**message, "model": model, "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield "message_start", {"type": "message_start", "message": start}
    yield "ping", {"type": "ping"}
    for index, (block, deltas) in enumerate(_anthropic_blocks(step, turn)):
        yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": block}
        for delta in deltas:
            yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}
        yield "content_block_stop", {"type": "content_block_stop", "index": index}
    stop = step.stop or ("refusal" if step.refusal else "tool_use" if step.calls else "end_turn")
    details = {"type": "refusal", "category": None, "explanation": step.refusal} if step.refusal else None
    delta = {"stop_reason": stop, "stop_sequence": None, "stop_details": details}
    yield (
        "message_delta",
        {
            "type": "message_delta",
            "delta": delta,
            "usage": {"output_tokens": step.usage.get("output", 5)},
        },
    )
    yield "message_stop", {"type": "message_stop"}


def _anthropic_blocks(step: WireStep, turn: int) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    if step.thinking:
        deltas = [{"type": "thinking_delta", "thinking": half} for half in _halves(step.thinking)]
        signature = {"type": "signature_delta", "signature": f"signed-{turn}"}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signature]
    if step.redacted:
        yield {"type": "redacted_thinking", "data": step.redacted}, []
    if step.text:
        block = {"type": "text", "text": "", "citations": None}
        yield block, [{"type": "text_delta", "text": half} for half in _halves(step.text)]
    for index, call in enumerate(step.calls):
        tool: dict[str, Any] = {"type": "tool_use", "id": _call_id(call, "toolu", turn, index), "name": call.tool}
        yield (
            {**tool, "input": {}},
            [{"type": "input_json_delta", "partial_json": half} for half in ["", *_halves(_raw(call))]],
        )


def responses(step: WireStep, model: str, turn: int) -> Events:
    """A stream of the Responses API."""
    base: dict[str, Any] = {"id": f"resp_{turn}", "object": "response", "model": model, "output": [], "error": None}
    yield from _numbered(_responses(step, base, turn))


def _numbered(events: Iterator[dict[str, Any]]) -> Events:
    for number, event in enumerate(events):
        yield event["type"], {**event, "sequence_number": number}


def _responses(step: WireStep, base: dict[str, Any], turn: int) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": {**base, "status": "in_progress", "usage": None}}
    items = list(_responses_items(step, turn))
    for index, item in enumerate(items):
        started = {"type": item["type"], "id": item["id"], "status": "in_progress"}
        yield {"type": "response.output_item.added", "output_index": index, "item": started}
        for half in _halves(step.text if item["type"] == "message" else ""):
            yield {"type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": half}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    read, write = step.usage.get("cache_read", 0), step.usage.get("cache_write", 0)
    usage = {
        "input_tokens": step.usage.get("input", 10) + read + write,
        "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": write},
        "output_tokens": step.usage.get("output", 5),
    }
    end: dict[str, Any] = {**base, "status": "completed", "output": items, "usage": usage}
    if step.stop:
        yield {
            "type": "response.incomplete",
            "response": {**end, "status": "incomplete", "incomplete_details": {"reason": step.stop}},
        }
    else:
        yield {"type": "response.completed", "response": end}


def _responses_items(step: WireStep, turn: int) -> Iterator[dict[str, Any]]:
    if step.thinking:
        yield {
            "type": "reasoning",
            "id": f"rs_{turn}",
            "summary": [{"type": "summary_text", "text": step.thinking}],
            "encrypted_content": f"sealed-{turn}",
        }
    content: list[dict[str, Any]] = []
    if step.refusal:
        content = [{"type": "refusal", "refusal": step.refusal}]
    elif step.text:
        content = [{"type": "output_text", "text": step.text, "annotations": []}]
    if content:
        message = {"type": "message", "id": f"msg_{turn}", "role": "assistant", "status": "completed"}
        yield {**message, "phase": "commentary" if step.calls else "final_answer", "content": content}
    for index, call in enumerate(step.calls):
        call_id, name = _call_id(call, "call", turn, index), call.tool
        item = {"type": "function_call", "id": f"fc_{turn}_{index}", "status": "completed"}
        yield {**item, "call_id": call_id, "name": name, "arguments": _raw(call)}


def chat(step: WireStep, model: str, turn: int) -> Events:
    """A stream of Chat Completions, usage in a last chunk of its own."""
    base: dict[str, Any] = {"id": f"chatcmpl-{turn}", "object": "chat.completion.chunk", "model": model}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> tuple[str, dict[str, Any]]:
        return "", {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    for half in _halves(step.thinking):
        yield chunk({"reasoning_content": half})
    for half in _halves(step.text):
        yield chunk({"content": half})
    for half in _halves(step.refusal):
        yield chunk({"refusal": half})
    for index, call in enumerate(step.calls):
        head = {"index": index, "id": _call_id(call, "call", turn, index), "type": "function"}
        yield chunk({"tool_calls": [{**head, "function": {"name": call.tool, "arguments": ""}}]})
        for half in _halves(_raw(call)):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": half}}]})
    yield chunk({}, step.stop or ("tool_calls" if step.calls else "stop"))
    read, write = step.usage.get("cache_read", 0), step.usage.get("cache_write", 0)
    usage = {
        "prompt_tokens": step.usage.get("input", 10) + read + write,
        "completion_tokens": step.usage.get("output", 5),
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": write},
    }
    yield "", {**base, "choices": [], "usage": usage}


STREAMS = {"/v1/messages": anthropic, "/v1/responses": responses, "/v1/chat/completions": chat}
"""The stream of each protocol, by path."""

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error"}


def error_body(path: str, error: WireError) -> dict[str, Any]:
    """An error as the protocol of this path words it."""
    kind = error.code or _TYPES.get(error.status, "api_error")
    message = error.message or f"scripted failure {error.status}"
    if path == "/v1/messages":
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_wire"}
    return {"error": {"message": message, "type": kind, "code": error.code or None, "param": None}}
