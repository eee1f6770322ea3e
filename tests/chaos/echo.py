"""A model that repeats the last question, at the wire of Chat Completions, and remembers when it was asked what."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tests.serving import Served
from tests.wire_formats import STREAMS
from tests.wire_script import WireStep

__all__ = ["EchoModel", "echo_of"]

PATH = "/v1/chat/completions"


def echo_of(question: str) -> str:
    """What the model answers to a question."""
    return f"you asked: {question}"


class EchoModel(Served):
    """The server; `asked` holds the time and the text of every question that it was asked."""

    def __init__(self, delay: float) -> None:
        """Answer after `delay` seconds."""
        super().__init__(Starlette(routes=[Route(PATH, self._answer, methods=["POST"])]))
        self._delay = delay
        self.asked: list[tuple[float, str]] = []

    def env(self) -> dict[str, str]:
        """Environment variables that lead the SDK here."""
        return {"OPENAI_API_KEY": "chaos", "OPENAI_BASE_URL": f"{self.url}/v1"}

    async def _answer(self, request: Request) -> StreamingResponse:
        body: dict[str, Any] = await request.json()
        question = [message["content"] for message in body["messages"] if message["role"] == "user"][-1]
        text = question if isinstance(question, str) else question[0]["text"]
        self.asked.append((time.time(), text))
        await asyncio.sleep(self._delay)
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        return StreamingResponse(_stream(WireStep(text=echo_of(text)), turn), media_type="text/event-stream")


async def _stream(step: WireStep, turn: int) -> AsyncIterator[str]:
    for _, data in STREAMS[PATH](step, "echo", turn):
        yield f"data: {json.dumps(data)}\n\n"
    yield "data: [DONE]\n\n"
