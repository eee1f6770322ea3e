"""The provider `openai`: the Responses API over the OpenAI SDK, streamed."""

import os
from collections.abc import Callable
from contextlib import aclosing

import httpx2
import openai
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from perdure.domain.errors import AuthenticationFailed
from perdure.domain.ports import ProviderReply, ProviderRequest
from perdure.providers import openai_wire as wire
from perdure.providers.faults import Vendor
from perdure.providers.line import Line, timeouts
from perdure.providers.openai_stream import Answer, said

__all__ = ["OpenAIProvider", "openai_client"]

KEY, BASE_URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"
VENDOR = Vendor(wire.NAME, KEY, BASE_URL)


class OpenAIProvider:
    """Speaks the Responses API. Key and address come from the environment, as the SDK reads it, at the first use."""

    def __init__(self, *, read_timeout: float = 60) -> None:
        """`read_timeout`: seconds without a byte after which a connection counts as dead."""
        self._line = Line(VENDOR, openai, lambda: openai_client(wire.NAME, read_timeout))

    def check(self, model: str) -> None:  # noqa: ARG002 - which models exist is only known by calling
        """Raise AuthenticationFailed when there is no key."""
        self._line.client()

    async def reply(self, request: ProviderRequest, progress: Callable[[str], None]) -> ProviderReply:
        """One answer of the model, streamed."""
        answer = Answer(VENDOR, request.model)
        async with aclosing(self._line.events("/responses", wire.body(request))) as events:
            async for event in events:
                answer.take(event)
                if piece := said(event):
                    progress(piece)
        return answer.reply()

    async def close(self) -> None:
        """Release connections."""
        await self._line.close()


def openai_client(name: str, read_timeout: float) -> AsyncOpenAI:
    """A client that never retries. Without a key it works only where OPENAI_BASE_URL names a server of one's own."""
    if os.environ.get(KEY) or os.environ.get("OPENAI_ADMIN_KEY"):
        return AsyncOpenAI(max_retries=0, timeout=timeouts(read_timeout))
    if not os.environ.get(BASE_URL):
        message = (
            f"{name}: there is no key. Set {KEY} in the worker's environment, "
            f"or {BASE_URL} for a server that needs none."
        )
        raise AuthenticationFailed(message)
    return AsyncOpenAI(
        api_key="none",  # the SDK insists on one; the hook keeps it off the wire
        http_client=DefaultAsyncHttpxClient(event_hooks={"request": [_without_key]}),
        max_retries=0,
        timeout=timeouts(read_timeout),
    )


async def _without_key(request: httpx2.Request) -> None:
    request.headers.pop("Authorization", None)
