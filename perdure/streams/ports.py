"""What writers and readers of streams need: one port over files and Redis."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Protocol

from perdure.domain.events import StreamEvent

__all__ = ["SILENT", "Events", "Streams", "gap"]

GONE = "Events before this place are no longer kept. Text of an answer comes whole with its end."


class Streams(Protocol):
    """Events per workflow id, over all runs of its chain. Many may append to one stream, many may read it.

    An offset is text that only the stream can read: the place right behind an event; "" is the beginning. A reader
    whose offset is no longer kept (or was never one of this stream) first gets an event `segment.reset` without a
    segment, whose `data.gap` is true, and then the oldest events there are.
    """

    async def publish(self, workflow_id: str, events: Sequence[StreamEvent]) -> None:
        """Append the events together and in order; StoreUnavailable when the store cannot be written."""
        ...

    async def read(self, workflow_id: str, after: str, limit: int) -> list[StreamEvent]:
        """At most `limit` events behind an offset; none at the end. StoreUnavailable, or KeyUnknown without the key."""
        ...

    def follow(self, workflow_id: str, after: str) -> AsyncGenerator[StreamEvent]:
        """Every event behind an offset, and those to come, for as long as the caller reads; raises like `read`.

        The stream may not exist yet. An event of kind `end` is the last of its run, not of the stream: another run
        may follow under the same id.
        """
        ...

    async def end(self, workflow_id: str) -> str:
        """Offset behind the newest event: where a reader begins that wants only what comes now."""
        ...

    def rank(self, offset: str) -> tuple[int, int]:
        """A number by which offsets of one stream are in order; (0, 0) for "" and for what is no offset."""
        ...

    async def close(self) -> None:
        """Release what is held open."""
        ...


class Events(Protocol):
    """Where activities put their events; it neither waits nor fails (see `perdure.streams.writer`)."""

    def put(self, workflow_id: str, event: StreamEvent, *, urgent: bool = False) -> None:
        """Take an event, to be written soon, or at once when it is urgent."""
        ...

    async def flush(self, workflow_id: str) -> None:
        """Return when what was put is written, or dropped, within a bounded time."""
        ...


class _Silent:
    def put(self, workflow_id: str, event: StreamEvent, *, urgent: bool = False) -> None:
        """Drop it."""

    async def flush(self, workflow_id: str) -> None:
        """Have nothing to write."""


SILENT: Events = _Silent()
"""Where nobody reads."""


def gap(offset: str) -> StreamEvent:
    """What a reader is told whose events are gone; it goes on from `offset`."""
    return StreamEvent(kind="segment.reset", at=datetime.now(UTC), text=GONE, data={"gap": True}, offset=offset)
