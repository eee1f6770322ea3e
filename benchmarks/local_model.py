"""A model on loopback in a process of its own, light enough for ten thousand turns: it keeps nothing but a log file.

    python benchmarks/local_model.py --calls N [--log FILE] [--tool NAME]

It speaks Chat Completions, streamed and whole. Every request is received in full; the number of the last call in it
says which is next: after call N-1 comes the final text. A request for a summary gets one. The log has a line per
request: the number of the turn from 0 (-1: a summary), the time in seconds, the bytes of the body.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, NamedTuple, TextIO

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # run as a file, from anywhere

from benchmarks.prose import said, text_of
from perdure.domain.summary import INSTRUCTIONS

__all__ = ["MODEL", "Asked", "LocalModel", "local_model"]

MODEL = "local"
SUMMARY_BYTES = 2_000
CHARACTERS_PER_TOKEN = 4
HEAD = 30_000
"""Bytes in which a request shows whether it is streamed and what its instructions are."""
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CALL = b'"call_'
_STREAMED = re.compile(rb'"stream": ?true')
_SUMMARY = INSTRUCTIONS.partition(".")[0].encode()


class Asked(NamedTuple):
    """One request: turn from 0 (-1: a summary), seconds, bytes of its body."""

    turn: int
    at: float
    size: int


class _Server:
    """Answers requests, one after the other on each connection."""

    def __init__(self, calls: int, tool: str, log: TextIO | None) -> None:
        self._calls = calls
        self._tool = tool
        self._log = log

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the other side closes it."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                writer.write(self._answer(body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, body: bytes) -> bytes:
        head = body[:HEAD]
        if _SUMMARY in head:
            turn, message, finish = -1, {"content": text_of(0, SUMMARY_BYTES)}, "stop"
        else:
            turn = _next(body)
            message, finish = self._step(turn)
        if self._log is not None:
            self._log.write(f"{turn} {time.time():.6f} {len(body)}\n")
        tokens = len(body) // CHARACTERS_PER_TOKEN
        usage = {"prompt_tokens": tokens, "completion_tokens": 80, "total_tokens": tokens + 80}
        if _STREAMED.search(head):
            return _response("text/event-stream", _stream(message, finish, usage))
        return _response("application/json", _whole(message, finish, usage))

    def _step(self, turn: int) -> tuple[dict[str, Any], str]:
        if turn >= self._calls:
            return {"content": "done"}, "stop"
        function = {"name": self._tool, "arguments": json.dumps({"n": turn})}
        call = {"index": 0, "id": f"call_{turn}", "type": "function", "function": function}
        return {"content": said(turn), "tool_calls": [call]}, "tool_calls"


def _next(body: bytes) -> int:
    """Number of the next turn: one more than the last call that has a result in the request."""
    place = body.rfind(_CALL)
    if place < 0:
        return 0
    begin = place + len(_CALL)
    return int(body[begin : body.index(b'"', begin)]) + 1


def _stream(message: dict[str, Any], finish: str, usage: dict[str, int]) -> bytes:
    chunks: list[list[dict[str, Any]]] = [
        [{"index": 0, "delta": {"role": "assistant", **message}, "finish_reason": None}],
        [{"index": 0, "delta": {}, "finish_reason": finish}],
        [],
    ]
    lines = [json.dumps({"id": "c", "object": "chat.completion.chunk", "model": MODEL, "choices": c}) for c in chunks]
    lines[-1] = json.dumps({**json.loads(lines[-1]), "usage": usage})
    return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()


def _whole(message: dict[str, Any], finish: str, usage: dict[str, int]) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice], "usage": usage}
    return json.dumps(answer).encode()


def _response(kind: str, body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


class LocalModel(NamedTuple):
    """The server as its users see it: base URL, process id, log file."""

    url: str
    pid: int
    log: Path

    @property
    def env(self) -> dict[str, str]:
        """Environment that leads the SDK here."""
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "local-model-key"}

    def served(self) -> int:
        """How many requests there were."""
        return self.log.read_bytes().count(b"\n")

    def asked(self) -> list[Asked]:
        """Every request so far."""
        lines = self.log.read_text().splitlines()
        return [Asked(int(turn), float(at), int(size)) for turn, at, size in map(str.split, lines)]


@contextmanager
def local_model(calls: int, folder: Path, tool: str = "read_page") -> Generator[LocalModel]:
    """Run the server for the length of a block; its log lies in `folder`."""
    log = folder / f"model-{calls}.log"
    command = [sys.executable, str(Path(__file__)), "--calls", str(calls), "--log", str(log), "--tool", tool]
    with Popen(command, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield LocalModel(json.loads(process.stdout.readline())["url"], process.pid, log)
        finally:
            process.kill()


async def main() -> None:
    """Serve until killed; the first line of output is `{"url": …}`."""
    options = argparse.ArgumentParser(prog="benchmarks/local_model.py")
    options.add_argument("--calls", type=int, required=True)
    options.add_argument("--log", type=Path)
    options.add_argument("--tool", default="read_page")
    given = options.parse_args()
    log = given.log.open("w", buffering=1) if given.log else None
    service = _Server(given.calls, given.tool, log)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0, limit=1 << 20)
    print(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"}), flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        os._exit(130)
