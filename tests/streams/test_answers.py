"""One answer as its activity tells of it: broken off, and cut in the middle of a character."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.answering import Answer
from activities.conversations import Conversations
from activities.llm import LlmActivities
from perdure.domain.agents import AgentSpec
from perdure.domain.context import View
from perdure.domain.events import StreamEvent
from perdure.domain.messages import AssistantMessage, TextPart, UserMessage
from perdure.domain.ports import Price, ProviderReply, ProviderRequest
from perdure.domain.run import Basis, ModelReply, ModelRequest, Setup
from perdure.domain.transcript import Transcript
from tests.streams.helpers import texts

SETUP = Setup(agent=AgentSpec(name="a"), model="test:m", instructions="", price=Price(input=1_000_000, output=0))


@dataclass
class Told:
    """Events that were put, and whether they were written."""

    events: list[StreamEvent] = field(default_factory=list[StreamEvent])
    urgent: list[str] = field(default_factory=list[str])
    flushed: int = 0
    hangs: bool = False

    def put(self, workflow_id: str, event: StreamEvent, *, urgent: bool = False) -> None:
        """Keep it."""
        assert workflow_id == "test"
        self.events.append(event)
        self.urgent += [event.text] if urgent else []

    async def flush(self, workflow_id: str) -> None:
        """Count, or hang."""
        assert workflow_id == "test"
        self.flushed += 1
        if self.hangs:
            await asyncio.Event().wait()


@dataclass
class Slow:
    """A provider that says something and then nothing, until it is cancelled."""

    saying: str
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: bool = False

    def resolve(self, model: str) -> tuple["Slow", str]:
        """This one for every name."""
        return self, model

    def check(self, model: str) -> None:
        """Accept every name."""

    async def reply(self, request: ProviderRequest, progress: Callable[[str], None]) -> ProviderReply:
        """Hang."""
        assert request.attempt == 1
        progress(self.saying)
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled = True
        raise AssertionError

    async def close(self) -> None:
        """Hold nothing."""


def asked() -> ModelRequest:
    """A question of a run whose setup is known."""
    messages, transcript = (UserMessage(text="x" * 4_000),), Transcript()
    transcript.extend(messages)
    basis = Basis.of(SETUP, View(), 0).name
    return ModelRequest(transcript=transcript.ref, new=messages, max_output_tokens=10, basis=basis)


async def broken_off(client: Client, provider: Slow, told: Told, **details: Any) -> ModelReply:
    """Run the activity and cancel it in the middle of its answer."""
    conversations, environment = Conversations(client), ActivityEnvironment()
    conversations.remember("test", SETUP)
    activities = LlmActivities(provider, conversations, told)
    running = asyncio.create_task(environment.run(activities.reply, asked()))
    await provider.started.wait()
    environment.cancel(ActivityCancellationDetails(**details))
    return await running


async def test_a_run_that_breaks_in_gets_what_was_said_so_far(client: Client) -> None:
    """The provider's line is closed; usage is an estimate of what was sent and said."""
    provider, told = Slow("so far so "), Told()
    reply = await broken_off(client, provider, told, cancel_requested=True)
    assert (reply.stop, reply.message) == ("interrupted", AssistantMessage(content=(TextPart(text="so far so "),)))
    assert provider.cancelled
    assert reply.usage.input == pytest.approx(1_000, rel=0.05)
    assert (reply.usage.output, reply.cost_usd) == (3, reply.usage.input)
    end = told.events[-2]
    assert (end.kind, end.text, end.data["interrupted"]) == ("segment.end", "so far so ", True)


async def test_a_worker_that_shuts_down_leaves_the_call_to_another(client: Client) -> None:
    """Nothing is told as if it were an answer."""
    told = Told()
    with pytest.raises(asyncio.CancelledError):
        await broken_off(client, Slow("so far"), told, worker_shutdown=True)
    assert "segment.end" not in [each.kind for each in told.events]


async def test_a_cancellation_while_events_are_written_keeps_the_answer() -> None:
    """It is paid for."""
    told = Told(hangs=True)
    ending = asyncio.create_task(
        Answer(told, "test", "run", 1, 1).end(ModelReply(message=AssistantMessage(), stop="end"))
    )
    await asyncio.sleep(0)
    ending.cancel()
    await ending
    assert told.flushed == 1


def test_a_character_that_comes_in_halves_is_told_whole() -> None:
    """And the first words are told at once, the others soon."""
    told = Told()
    answer = Answer(told, "test", "run", 1, 1)
    for piece in ("a\ud83d", "\ude00", "b"):
        answer.say(piece)
    assert texts(told.events) == ["a", "😀", "b"]
    assert answer.text == "a😀b"
    assert told.urgent == ["a"]
