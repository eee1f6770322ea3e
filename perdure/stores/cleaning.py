"""Clean-up of the blob store by age: what an open run, or a session that can be opened again, needs is kept."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from temporalio.client import Client

from perdure.domain.errors import BlobMissing, Operator, PerdureError, StoreUnavailable
from perdure.stores.blobs import BlobStore
from perdure.stores.histories import RunName, contents, open_runs, unpacked
from perdure.stores.objects import ObjectInfo, Objects
from perdure.stores.reachable import Reachable

__all__ = ["Cleaned", "CleaningRefused", "Progress", "Stock", "clean", "stock"]

BLOBS, DOCUMENTS = "blobs", "documents"
TOGETHER = 16
"""How many objects are removed at once."""
PATIENCE = 2.0
"""Seconds between two lines of progress, and before the first."""

Connect = Callable[[], Awaitable[Client]]
Say = Callable[[str], None]


class CleaningRefused(Operator):
    """What is needed cannot be found out, so nothing may be removed."""


@dataclass(frozen=True)
class Stock:
    """What is stored: numbers, bytes as they lie there, and when the oldest was last stored."""

    where: str
    blobs: int
    documents: int
    bytes: int
    oldest: datetime | None


@dataclass(frozen=True)
class Cleaned:
    """What a clean-up did, or would have done: `needed` are blobs that were old enough and stay because of a run."""

    removed: int
    removed_documents: int
    removed_bytes: int
    kept: int
    kept_bytes: int
    needed: int
    runs: int
    dry_run: bool


async def stock(objects: Objects) -> Stock:
    """Count what is stored."""
    blobs = [item async for item in objects.list(BLOBS)]
    documents = [item async for item in objects.list(DOCUMENTS)]
    every = [*blobs, *documents]
    oldest = min((item.modified for item in every), default=None)
    return Stock(objects.where, len(blobs), len(documents), sum(item.size for item in every), oldest)


async def clean(  # noqa: PLR0913 - where, what, how old, and how to say it
    objects: Objects, store: BlobStore, connect: Connect, before: datetime, *, dry_run: bool, say: Say
) -> Cleaned:
    """Remove blobs and documents last stored before that time, unless an open run or a younger document needs them.

    `connect` is asked only when something is old enough. Raises CleaningRefused when a history, document or blob
    that counts cannot be read; then, and when Temporal does not answer, nothing has been removed.
    """
    progress = Progress(say)
    blobs = [item async for item in objects.list(BLOBS)]
    documents = [item async for item in objects.list(DOCUMENTS)]
    old = [item for item in blobs if item.modified < before]
    old_documents = [item for item in documents if item.modified < before]
    needed, runs = set[str](), 0
    if old:
        young = [item for item in documents if item.modified >= before]
        client = await connect()
        found = Reachable(store, {_last(item) for item in blobs}, partial(unpacked, client))
        await _see_documents(found, store, young)
        runs = await _see_runs(found, client, progress)
        needed = found.addresses
    unneeded = [item for item in old if _last(item) not in needed]
    gone = await _remove(objects, [*unneeded, *old_documents], before, progress, dry_run=dry_run)
    if not dry_run:
        await objects.remove_abandoned(before)
    kept = [item for item in [*blobs, *documents] if item.key not in gone]
    return Cleaned(
        removed=sum(item.key in gone for item in blobs),
        removed_documents=sum(item.key in gone for item in documents),
        removed_bytes=sum(item.size for item in [*blobs, *documents] if item.key in gone),
        kept=len(kept),
        kept_bytes=sum(item.size for item in kept),
        needed=len(old) - len(unneeded),
        runs=runs,
        dry_run=dry_run,
    )


async def _see_documents(found: Reachable, store: BlobStore, documents: Sequence[ObjectInfo]) -> None:
    for item in documents:
        try:
            await found.add(await store.document_at(_last(item)))
        except BlobMissing:
            continue  # the session was opened meanwhile: its run is seen next
        except PerdureError as error:
            raise _refusal("a document of the store", error) from error


async def _see_runs(found: Reachable, client: Client, progress: "Progress") -> int:
    """Collect what open runs need, until no run has begun since; returns how many there were."""
    seen = set[RunName]()
    while new := await open_runs(client) - seen:
        for run in sorted(new):
            progress(f"looking at open runs: {len(seen)} of {len(seen | new)}")
            try:
                async for content in contents(client, run):
                    await found.add(content)
            except PerdureError as error:
                raise _refusal(f"the open run {run.workflow_id}", error) from error
            seen.add(run)
    return len(seen)


def _refusal(what: str, error: PerdureError) -> PerdureError:
    words = f"{what} cannot be read, so nobody knows which blobs it needs: {error.message}. Nothing was removed"
    return StoreUnavailable(words) if isinstance(error, StoreUnavailable) else CleaningRefused(words)


async def _remove(
    objects: Objects, items: Sequence[ObjectInfo], before: datetime, progress: "Progress", *, dry_run: bool
) -> Collection[str]:
    """Remove what is still old; returns the keys of what is (or would be) gone."""

    async def one(item: ObjectInfo) -> str:
        # Whoever stores the same content now makes the blob young instead of storing it again.
        modified = await objects.modified(item.key)
        if modified is not None and modified >= before:
            return ""
        await objects.delete(item.key)
        return item.key

    if dry_run:
        return {item.key for item in items}
    gone = set[str]()
    for begin in range(0, len(items), TOGETHER):
        progress(f"removing: {begin} of {len(items)}")
        gone.update(await asyncio.gather(*(one(item) for item in items[begin : begin + TOGETHER])))
    return gone


def _last(item: ObjectInfo) -> str:
    return item.key.rsplit("/", 1)[-1]


class Progress:
    """Says what goes on, but not before `patience` seconds have passed, and not more often than that."""

    def __init__(self, say: Say, patience: float = PATIENCE) -> None:
        self._say = say
        self._patience = patience
        self._next = time.monotonic() + patience

    def __call__(self, words: str) -> None:
        """Say it, or let it pass."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._patience
            self._say(words)
