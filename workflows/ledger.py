"""The ledger of a run: every tool call that was asked for, under which key, and what became of it."""

from collections.abc import Iterable, Sequence
from typing import Any

from perdure.domain.archive import Slice, StoredPage, end_of, page_at
from perdure.domain.tools import CallState, Effect, LedgerEntry

__all__ = ["Ledger"]

MOST = 500


class Ledger:
    """Calls by number, from 1 over the whole chain of runs; settled calls of earlier runs lie in stored pages."""

    def __init__(self, pages: Sequence[StoredPage] = (), entries: Iterable[LedgerEntry] = ()) -> None:
        """Go on behind the stored pages, with the entries that were not stored."""
        self.pages = tuple(pages)
        self.base = end_of(self.pages)
        self._entries = {entry.number: entry for entry in entries}

    def __len__(self) -> int:
        """Count the calls of the chain."""
        return self.base + len(self._entries)

    def __getitem__(self, number: int) -> LedgerEntry:
        """Return the entry of a call of the current run."""
        return self._entries[number]

    def after(self, count: int) -> tuple[LedgerEntry, ...]:
        """Entries behind the first `count` of the chain."""
        return tuple(entry for number, entry in self._entries.items() if number > count)

    def plan(self, tool: str, effect: Effect, digest: str) -> int:
        """Enter a call and return its number."""
        number = len(self) + 1
        self._entries[number] = LedgerEntry(
            number=number, tool=tool, effect=effect, digest=digest, key="", state=CallState.PLANNED
        )
        return number

    def run(self, number: int, digest: str, key: str) -> None:
        """Note the final arguments and the key of a call that is about to run."""
        changes = {"digest": digest, "key": key, "state": CallState.RUNNING}
        self._entries[number] = self._entries[number].model_copy(update=changes)

    def mark(self, number: int, state: CallState, error: str = "") -> None:
        """Move a call to another state."""
        self._entries[number] = self._entries[number].model_copy(update={"state": state, "error": error})

    def page(self, offset: int, limit: int) -> dict[str, Any] | Slice:
        """Answer of the query `ledger`: at most `limit` calls from `offset` (from 0)."""
        total = len(self)
        begin, limit = min(offset, total), min(limit, MOST)
        if stored := page_at(self.pages, "calls", begin, limit, total):
            return stored
        end = min(begin + limit, total)
        calls = tuple(self._entries[number] for number in range(begin + 1, end + 1))
        return {"calls": calls, "offset": begin, "next_offset": end if end < total else None, "total": total}
