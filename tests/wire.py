"""A model provider on loopback with the real wire formats: `python -m tests.wire --port 0 --script FILE.yaml`.

It speaks Anthropic Messages at /v1/messages, OpenAI Responses at /v1/responses and Chat Completions at
/v1/chat/completions, plays the script by the number of assistant turns in each request, and logs every request
(GET /_log, and as JSON lines in the file of --log).
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.serving import Served
from tests.wire_formats import STREAMS, error_body
from tests.wire_script import (
    Play,
    WireError,
    WireStep,
    asks_for_summary,
    conversation_of,
    has_no_answers,
    read_plays,
    turn_of,
)

__all__ = ["WireServer"]

_REQUEST_ID = {"request-id": "req_wire", "x-request-id": "req_wire"}


class _DroppedError(Exception):
    """Raised inside a body so that the server drops the connection."""


@dataclass
class Wire:
    """The script and what has been asked. `log` holds one entry per request, `ended` is set when its stream closed."""

    plays: tuple[Play, ...]
    file: Path | None = None
    log: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _attempts: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    _answered: dict[str, int] = field(default_factory=dict[str, int])

    def begin(self, plays: tuple[Play, ...]) -> None:
        """Forget all that was, and play this."""
        self.plays, self.log = plays, []
        self._attempts.clear()
        self._answered.clear()

    async def answer(self, request: Request) -> Response:
        """Play one request."""
        path, body = request.url.path, cast("dict[str, Any]", await request.json())
        conversation, turn = conversation_of(body), turn_of(path, body, self.plays)
        if has_no_answers(path, body):
            turn = self._answered.get(conversation, 0)
        self._attempts[conversation, turn] += 1
        attempt = self._attempts[conversation, turn]
        entry: dict[str, Any] = {
            "path": path,
            "turn": turn,
            "attempt": attempt,
            "body": body,
            "ended": False,
            "at": time.time(),
        }
        entry["authorization"] = request.headers.get("authorization", "")
        entry["summary"] = asks_for_summary(body)
        self._note(entry)
        if entry["summary"]:
            step = WireStep(text=f"[wire summary of {len(json.dumps(body))} characters]")
            return StreamingResponse(self._events(path, step, entry), media_type="text/event-stream")
        if turn >= len(self.plays):
            return _failure(path, WireError(status=400, message=f"the script has no step for turn {turn + 1}"))
        play = self.plays[turn]
        self._answered[conversation] = turn if play.error(attempt) else turn + 1
        await asyncio.sleep(play.delay)
        if (error := play.error(attempt)) is not None:
            return _failure(path, cast("WireError", error))
        events = self._events(path, cast("WireStep", play.answer), entry)
        return StreamingResponse(events, media_type="text/event-stream", headers=_REQUEST_ID)

    def _note(self, entry: dict[str, Any]) -> None:
        self.log.append(entry)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")

    async def _events(self, path: str, step: WireStep, entry: dict[str, Any]) -> AsyncIterator[bytes]:
        fault, spoken = step.fault, False
        try:
            for name, data in STREAMS[path](step, str(entry["body"]["model"]), entry["turn"]):
                yield _sse(name, json.dumps(data))
                await asyncio.sleep(0)
                said = json.dumps(data)
                spoken = spoken or ("delta" in said and step.text[:4] in said)
                if fault and spoken:
                    async for piece in _broken(fault, path):
                        yield piece
                    return
            if path == "/v1/chat/completions":
                yield _sse("", "[DONE]")
        finally:
            entry["ended"] = True

    def app(self) -> Starlette:
        """The ASGI application."""

        async def log(_: Request) -> Response:
            return JSONResponse(self.log)

        routes = [Route(path, self.answer, methods=["POST"]) for path in STREAMS]
        return Starlette(routes=[*routes, Route("/_log", log)])


def _sse(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode() if name else f"data: {data}\n\n".encode()


async def _broken(fault: str, path: str) -> AsyncIterator[bytes]:
    match fault:
        case "disconnect":
            raise _DroppedError
        case "malformed":
            yield _sse("content_block_delta", '{"type": "content_bl')
        case "stall":
            await asyncio.Event().wait()
        case "error":
            error = WireError(status=529, code="overloaded_error", message="too much to do")
            event = {"type": "error", "code": error.code, "message": error.message, "param": None}
            yield _sse("error", json.dumps(event if path == "/v1/responses" else error_body(path, error)))
        case _:
            return


def _failure(path: str, error: WireError) -> Response:
    headers = dict(_REQUEST_ID)
    if error.retry_after is not None:
        headers["retry-after"] = f"{error.retry_after:g}"
    return JSONResponse(error_body(path, error), status_code=error.status, headers=headers)


class WireServer(Served):
    """The server in a thread of this process: `with WireServer([{"text": "hi"}]) as server`.

    `url` is its root: ANTHROPIC_BASE_URL is `url`, OPENAI_BASE_URL is `url + "/v1"`.
    """

    def __init__(
        self, script: Path | Sequence[Mapping[str, object]], *, port: int = 0, log: Path | None = None
    ) -> None:
        self._wire = Wire(read_plays(script), log)
        super().__init__(self._wire.app(), port)

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every request so far."""
        return self._wire.log

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of every request so far."""
        return [entry["body"] for entry in self.log]

    def play(self, script: Path | Sequence[Mapping[str, object]]) -> None:
        """Begin another script with an empty log; streams that are still open go on writing to the old one."""
        self._wire.begin(read_plays(script))

    def env(self) -> dict[str, str]:
        """Environment variables that lead the SDKs here."""
        keys = {"ANTHROPIC_API_KEY": "wire-anthropic-key", "OPENAI_API_KEY": "wire-openai-key"}
        return {**keys, "ANTHROPIC_BASE_URL": self.url, "OPENAI_BASE_URL": f"{self.url}/v1"}


def main() -> None:
    """Serve until killed; the first line of output is `{"url": …, "env": {…}}`."""
    options = argparse.ArgumentParser(prog="python -m tests.wire")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--script", type=Path, required=True)
    options.add_argument("--log", type=Path)
    given = options.parse_args()
    server = WireServer(given.script, port=given.port, log=given.log)
    print(json.dumps({"url": server.url, "env": server.env()}), flush=True)  # noqa: T201 - the address is the output
    server.serve()


if __name__ == "__main__":
    main()
