"""Streams as files in a folder: what needs no further server, for workers and readers of one machine."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from perdure.domain.errors import StoreUnavailable
from perdure.domain.events import StreamEvent
from perdure.streams.lines import Lines
from perdure.streams.pieces import Piece, append, pieces
from perdure.streams.ports import gap

__all__ = ["CAP", "FileStreams"]

CAP = 64 * 1024 * 1024
"""Bytes of one run's stream, of which at least the newest half is always kept."""
LIVELY_SECONDS, IDLE_SECONDS = 0.02, 0.05
"""How often a reader looks for news while there are some, and when there have been none for `PATIENCE` seconds."""
PATIENCE = 10.0
PAGE = 1_000
PAGE_BYTES = 1024 * 1024
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
SHOWN = 80
DIGEST = 16


@dataclass(frozen=True)
class _Found:
    """Events that were read, the place behind them and behind torn lines, and whether the file had no more lines."""

    events: list[StreamEvent]
    place: int
    ended: bool = False


class FileStreams:
    """Implements `perdure.streams.ports.Streams`. An offset is a position in bytes since the stream began."""

    def __init__(self, folder: Path, lines: Lines | None = None, *, cap: int = CAP) -> None:
        """Keep streams there; the folder is made with the first event."""
        self._root = folder
        self._lines = lines or Lines()
        self._cap = cap

    async def publish(self, workflow_id: str, events: Sequence[StreamEvent]) -> None:
        """See Streams."""
        if events:
            await asyncio.to_thread(self._append, workflow_id, events)

    async def read(self, workflow_id: str, after: str, limit: int) -> list[StreamEvent]:
        """See Streams."""
        return (await asyncio.to_thread(self._read, workflow_id, self._place(after), limit)).events

    async def follow(self, workflow_id: str, after: str) -> AsyncGenerator[StreamEvent]:
        """See Streams."""
        place, end, since = self._place(after), -1, time.monotonic()
        while True:
            if (now := self._end(workflow_id)) == end:
                quiet = time.monotonic() - since > PATIENCE
                await asyncio.sleep(IDLE_SECONDS if quiet else LIVELY_SECONDS)
                continue
            found = await asyncio.to_thread(self._read, workflow_id, place, PAGE)
            # A full page leaves more to read, which no change of the size would tell: look until there is no more.
            end = now if found.place == place else -1
            place, since = found.place, time.monotonic()
            for event in found.events:
                yield event

    async def end(self, workflow_id: str) -> str:
        """See Streams."""
        return str(await asyncio.to_thread(self._end, workflow_id))

    def rank(self, offset: str) -> tuple[int, int]:
        """See Streams."""
        return max(self._place(offset), 0), 0

    async def close(self) -> None:
        """See Streams: nothing is held open."""

    def _folder(self, workflow_id: str) -> Path:
        """An id may hold anything, in any length: its beginning is for people, its digest tells it from others."""
        digest = sha256(workflow_id.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST]
        return self._root / f"{UNSAFE.sub('_', workflow_id)[:SHOWN].lstrip('.')}-{digest}"

    def _place(self, offset: str) -> int:
        """Position of an offset; -1 for what is none, which counts as gone."""
        if not offset:
            return 0
        return int(offset) if offset.isascii() and offset.isdigit() and len(offset) <= DIGEST else -1

    def _end(self, workflow_id: str) -> int:
        with self._readable():
            found = pieces(self._folder(workflow_id))
        return found[-1].end if found else 0

    def _append(self, workflow_id: str, events: Sequence[StreamEvent]) -> None:
        data = b"".join(self._lines.write(workflow_id, event) + b"\n" for event in events)
        try:
            append(self._folder(workflow_id), data, self._cap)
        except OSError as error:
            raise StoreUnavailable(f"streams in {self._root} cannot be written: {error.strerror}") from error

    @contextmanager
    def _readable(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(f"streams in {self._root} cannot be read: {error.strerror}") from error

    def _read(self, workflow_id: str, place: int, limit: int) -> _Found:
        with self._readable():
            return self._read_pieces(workflow_id, place, limit)

    def _read_pieces(self, workflow_id: str, place: int, limit: int) -> _Found:
        events: list[StreamEvent] = []
        left = pieces(self._folder(workflow_id))
        if left and not left[0].begin <= place <= left[-1].end:
            place = left[0].begin
            events.append(gap(str(place)))
        budget = place + PAGE_BYTES
        while left:
            piece, *left = left
            if left and left[0].begin <= place:
                continue
            found = self._read_piece(workflow_id, piece, place, limit - len(events), budget)
            events += found.events
            place = found.place
            if not found.ended or not left:
                break
            # What is left of a file that grows no more is a torn line.
            place = left[0].begin
        return _Found(events, place)

    def _read_piece(self, workflow_id: str, piece: Piece, place: int, limit: int, budget: int) -> _Found:
        events = list[StreamEvent]()
        try:
            file = piece.path.open("rb")
        except FileNotFoundError:  # dropped since we looked
            return _Found([gap(str(piece.end))], piece.end, ended=True)
        with file:
            file.seek(place - piece.begin)
            while len(events) < limit and place < budget:
                line = file.readline()
                if not line.endswith(b"\n"):
                    return _Found(events, place, ended=True)
                place += len(line)
                event = self._lines.read(workflow_id, line[:-1], str(place))
                if event is not None:
                    events.append(event)
        return _Found(events, place)
