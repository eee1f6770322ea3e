"""The provider `anthropic`: the Messages API over the Anthropic SDK, streamed."""

from collections.abc import Callable
from contextlib import aclosing

import anthropic
from anthropic import AsyncAnthropic

from perdure.domain.errors import AuthenticationFailed, TruncatedStream
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.ports import ProviderReply, ProviderRequest
from perdure.providers import anthropic_wire as wire
from perdure.providers.anthropic_stream import Answer, said
from perdure.providers.faults import Vendor
from perdure.providers.line import Client, Line, timeouts

__all__ = ["AnthropicProvider"]

VENDOR = Vendor(wire.NAME, "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
_MAX_PAUSES = 4
"""How often a paused turn is sent back to be continued within one reply."""


class AnthropicProvider:
    """Speaks to Claude. Key and address come from the environment, as the SDK reads it, at the first use."""

    def __init__(self, *, read_timeout: float = 60) -> None:
        """`read_timeout`: seconds without a byte after which a connection counts as dead."""
        self._read_timeout = read_timeout
        self._line = Line(VENDOR, anthropic, self._connect)

    def _connect(self) -> Client:
        client = AsyncAnthropic(max_retries=0, timeout=timeouts(self._read_timeout))
        if not (client.api_key or client.auth_token or client.credentials):
            message = "anthropic: there is no key. Set ANTHROPIC_API_KEY in the worker's environment."
            raise AuthenticationFailed(message)
        return client

    def check(self, model: str) -> None:  # noqa: ARG002 - which models exist is only known by calling
        """Raise AuthenticationFailed when there is no key."""
        self._line.client()

    async def reply(self, request: ProviderRequest, progress: Callable[[str], None]) -> ProviderReply:
        """One answer of the model, streamed; a turn that the provider paused is continued."""
        body = wire.body(request)
        answer = Answer()
        for _ in range(1 + _MAX_PAUSES):
            async with aclosing(self._line.events("/v1/messages", body)) as events:
                async for event in events:
                    answer.take(event)
                    if piece := said(event):
                        progress(piece)
            if not answer.finish():
                return answer.reply(request.model)
            body = _continued(body, answer)
        message = f"anthropic:{request.model} paused its turn {1 + _MAX_PAUSES} times without ending it."
        raise TruncatedStream(message)

    async def close(self) -> None:
        """Release connections."""
        await self._line.close()


def _continued(body: JsonObject, answer: Answer) -> JsonObject:
    """The request again with what has been said so far at its end."""
    messages = body["messages"]
    said: list[JsonValue] = list(answer.blocks)
    return {
        **body,
        "messages": [*(messages if isinstance(messages, list) else []), {"role": "assistant", "content": said}],
    }
