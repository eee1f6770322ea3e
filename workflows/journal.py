"""What a run tells the outside about itself: its audit log and its events, written by an activity beside the work."""

import asyncio
from contextlib import suppress

from temporalio import workflow

from perdure.domain.audit import AuditEntry, AuditHead, AuditKind
from perdure.domain.events import EventKind, StreamEvent
from perdure.domain.model import JsonObject
from perdure.domain.record import RecordRequest
from perdure.domain.state import JournalState
from workflows import telling

__all__ = ["Journal"]

MANY = 50
"""Entries that can wait: then they are written although nobody waits for them."""
MOST = 200
"""Entries of one request: it must fit into a payload."""


class Journal:
    """Entries in the order they happened, chained by their hashes; what the log holds already is only counted.

    A run of an earlier release, and one that is not prepared yet, keeps them to itself: `keep` says which it is.
    """

    def __init__(self) -> None:
        """Start with an empty log."""
        self._keeps: bool | None = None
        self.head = AuditHead()
        self.written = AuditHead()
        self._entries: list[AuditEntry] = []
        self._events: list[StreamEvent] = []
        self._early: list[tuple[AuditKind, str, JsonObject]] = []
        self._writer: asyncio.Task[None] | None = None

    def restore(self, state: JournalState) -> None:
        """Go on with the log of the run that this one continues."""
        self.head, self.written = state.head, state.written
        self._entries, self._events = list(state.entries), list(state.events)

    def snapshot(self) -> JournalState:
        """What a run that continues this one needs."""
        return JournalState(
            head=self.head, written=self.written, entries=tuple(self._entries), events=tuple(self._events)
        )

    def keep(self, policy: JsonObject, *, keeps: bool) -> None:
        """Begin the log with the policy that the run goes by, and with what happened before that was known."""
        self._keeps = keeps
        early, self._early = self._early, []
        if keeps and not self.head.count:
            self._enter("policy", "", policy)
        for kind, by, data in early:
            self.add(kind, by, data)

    @property
    def unwritten(self) -> tuple[AuditEntry, ...]:
        """Entries that the log may not hold yet."""
        return tuple(self._entries)

    def add(
        self, kind: AuditKind, by: str, data: JsonObject, *, event: EventKind | None = None, waits: bool = False
    ) -> None:
        """Enter something; with `waits` it is written together with what comes later."""
        if self._keeps is None:
            self._early.append((kind, by, data))
        if not self._keeps:
            return
        entry = self._enter(kind, by, data)
        if event is not None:
            told: JsonObject = {"by": by, **data}
            self._events.append(StreamEvent(kind=event, at=entry.at, data=told, key=f"audit-{entry.number}"))
        if not waits or len(self._entries) >= MANY:
            self._write_soon()

    def tell(self, event: StreamEvent) -> None:
        """Let readers know of what the audit log does not hold: it goes out with what is written next."""
        if self._keeps and len(self._events) < MOST:  # more than that, with nothing to write them, nobody reads
            self._events.append(event)

    def _enter(self, kind: AuditKind, by: str, data: JsonObject) -> AuditEntry:
        entry = AuditEntry.after(self.head, workflow.now(), kind, by, data)
        self.head = entry.head
        self._entries.append(entry)
        return entry

    def _write_soon(self) -> None:
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._entries:
            info = workflow.info()
            log = f"{info.workflow_id}/{info.first_execution_run_id}"
            request = RecordRequest(log=log, entries=tuple(self._entries[:MOST]), events=tuple(self._events[:MOST]))
            head = await telling.record(request)
            del self._entries[: len(request.entries)], self._events[: len(request.events)]
            if request.entries:
                self._go_on_after(head or request.entries[-1].head)

    def _go_on_after(self, written: AuditHead) -> None:
        """Chain what is left to what the log holds by the word of whoever wrote it.

        That word is in the history. What is entered here is not until it is sent: a replay may take two workflow tasks
        for one, and then its time is another.
        """
        self.written = self.head = written
        for place, entry in enumerate(self._entries):
            self._entries[place] = AuditEntry.after(self.head, entry.at, entry.kind, entry.by, entry.data)
            self.head = self._entries[place].head

    async def settled(self) -> None:
        """Return when nothing is being written."""
        if self._writer is not None and not self._writer.done():
            await self._writer

    async def end(self, how: str, within: float | None = None) -> None:
        """Enter the end of the run and return when all is written, or when `within` seconds are over.

        A log that was not begun stays so: a run without decisions and effects has none.
        """
        if self.head.count <= 1:
            return
        self.add("end", "", {"how": how}, event="end")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._flush(), within)

    async def _flush(self) -> None:
        """Return when everything is written, for as long as that takes."""
        if self._entries:
            self._write_soon()
        if self._writer is not None:
            await self._writer
