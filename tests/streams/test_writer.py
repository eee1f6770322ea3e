"""The writer of a process: batches, bounds, and stores that are slow or away."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import pytest
import structlog

from perdure.domain.errors import StoreUnavailable
from perdure.domain.events import StreamEvent
from perdure.streams import StreamWriter
from tests.streams.helpers import event, texts, words


@dataclass
class Store:
    """Keeps batches; `gate` holds writers up while it is not set."""

    batches: list[list[StreamEvent]] = field(default_factory=list[list[StreamEvent]])
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None
    tries: int = 0

    async def publish(self, workflow_id: str, events: Sequence[StreamEvent]) -> None:  # noqa: ARG002 - one run only
        """Keep a batch, when the gate is open."""
        self.tries += 1
        await self.gate.wait()
        if self.failure:
            raise self.failure
        self.batches.append(list(events))

    async def read(self, workflow_id: str, after: str, limit: int) -> list[StreamEvent]:
        """Not needed here."""
        raise AssertionError((workflow_id, after, limit))

    async def follow(self, workflow_id: str, after: str) -> AsyncGenerator[StreamEvent]:
        """Not needed here."""
        raise AssertionError((workflow_id, after))
        yield

    async def end(self, workflow_id: str) -> str:
        """Not needed here."""
        raise AssertionError(workflow_id)

    def rank(self, offset: str) -> tuple[int, int]:
        """Not needed here."""
        raise AssertionError(offset)

    async def close(self) -> None:
        """Hold nothing."""

    @property
    def events(self) -> list[StreamEvent]:
        """All that was written."""
        return [each for batch in self.batches for each in batch]


@pytest.fixture
def store() -> Store:
    """A store that answers."""
    found = Store()
    found.gate.set()
    return found


def put(writer: StreamWriter, *events: StreamEvent) -> None:
    """Put events of one run."""
    for each in events:
        writer.put("run", each)


async def test_texts_that_follow_each_other_are_written_as_one(store: Store) -> None:
    """But not those of different attempts, and nothing is moved past another event."""
    writer = StreamWriter(store)
    put(writer, *words("a", "b"), event("c", epoch=2), event("x", kind="tool.progress"), event("d", epoch=2))
    await writer.flush("run")
    assert texts(store.events) == ["ab", "c", "x", "d"]


async def test_what_comes_during_a_write_is_the_next_batch(store: Store) -> None:
    """The first is written at once."""
    store.gate.clear()
    writer = StreamWriter(store)
    put(writer, *words("first"))
    await asyncio.sleep(0)
    put(writer, *words(*range(1_000)))
    store.gate.set()
    await writer.flush("run")
    assert texts(store.events) == ["first", "".join(str(number) for number in range(1_000))]


async def test_halves_of_characters_are_joined(store: Store) -> None:
    """And what no store can hold is replaced."""
    writer = StreamWriter(store)
    put(writer, *words("a\ud83d", "\ude00b\ud800"))
    await writer.flush("run")
    assert texts(store.events) == ["a😀b\N{REPLACEMENT CHARACTER}"]


async def test_a_store_that_hangs_costs_bounded_memory_and_the_log_says_so(store: Store) -> None:
    """Texts beyond the bound are dropped; the end of the answer, which has all of it, is not."""
    store.gate.clear()
    writer = StreamWriter(store)
    put(writer, event(kind="segment.start"))
    await asyncio.sleep(0)
    put(writer, *words(*["x" * 10_000] * 200))
    put(writer, *[event("p", kind="tool.progress", segment=str(number)) for number in range(2_000)])
    put(writer, event("all of it", kind="segment.end"))
    with structlog.testing.capture_logs() as logs:
        store.gate.set()
        await writer.flush("run")
    assert sum(len(each.text) for each in store.events) < 1_100_000
    assert len(store.events) < 1_000
    assert store.events[-1].text == "all of it"
    assert [entry["event"] for entry in logs] == ["stream.overflow"]


async def test_a_store_that_is_away_is_said_once_and_left_alone(store: Store) -> None:
    """No event fails or waits for it, and it is tried again after a while."""
    now = [0.0]
    store.failure = StoreUnavailable("streams in Redis at host cannot be used")
    writer = StreamWriter(store, clock=lambda: now[0])
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            put(writer, *words("lost"))
            await writer.flush("run")
    assert [(entry["event"], entry["log_level"], entry["dropped"]) for entry in logs] == [
        ("stream.unavailable", "warning", 1)
    ]
    assert store.tries == 1
    store.failure = None
    now[0] = 6.0
    put(writer, *words("back"))
    await writer.flush("run")
    assert texts(store.events) == ["back"]


async def test_flush_waits_only_so_long(store: Store) -> None:
    """A store that hangs does not hold a run up."""
    store.gate.clear()
    writer = StreamWriter(store)
    put(writer, *words("a"))
    await asyncio.wait_for(writer.flush("run"), 5)
    await writer.close()
    assert store.batches == []
