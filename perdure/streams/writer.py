"""Takes events of a process without waiting and brings them to their streams in batches; no run waits or fails."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from perdure.domain.errors import PerdureError
from perdure.domain.events import StreamEvent
from perdure.streams.lines import mended
from perdure.streams.ports import Streams

__all__ = ["StreamWriter"]

BATCH_SECONDS = 0.05
"""What comes within this time after a write is written together, unless it is urgent."""
MAX_EVENTS = 1_000
"""Events of one run that wait to be written; texts that follow each other are one."""
MAX_PROGRESS = MAX_EVENTS // 2
"""Progress of tools waits only up to here: it must not keep out what says how a call ended."""
MAX_CHARACTERS = 1_000_000
"""Characters of text of one run that wait to be written."""
WRITE_SECONDS = 5.0
FLUSH_SECONDS = 1.0
AWAY_SECONDS = 5.0
"""How long a store that failed is left alone; what is to be written meanwhile is dropped."""

log = structlog.get_logger()


@dataclass
class _Pending:
    """An event that waits; `pieces` are texts of the same attempt that came after it."""

    event: StreamEvent
    pieces: list[str] = field(default_factory=list[str])

    def takes(self, event: StreamEvent) -> bool:
        """Whether a text goes on where this one ends."""
        mine = self.event
        return mine.kind == event.kind == "text" and (mine.segment, mine.epoch) == (event.segment, event.epoch)

    def whole(self) -> StreamEvent:
        """One event for all of it."""
        return self.event.model_copy(update={"text": mended("".join([self.event.text, *self.pieces]))})


class _Queue:
    """What waits to be written of one run."""

    def __init__(self) -> None:
        self.events: list[_Pending] = []
        self.characters = 0
        self.dropped = 0
        self.urgent = asyncio.Event()
        self.awaited = 0
        self.task: asyncio.Task[None] | None = None

    def put(self, event: StreamEvent) -> None:
        if event.kind == "text" and self.characters + len(event.text) > MAX_CHARACTERS:
            self.dropped += 1
            return
        if self.events and self.events[-1].takes(event):
            self.events[-1].pieces.append(event.text)
        elif len(self.events) < (MAX_PROGRESS if event.kind == "tool.progress" else MAX_EVENTS):
            self.events.append(_Pending(event))
        else:
            self.dropped += 1
            return
        self.characters += len(event.text)

    def take(self) -> list[StreamEvent]:
        pending, self.events, self.characters = self.events, [], 0
        return [each.whole() for each in pending]


class StreamWriter:
    """Writes events of many runs. Its buffers are bounded; what must be dropped is said in the log.

    Nothing here raises: a stream is for people who read along, and no run depends on it. What a reader missed of an
    answer comes with the answer's end.
    """

    def __init__(self, streams: Streams, clock: Callable[[], float] = time.monotonic) -> None:
        """Write there."""
        self._streams = streams
        self._clock = clock
        self._queues: dict[str, _Queue] = {}
        self._away_until = 0.0

    def put(self, workflow_id: str, event: StreamEvent, *, urgent: bool = False) -> None:
        """Take an event, to be written within `BATCH_SECONDS`, or at once when it is urgent. Needs a running loop."""
        queue = self._queues.setdefault(workflow_id, _Queue())
        queue.put(event)
        if urgent:
            queue.urgent.set()
        if queue.task is None:
            queue.task = asyncio.create_task(self._drain(workflow_id, queue))

    async def flush(self, workflow_id: str) -> None:
        """Return when what was put is written, or dropped, or `FLUSH_SECONDS` are over."""
        queue = self._queues.get(workflow_id)
        if queue is not None and queue.task is not None:
            queue.urgent.set()
            queue.awaited += 1
            await asyncio.wait([queue.task], timeout=FLUSH_SECONDS)
            queue.awaited -= 1

    async def close(self) -> None:
        """Write what waits, as `flush` does, and end."""
        for workflow_id in list(self._queues):
            await self.flush(workflow_id)
        tasks = [queue.task for queue in self._queues.values() if queue.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _drain(self, workflow_id: str, queue: _Queue) -> None:
        """Write until nothing waits any more; the first batch at once."""
        try:
            while queue.events:
                queue.urgent.clear()
                await self._write(workflow_id, queue.take(), queue)
                if not queue.awaited:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(queue.urgent.wait(), BATCH_SECONDS)
        finally:
            queue.task = None
            self._queues.pop(workflow_id, None)

    async def _write(self, workflow_id: str, events: list[StreamEvent], queue: _Queue) -> None:
        if queue.dropped:
            log.warning("stream.overflow", workflow_id=workflow_id, dropped=queue.dropped)
            queue.dropped = 0
        if self._clock() < self._away_until:
            return
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._streams.publish(workflow_id, events)
        except Exception as error:  # noqa: BLE001 - no trouble of a stream may reach a run
            self._away_until = self._clock() + AWAY_SECONDS
            words = error.message if isinstance(error, PerdureError) else type(error).__name__
            log.warning("stream.unavailable", workflow_id=workflow_id, dropped=len(events), reason=words)
