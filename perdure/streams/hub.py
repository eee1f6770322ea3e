"""One subscription per run, however many read along in this process."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from perdure.domain.events import StreamEvent
from perdure.streams.ports import Streams

__all__ = ["Hub"]

ROOM = 1_000
"""Events that wait for one reader. One that is slower than that goes back to reading the stream from its place."""
ROOM_CHARACTERS = 1_000_000
"""Characters of text that wait for one reader; beyond them it is treated alike."""
PAGE = 500


class Hub:
    """Fans the stream of each run out to its readers; what a slow one has not read waits in the store, not here."""

    def __init__(self, streams: Streams, *, room: int = ROOM) -> None:
        """Read these streams; keep at most `room` events for each reader."""
        self._streams = streams
        self._room = room
        self._subscriptions: dict[str, _Subscription] = {}

    async def read(self, workflow_id: str, after: str = "") -> AsyncGenerator[StreamEvent]:
        """Every event of a run behind an offset, and those to come, for as long as the caller reads.

        Raises StoreUnavailable when the store is away: the caller goes on from its last offset later.
        """
        reader = _Reader(self._room)
        subscription = self._join(workflow_id, reader)
        try:
            await subscription.ready()
            place = after
            while True:
                reader.catch_up()
                while page := await self._streams.read(workflow_id, place, PAGE):
                    for event in page:
                        yield event
                    place = page[-1].offset
                while not reader.behind:
                    for event in await reader.take():
                        if self._streams.rank(event.offset) > self._streams.rank(place):
                            place = event.offset
                            yield event
        finally:
            await self._leave(workflow_id, subscription, reader)

    async def close(self) -> None:
        """End every subscription."""
        subscriptions, self._subscriptions = self._subscriptions, {}
        for subscription in subscriptions.values():
            await subscription.close()

    @property
    def subscriptions(self) -> int:
        """How many runs are followed now."""
        return len(self._subscriptions)

    def _join(self, workflow_id: str, reader: "_Reader") -> "_Subscription":
        known = self._subscriptions.get(workflow_id)
        if known is None or known.over:
            known = self._subscriptions[workflow_id] = _Subscription(self._streams, workflow_id)
        known.readers.add(reader)
        return known

    async def _leave(self, workflow_id: str, subscription: "_Subscription", reader: "_Reader") -> None:
        subscription.readers.discard(reader)
        if not subscription.readers:
            if self._subscriptions.get(workflow_id) is subscription:
                del self._subscriptions[workflow_id]
            await subscription.close()


class _Reader:
    """Events that wait for one reader; `behind` says that some were left out, which it must read for itself."""

    def __init__(self, room: int) -> None:
        self.behind = False
        self._room = room
        self._news = asyncio.Event()
        self._events: deque[StreamEvent] = deque()
        self._characters = 0
        self._failure: Exception | None = None

    def offer(self, event: StreamEvent) -> None:
        if self.behind:
            return
        if len(self._events) < self._room and self._characters + len(event.text) <= ROOM_CHARACTERS:
            self._events.append(event)
            self._characters += len(event.text)
        else:
            self._clear()
            self.behind = True
        self._news.set()

    def fail(self, error: Exception) -> None:
        self._failure = error
        self._news.set()

    async def take(self) -> list[StreamEvent]:
        """What waits, once there is something or the reader has fallen behind; raises what ended the subscription."""
        await self._news.wait()
        self._news.clear()
        events = list(self._events)
        self._clear()
        if self._failure is not None:
            self._news.set()
            if not events:
                raise self._failure
        return events

    def catch_up(self) -> None:
        """Begin anew: what is offered from now on waits again."""
        self._clear()
        self.behind = False

    def _clear(self) -> None:
        self._events.clear()
        self._characters = 0


class _Subscription:
    """Follows one run from now on, for as long as somebody reads."""

    def __init__(self, streams: Streams, workflow_id: str) -> None:
        self.readers: set[_Reader] = set()
        self._streams = streams
        self._workflow_id = workflow_id
        self._begin: asyncio.Future[str] = asyncio.ensure_future(streams.end(workflow_id))
        self._task = asyncio.create_task(self._run())

    async def ready(self) -> None:
        """Return when every event that a reader does not find in the store by now will be offered to it."""
        await asyncio.shield(self._begin)

    @property
    def over(self) -> bool:
        return self._task.done()

    async def _run(self) -> None:
        try:
            async with aclosing(self._streams.follow(self._workflow_id, await self._begin)) as events:
                async for event in events:
                    for reader in self.readers:
                        reader.offer(event)
        except Exception as error:  # noqa: BLE001 - every reader gets it
            for reader in self.readers:
                reader.fail(error)

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
