"""A Chat Completions server on loopback that plays the cases of all patterns with the real wire format."""

import json
from collections.abc import AsyncIterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.patterns.cases import Case
from tests.serving import Served
from tests.wire_formats import STREAMS
from tests.wire_script import WireStep

__all__ = ["CaseModel"]

PATH = "/v1/chat/completions"


class CaseModel(Served):
    """Answers a request for the model `NAME` with the step that the case of this name plays in its conversation."""

    def __init__(self, cases: Sequence[Case]) -> None:
        """Play these cases."""
        super().__init__(Starlette(routes=[Route(PATH, self._answer, methods=["POST"])]))
        self._scripts = {case.name: case.script for case in cases}
        self.asked: list[tuple[str, str]] = []
        """Model and beginning of the conversation of each request."""

    def env(self) -> dict[str, str]:
        """Environment variables that lead the SDK here."""
        return {"OPENAI_API_KEY": "case", "OPENAI_BASE_URL": f"{self.url}/v1"}

    async def _answer(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        messages, name = body["messages"], body["model"]
        opening = "\n".join(
            next((_text(message) for message in messages if message["role"] in roles), "")
            for roles in (("system", "developer"), ("user",))
        )
        self.asked.append((name, opening))
        script = self._scripts[name]
        conversations = script.get("conversations") or [{"when": "*", "steps": script["steps"]}]
        fitting = [each["steps"] for each in conversations if fnmatchcase(opening, each["when"])]
        turn = sum(message["role"] == "assistant" for message in messages)
        if not fitting or turn >= len(fitting[0]):
            words = f"the case {name} has no step {turn + 1} for a conversation that opens with {opening!r}"
            return JSONResponse({"error": {"message": words, "type": "invalid_request_error"}}, status_code=400)
        step = WireStep.model_validate(fitting[0][turn])
        if step.error is not None:
            return JSONResponse({"error": {"message": step.error.message}}, status_code=step.error.status)
        return StreamingResponse(_stream(step, turn), media_type="text/event-stream")


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


async def _stream(step: WireStep, turn: int) -> AsyncIterator[str]:
    for _, data in STREAMS[PATH](step, "case", turn):
        yield f"data: {json.dumps(data)}\n\n"
    yield "data: [DONE]\n\n"
