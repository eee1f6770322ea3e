"""What runs stream, and that none of it is in their histories."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from perdure.domain.errors import Overloaded
from perdure.domain.events import StreamEvent
from perdure.streams import Texts
from perdure.testing import ALLOW_ALL, Environment, agents, call
from perdure.tools import Registry, current_call
from perdure.tools.declare import declare
from perdure.tools.options import Options
from tests.serving import Served
from tests.streams.helpers import texts
from tests.streams.model_server import SlowModel


def dig(depth: int) -> str:
    """Dig, in a thread of the worker."""
    for meter in range(1, depth + 1):
        current_call().progress(f"{meter} m")
    return "a hole"


async def boil() -> str:
    """Boil, on the loop of the tools; what it says of itself cannot be said."""

    class Speechless:
        def __str__(self) -> str:
            raise ValueError

    current_call().progress("x" * 10_000)
    current_call().progress(Speechless())
    return "tea"


def registry() -> Registry:
    """Both tools."""
    found = Registry()
    tools: tuple[Callable[..., Any], ...] = (dig, boil)
    for each in tools:
        found.add(declare(each, Options("test", effect="idempotent")))
    return found


@pytest.fixture
async def env(client: Client) -> AsyncGenerator[Environment]:
    """A worker with tools that tell of their progress."""
    async with agents(registry(), client=client) as found:
        yield found


def kinds(events: list[StreamEvent]) -> list[tuple[str, str]]:
    """Kind and segment of events, texts that follow each other as one."""
    pairs = [(each.kind, each.segment) for each in events]
    return [pair for place, pair in enumerate(pairs) if pair != pairs[place - 1] or not place]


async def test_an_answer_is_streamed_and_leaves_no_trace_in_the_history(env: Environment) -> None:
    """Begun, said, ended, paid."""
    await env.run("say it", model=env.model(["one two three"]))
    events = await env.events()
    assert kinds(events)[:4] == [(kind, "turn-1") for kind in ("segment.start", "text", "segment.end", "budget")]
    assert "".join(texts([each for each in events if each.kind == "text"])) == "one two three"
    end = next(each for each in events if each.kind == "segment.end")
    assert (end.text, end.data["stop"]) == ("one two three", "end")
    budget = next(each for each in events if each.kind == "budget")
    assert (budget.data["input_tokens"], budget.data["output_tokens"], budget.data["cost_usd"]) == (10, 5, 0)
    assert (await env.history()).activities == ["run.prepare", "llm.reply"]


async def test_a_thousand_tokens_over_http_add_no_event_to_the_history(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn has the same events for one piece of text as for a thousand, the three of the model call among them."""
    histories: list[list[int]] = []
    streamed: list[int] = []
    for count in (1, 1_000):
        model = SlowModel([f"word{number} " for number in range(count)], stalls=0, pause=0.002)
        with Served(model.app()) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
            monkeypatch.setenv("OPENAI_API_KEY", "stream")
            async with agents(registry(), client=env.client) as fresh:
                result = await fresh.run("speak", model="openai-chat:m")
                events, history = await fresh.events(), await fresh.history()
        assert result.output == "".join(model.words)
        assert len(model.sent) == count
        streamed.append(sum(each.kind == "text" for each in events))
        histories.append([event.event_type for event in history.events])
    few, many = histories
    assert many == few
    assert many.count(EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED) == len(("run.prepare", "llm.reply"))
    assert streamed[0] == 1
    assert streamed[1] > 5


async def test_a_lost_attempt_is_void_before_the_next_one_speaks(env: Environment) -> None:
    """The epoch counts attempts."""
    await env.run("say it", model=env.model([Overloaded("busy", retry_after=0), "finally"]))
    events = [each for each in await env.events() if each.segment == "turn-1"]
    assert [(each.kind, each.epoch) for each in events if each.kind != "text"] == [
        ("segment.start", 1),
        ("segment.reset", 2),
        ("segment.start", 2),
        ("segment.end", 2),
        ("budget", 2),
    ]


async def test_tools_tell_of_their_progress_from_threads_and_loops(env: Environment) -> None:
    """In order, between beginning and end, each as long as it may be; nothing that they say makes them fail."""
    model = env.model([call("dig", depth=3), call("boil"), "done"])
    await env.run("work", model=model, policy=ALLOW_ALL)
    events = await env.events()
    first, second = ([each for each in events if each.segment == segment] for segment in ("call-1", "call-2"))
    assert texts(first) == ["", "1 m", "2 m", "3 m", "a hole"]
    assert [each.kind for each in first] == ["tool.start", *["tool.progress"] * 3, "tool.end"]
    assert first[0].data["arguments"] == {"depth": 3}
    assert texts(second) == ["", "x" * 2_000, "tea"]


async def test_an_answer_too_long_for_the_stream_says_so_at_its_end(env: Environment) -> None:
    """And readers who followed have all of it."""
    long = "word " * 80_000
    await env.run("talk", model=env.model([long]))
    events, view = await env.events(), Texts()
    for each in events:
        view.apply(each)
    end = next(each for each in events if each.kind == "segment.end")
    assert (end.data["cut"], end.data["size"], len(end.text)) == (True, len(long), 262_144)
    assert view.text("turn-1") == long


async def test_a_place_that_cannot_be_written_stops_no_run(client: Client, tmp_path: Path) -> None:
    """The stream is for people who read along."""
    (tmp_path / "taken").touch()
    async with agents(registry(), client=client, settings={"streams": str(tmp_path / "taken")}) as env:
        result = await asyncio.wait_for(env.run("say it", model=env.model(["hello"])), 60)
    assert result.output == "hello"
