"""What the tests of streams share: events, and readers that end."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from perdure.domain.events import StreamEvent

__all__ = ["at_most", "event", "texts", "words"]


def event(text: str = "", **fields: Any) -> StreamEvent:
    """An event, a piece of text of the first attempt at the first turn unless said otherwise."""
    given: dict[str, Any] = {"kind": "text", "segment": "turn-1", "epoch": 1, "at": datetime.now(UTC), **fields}
    return StreamEvent(text=text, **given)


def words(*given: object) -> list[StreamEvent]:
    """Pieces of text that differ in their words."""
    return [event(str(word)) for word in given]


def texts(events: list[StreamEvent]) -> list[str]:
    """The words of events."""
    return [each.text for each in events]


async def at_most(source: AsyncGenerator[StreamEvent], count: int) -> list[StreamEvent]:
    """The first events of a reader, which then ends."""
    found: list[StreamEvent] = []
    async with aclosing(source):
        async for each in source:
            found.append(each)
            if len(found) == count:
                break
    return found
