"""What the provider tests share: requests, and one call of a model by its full name."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

from perdure.domain.messages import AssistantMessage, CallPart, Message, TextPart, ToolResultMessage, UserMessage
from perdure.domain.ports import Conversation, ProviderReply, ProviderRequest
from perdure.domain.tools import Effect, ToolSpec
from perdure.providers import Providers
from tests.wire import WireServer

MODELS = ("anthropic:some-model", "openai:some-model", "openai-chat:some-model")
"""One model of each wire protocol."""

VENDORS = ("ANTHROPIC", "OPENAI")

ADD = ToolSpec(
    name="add",
    description="Add two numbers.",
    parameters={
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
    effect=Effect.PURE,
)


def nothing(_piece: str) -> None:
    """A `progress` that does not care."""


def asked(*messages: Message) -> Conversation:
    """A conversation, a plain question by default."""
    return Conversation(messages or (UserMessage(text="What is 2 + 3?"),))


def called(call_id: str = "c1", provider: str = "") -> AssistantMessage:
    """An assistant message with one call of `add`."""
    call = CallPart(id=call_id, tool="add", arguments={"a": 2, "b": 3})
    return AssistantMessage(content=(TextPart(text="Let me add."), call), provider=provider)


def result(call_id: str = "c1", text: str = "5") -> ToolResultMessage:
    """A result of `add`."""
    return ToolResultMessage(call_id=call_id, tool="add", text=text)


def request(conversation: Conversation | None = None, **fields: Any) -> ProviderRequest:
    """A request with sensible values for what a test does not care about."""
    given: dict[str, Any] = {"model": "some-model", "instructions": "Be brief.", "tools": (ADD,), **fields}
    return ProviderRequest(conversation=conversation or asked(), **given)


async def reply(
    model: str,
    conversation: Conversation | None = None,
    *,
    progress: Callable[[str], None] = nothing,
    read_timeout: float = 5,
    **fields: Any,
) -> ProviderReply:
    """One answer of `provider:model`, with the keys and addresses that the environment has now."""
    provider, name = _providers(read_timeout).resolve(model)
    return await provider.reply(request(conversation, model=name, **fields), progress)


_open: dict[tuple[object, ...], Providers] = {}


def _providers(read_timeout: float) -> Providers:
    """Providers that read the environment as it is now: making a client takes 70 ms, which tests share."""
    key = (read_timeout, *(os.environ.get(f"{each}_{name}") for each in VENDORS for name in ("API_KEY", "BASE_URL")))
    return _open.setdefault(key, Providers(read_timeout=read_timeout))


async def close_all() -> None:
    """Close what the tests opened."""
    while _open:
        await _open.popitem()[1].close()


async def ended(server: WireServer, seconds: float = 10) -> None:
    """Wait until the server has seen its first stream end; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not server.log[0]["ended"]:
        assert time.monotonic() < end, f"the stream is still open after {seconds} s"
        await asyncio.sleep(0.02)
