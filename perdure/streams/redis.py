"""Streams in Redis: for workers and readers on many machines."""

import re
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from perdure.domain.errors import StoreUnavailable
from perdure.domain.events import StreamEvent
from perdure.streams.lines import Lines
from perdure.streams.ports import gap

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["KEPT_EVENTS", "KEPT_SECONDS", "RedisStreams"]

KEPT_EVENTS = 100_000
"""Events of one run that are kept at least; Redis drops what is older in blocks."""
KEPT_SECONDS = 30 * 24 * 3600
"""How long a stream is kept after its last event."""
CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 10.0
BLOCK_MS = 2_000
PAGE = 1_000
LAST = 2**64 - 1
BEGIN = "0-0"
ENTRY = re.compile(r"(\d{1,20})-(\d{1,20})", re.ASCII)
FIELD = b"e"


class RedisStreams:
    """Implements `perdure.streams.ports.Streams` with one Redis stream per workflow id; an offset is an entry's id."""

    def __init__(self, url: str, lines: Lines | None = None, *, kept: int = KEPT_EVENTS) -> None:
        """Connect with the first use; `url` is never shown, it may hold a password."""
        self._url = url
        self._lines = lines or Lines()
        self._kept = kept
        self._client: Redis | None = None
        self._where = f"Redis at {urlsplit(url).hostname or 'its socket'}"

    async def publish(self, workflow_id: str, events: Sequence[StreamEvent]) -> None:
        """See Streams."""
        if not events:
            return
        key = _key(workflow_id)
        pipe: Any = self._redis().pipeline(transaction=True)
        for event in events:
            fields = {FIELD: self._lines.write(workflow_id, event)}
            pipe.xadd(key, fields, maxlen=self._kept, approximate=True)
        pipe.expire(key, KEPT_SECONDS)
        await self._answer(pipe.execute())

    async def read(self, workflow_id: str, after: str, limit: int) -> list[StreamEvent]:
        """See Streams."""
        told = await self._gap(workflow_id, after)
        begin = told[0].offset if told else after or BEGIN
        found = await self._answer(self._redis().xrange(_key(workflow_id), f"({begin}", "+", count=limit))
        return [*told, *self._events(workflow_id, found)]

    async def follow(self, workflow_id: str, after: str) -> AsyncGenerator[StreamEvent]:
        """See Streams."""
        told = await self._gap(workflow_id, after)
        place = told[0].offset if told else after or BEGIN
        for event in told:
            yield event
        key = _key(workflow_id)
        while True:
            answer = await self._answer(self._redis().xread({key: place}, count=PAGE, block=BLOCK_MS))
            entries = _entries(answer)
            for event in self._events(workflow_id, entries):
                yield event
            if entries:
                place = _text(entries[-1][0])

    async def end(self, workflow_id: str) -> str:
        """See Streams."""
        found = await self._answer(self._redis().xrevrange(_key(workflow_id), count=1))
        return _text(found[0][0]) if found else ""

    def rank(self, offset: str) -> tuple[int, int]:
        """See Streams."""
        found = ENTRY.fullmatch(offset)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    async def close(self) -> None:
        """See Streams."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _redis(self) -> "Redis":
        if self._client is None:
            # Most processes stream to files and need not load a client.
            from redis.asyncio import Redis  # noqa: PLC0415

            self._client = Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - open keyword arguments
                self._url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=ANSWER_SECONDS
            )
        return self._client

    async def _answer(self, question: Any) -> Any:  # noqa: ANN401 - whatever the command answers
        """Wait for a command; what the client raises may quote the address, so only its kind is repeated."""
        from redis.exceptions import RedisError  # noqa: PLC0415 - see `_redis`

        try:
            return await question
        except (RedisError, OSError, TimeoutError) as error:
            kind = type(error).__name__
            raise StoreUnavailable(f"streams in {self._where} cannot be used: {kind}") from None

    async def _gap(self, workflow_id: str, after: str) -> list[StreamEvent]:
        """What to tell a reader whose place is gone; nothing to others."""
        key = _key(workflow_id)
        if not await self._answer(self._redis().exists(key)):
            return []
        about = await self._answer(self._redis().xinfo_stream(key))
        first, last = about.get("first-entry"), _text(about["last-generated-id"])
        if first is None:
            return []
        before = _before(self.rank(_text(first[0])))
        unknown = bool(after) and ENTRY.fullmatch(after) is None
        beyond = self.rank(after) > self.rank(last)
        trimmed = int(about.get("entries-added", 0)) > int(about["length"])
        behind = trimmed and self.rank(after) < self.rank(before)
        return [gap(before)] if unknown or beyond or behind else []

    def _events(self, workflow_id: str, entries: Sequence[Any]) -> list[StreamEvent]:
        read = (self._lines.read(workflow_id, fields.get(FIELD, b""), _text(entry)) for entry, fields in entries)
        return [event for event in read if event is not None]


def _entries(answer: Any) -> list[Any]:  # noqa: ANN401 - its form differs between versions of the protocol
    """The entries of the one stream that was asked for: RESP2 gives pairs of stream and entries, RESP3 a mapping."""
    if not answer:
        return []
    if isinstance(answer, dict):
        (found,) = cast("dict[Any, Any]", answer).values()
        return found[0] if found and isinstance(found[0][0], list) else found
    return answer[0][1]


def _key(workflow_id: str) -> bytes:
    return b"perdure:stream:" + workflow_id.encode("utf-8", "surrogatepass")


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _before(rank: tuple[int, int]) -> str:
    """The greatest id that is smaller."""
    high, low = rank
    if low:
        return f"{high}-{low - 1}"
    return f"{high - 1}-{LAST}" if high else BEGIN
