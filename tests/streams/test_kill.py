"""SIGKILL of the worker and of readers while the model speaks: the outcome stays, every character comes once."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.client import Client

from perdure.domain.events import StreamEvent
from perdure.domain.run import RunResult
from perdure.settings import load_settings
from perdure.streams import Texts, streams_from
from perdure.testing import eventually
from perdure.testing.history import chain_of
from tests.chaos.workers import ROOT, environment_of, kept_worker
from tests.serving import Served
from tests.streams.model_server import SlowModel
from tests.streams.reader import events_in

WORDS = tuple(f"{number} ä😀 " for number in range(300))
WHOLE, HALF = "".join(WORDS), "".join(WORDS[: len(WORDS) // 2])
SECONDS = 60.0


@pytest.fixture(params=["files", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the events lie."""
    return str(tmp_path / "events") if request.param == "files" else request.getfixturevalue("redis_url")


def view_of(events: list[StreamEvent]) -> str:
    """What somebody who reads these events has of the answer."""
    view = Texts()
    for event in events:
        view.apply(event)
    return view.text("turn-1")


@asynccontextmanager
async def reader(workflow_id: str, file: Path, environment: dict[str, str]) -> AsyncGenerator[None]:
    """A reader in a process of its own, killed when the block ends; it goes on from what the file has."""
    command = (sys.executable, "-m", "tests.streams.reader", workflow_id, str(file))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env={**os.environ, **environment})
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def test_kills_in_the_middle_of_a_stream(
    client: Client, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader dies in the first attempt, the worker after half of it, a second reader in the next attempt."""
    name, file = f"stream-kill-{tmp_path.name}", tmp_path / "read"
    model = SlowModel(WORDS, stalls=1, pause=0.005)

    async def read() -> tuple[int, int]:
        events = [each for each in events_in(file) if each.kind == "text"]
        return (events[-1].epoch, len(view_of(events))) if events else (0, 0)

    with Served(model.app()) as server:
        environment = environment_of(client, name, tmp_path)
        environment |= {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "chaos", "PERDURE_STREAMS": place}
        async with kept_worker(environment, tmp_path / "log") as worker:
            given = {"goal": "speak", "model": "openai-chat:m"}
            run = await client.start_workflow("Agent", given, id=name, task_queue=name, result_type=RunResult)
            async with reader(name, file, environment):
                await eventually(read, lambda seen: seen > (1, 20), SECONDS)
            async with reader(name, file, environment):
                await eventually(read, lambda seen: seen >= (1, len(HALF)), SECONDS)
                assert await worker.kill()
                await eventually(read, lambda seen: seen > (2, 20), SECONDS)
            async with reader(name, file, environment):
                result = await asyncio.wait_for(run.result(), SECONDS)
                await eventually(read, lambda seen: seen >= (2, len(WHOLE)), SECONDS)
        history = await chain_of(client, run)
    assert (result.success, result.output, result.turns) == (True, WHOLE, 1)
    assert (history.count("llm.reply"), len(worker.deaths)) == (1, 1)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    streams = streams_from(load_settings())
    everything = await streams.read(name, "", 10_000)
    await streams.close()
    check(everything, events_in(file), model.requests)


def check(everything: list[StreamEvent], read: list[StreamEvent], attempts: int) -> None:
    """The readers had each event once; what counts is the answer, what does not is the lost half before it."""
    assert read == everything[: len(read)]
    assert view_of(read) == view_of(everything) == WHOLE
    assert attempts > 1
    said = dict.fromkeys(range(1, attempts + 1), "")
    for event in everything:
        said[event.epoch] += event.text if event.kind == "text" else ""
    assert all(WHOLE.startswith(text) for text in said.values())
    assert (said[1], said[attempts]) == (HALF, WHOLE)
    told = [(each.kind, each.epoch) for each in everything if each.kind.startswith("segment")]
    later = [(kind, epoch) for epoch in range(2, attempts + 1) for kind in ("segment.reset", "segment.start")]
    assert told == [("segment.start", 1), *later, ("segment.end", attempts)]
