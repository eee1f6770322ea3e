"""A model on loopback that the test holds in its hand: it speaks Chat Completions, word by word, as far as told."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

__all__ = ["SlowModel"]


@dataclass
class SlowModel:
    """Says its words; in the first `stalls` requests only half of them, and then nothing more.

    `requests` is how often it was asked, `sent` when each word left, `pause` the seconds between two words.
    """

    words: Sequence[str]
    stalls: int = 1
    pause: float = 0.0
    requests: int = 0
    sent: list[float] = field(default_factory=list[float])

    async def answer(self, request: Request) -> Response:
        """Stream one answer."""
        await request.body()
        self.requests += 1
        return StreamingResponse(self._chunks(stall=self.requests <= self.stalls), media_type="text/event-stream")

    async def _chunks(self, *, stall: bool) -> AsyncIterator[str]:
        said = self.words[: len(self.words) // 2] if stall else self.words
        for word in said:
            self.sent.append(time.time())
            yield _chunk({"delta": {"content": word}})
            await asyncio.sleep(self.pause)
        if stall:
            await asyncio.Event().wait()
        yield _chunk({"delta": {}, "finish_reason": "stop"})
        yield "data: [DONE]\n\n"

    def app(self) -> Starlette:
        """The ASGI application; its API lies under /v1."""
        return Starlette(routes=[Route("/v1/chat/completions", self.answer, methods=["POST"])])


def _chunk(choice: dict[str, object]) -> str:
    return f"data: {json.dumps({'model': 'm', 'choices': [{'index': 0, **choice}]})}\n\n"
