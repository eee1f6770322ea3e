"""Where the items of a long log lie once they have left a workflow: pages in the blob store, found by offset."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from pydantic import Field

from perdure.domain.model import Compact, JsonObject

__all__ = ["SLICE", "ArchiveRequest", "Archived", "LogName", "Slice", "StoredPage", "end_of", "page_at"]

SLICE = b"perdure/slice"
"""Encoding of a payload that holds a `Slice`."""

Span = tuple[int, int]
LogName = Literal["messages", "calls", "step_results"]
"""The logs of a run, under the names that their queries answer with."""


class StoredPage(Compact, frozen=True):
    """One page: a blob that holds the JSON array of the items from `offset` (over the whole chain of runs) on."""

    offset: int = Field(ge=0)
    count: int = Field(gt=0)
    blob: str


class Slice(Compact, frozen=True):
    """A part of a stored page as the answer to a query: whoever sends the answer puts the items in.

    The answer is the JSON object `{**also, log: items[skip:skip + count], "offset", "next_offset", "total"}`.
    """

    log: LogName
    blob: str
    skip: int
    count: int
    offset: int
    next_offset: int | None
    total: int
    also: JsonObject = {}


class ArchiveRequest(Compact, frozen=True):
    """Request of the activity `run.archive`: which items (from, to) of the workflow's logs are to be stored."""

    messages: Span
    calls: Span
    steps: Span

    @property
    def empty(self) -> bool:
        """Whether there is nothing to store."""
        return all(begin >= end for begin, end in (self.messages, self.calls, self.steps))


class Archived(Compact, frozen=True):
    """Where the items lie now."""

    messages: tuple[StoredPage, ...] = ()
    calls: tuple[StoredPage, ...] = ()
    steps: tuple[StoredPage, ...] = ()


def end_of(pages: Sequence[StoredPage]) -> int:
    """Number of items in all pages, which follow each other without a gap."""
    assert all(a.offset + a.count == b.offset for a, b in pairwise(pages)), "the pages of a log have a gap"  # noqa: S101
    return pages[-1].offset + pages[-1].count if pages else 0


def page_at(pages: Sequence[StoredPage], log: LogName, offset: int, limit: int, total: int) -> Slice | None:
    """What to read for the items from `offset` on, at most `limit` of them; None: they are not in these pages."""
    page = next((page for page in pages if page.offset <= offset < page.offset + page.count), None)
    if page is None:
        return None
    skip = offset - page.offset
    count = min(limit, page.count - skip)
    following = offset + count
    return Slice(
        log=log,
        blob=page.blob,
        skip=skip,
        count=count,
        offset=offset,
        next_offset=following if following < total else None,
        total=total,
    )
