"""How long text takes from the model's server to a reader: the first piece of an answer, over server-sent events.

    uv run python benchmarks/first_token.py [--short]

A model on loopback notes when it sends its first piece of text. A worker process streams it to files, `starter.py
serve` reads them, and a reader of `/api/runs/{id}/events` notes when the piece is there. Beside it the bare way: the
same piece from the same server to an HTTP client, with nothing between.
"""

import asyncio
import json
import math
import os
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, from anywhere

import httpx2

from benchmarks.place import ROOT, Place, place

ROUNDS, SHORT_ROUNDS = 40, 8
BOUND = 150.0
"""Milliseconds, for the median and for the 95th percentile."""
WORDS = 5
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@dataclass
class Model:
    """Speaks Chat Completions; says nothing until a reader is there, and then notes when its first text left."""

    listening: asyncio.Event = field(default_factory=asyncio.Event)
    sent: float = 0.0
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request with some words, 10 ms apart."""
        head = await reader.readuntil(b"\r\n\r\n")
        size = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        await reader.readexactly(int(size.split(b":")[1]))
        writer.write(HEAD)
        await self.listening.wait()
        with suppress(ConnectionError):  # who only waits for the first piece leaves then
            await self._speak(writer)
        writer.close()

    async def _speak(self, writer: asyncio.StreamWriter) -> None:
        for number in range(WORDS):
            writer.write(_chunk({"delta": {"content": f"word{number} "}}))
            if number == 0:
                self.sent = time.perf_counter()
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.write(_chunk({"delta": {}, "finish_reason": "stop"}) + b"data: [DONE]\n\n")
        await writer.drain()


def _chunk(choice: dict[str, object]) -> bytes:
    return f"data: {json.dumps({'model': 'm', 'choices': [{'index': 0, **choice}]})}\n\n".encode()


@asynccontextmanager
async def model_server() -> AsyncGenerator[Model]:
    """The model for the length of a block."""
    model = Model()
    server = await asyncio.start_server(model.answer, "127.0.0.1", 0)
    model.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield model


@asynccontextmanager
async def facade(here: Place) -> AsyncGenerator[str]:
    """`starter.py serve` for the length of a block; its address."""
    command = (sys.executable, str(ROOT / "starter.py"), "serve", "--port", "0", "-o", "jsonl")
    environment = {**os.environ, **here.environment}
    with (here.folder / "serve.log").open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=here.folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=errors
        )
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        assert line, (here.folder / "serve.log").read_text()
        yield json.loads(line)["address"]
    finally:
        process.kill()
        await process.wait()


async def streamed(here: Place, http: httpx2.AsyncClient, model: Model, name: str) -> float:
    """Milliseconds from the model to the reader of a run's events."""
    model.listening.clear()
    given = {"goal": "speak", "model": "openai-chat:m"}
    handle = await here.client.start_workflow("Agent", given, id=name, task_queue=here.task_queue)
    async with http.stream("GET", f"/api/runs/{name}/events") as answer:
        answer.raise_for_status()
        lines = answer.aiter_lines()
        async for line in lines:
            if line == "event: segment.start":
                model.listening.set()
            if line == "event: text":
                taken = time.perf_counter() - model.sent
                break
        else:
            raise AssertionError("the stream has ended without text")
    await handle.result()
    return taken * 1000


async def bare(http: httpx2.AsyncClient, model: Model) -> float:
    """Milliseconds from the model to a client that asks it itself."""
    model.listening.set()
    async with http.stream("POST", f"{model.url}/chat/completions", json={}) as answer:
        async for line in answer.aiter_lines():
            if "content" in line:
                return (time.perf_counter() - model.sent) * 1000
    raise AssertionError("the answer has ended without text")


def row(what: str, times: Sequence[float], *, judged: bool) -> bool:
    """Print one line of the table; says whether the bound holds."""
    median, late = statistics.median(times), sorted(times)[math.ceil(len(times) * 0.95) - 1]
    good = late <= BOUND
    word = ("PASS" if good else "FAIL") if judged else "for comparison"
    print(f"{what:34s} {median:10.1f} {late:10.1f} {max(times):10.1f}   {word}")
    return good or not judged


async def main(rounds: int) -> bool:
    """Print the table; says whether the bound holds."""
    async with place() as here, model_server() as model:
        key = {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "local-model-key"}
        async with here.worker(**key), facade(here) as address, httpx2.AsyncClient(base_url=address) as http:
            await streamed(here, http, model, "warm")
            ours = [await streamed(here, http, model, f"run-{number}") for number in range(rounds)]
            theirs = [await bare(http, model) for _ in range(rounds)]
    print(f"First text of an answer, from the model to a reader, {rounds} runs (p95 <= {BOUND:.0f} ms):")
    print(f"{'':34s} {'median ms':>10s} {'p95 ms':>10s} {'max ms':>10s}")
    row("plain HTTP client, nothing between", theirs, judged=False)
    return row("worker, files, serve, SSE", ours, judged=True)


if __name__ == "__main__":
    good = asyncio.run(main(SHORT_ROUNDS if "--short" in sys.argv else ROUNDS))
    sys.stdout.flush()
    os._exit(0 if good else 1)
