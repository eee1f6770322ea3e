"""The provider `openai-chat`: Chat Completions of OpenAI or any compatible server, over the OpenAI SDK, streamed."""

import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import cast

import openai
from openai import AsyncOpenAI

from perdure.domain.model import JsonObject
from perdure.domain.ports import ProviderReply, ProviderRequest, TokenUsage
from perdure.providers import openai_chat_wire as wire
from perdure.providers.faults import Vendor
from perdure.providers.line import Line
from perdure.providers.openai import BASE_URL, KEY, openai_client
from perdure.providers.openai_chat_stream import Answer, said
from perdure.providers.text import estimate

__all__ = ["OpenAIChatProvider"]

VENDOR = Vendor(wire.NAME, KEY, BASE_URL)


class OpenAIChatProvider:
    """Speaks Chat Completions. Key and address come from the environment, as the SDK reads it, at the first use."""

    def __init__(self, *, read_timeout: float = 60) -> None:
        """`read_timeout`: seconds without a byte after which a connection counts as dead."""
        self._line = Line(VENDOR, openai, lambda: openai_client(wire.NAME, read_timeout))

    def check(self, model: str) -> None:  # noqa: ARG002 - which models exist is only known by calling
        """Raise AuthenticationFailed when there is neither a key nor a server of one's own."""
        self._line.client()

    async def reply(self, request: ProviderRequest, progress: Callable[[str], None]) -> ProviderReply:
        """One answer of the model, streamed. Where the server counts no tokens, usage is an estimate."""
        client = cast("AsyncOpenAI", self._line.client())
        body = wire.body(request, compatible=not str(client.base_url.host).endswith("openai.com"))
        answer = Answer(request.model, request.turn)
        async with aclosing(self._line.events("/chat/completions", body)) as events:
            async for event in events:
                answer.take(event)
                if piece := said(event):
                    progress(piece)
        reply = answer.reply()
        return reply if reply.usage.input else replace(reply, usage=_estimated(body, reply))

    async def close(self) -> None:
        """Release connections."""
        await self._line.close()


def _estimated(body: JsonObject, reply: ProviderReply) -> TokenUsage:
    said = reply.message.model_dump_json(exclude_defaults=True)
    return TokenUsage(input=estimate(len(json.dumps(body, ensure_ascii=False))), output=estimate(len(said)))
