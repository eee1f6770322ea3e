"""Named bytes in a folder or in an S3 bucket, over one library, with every failure in words."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from perdure.domain.errors import BlobMissing, StoreUnavailable
from perdure.stores.places import KEY, S3, SECONDS, in_words, open_bucket, open_folder

__all__ = ["ObjectInfo", "Objects"]

SLOWEST = 1024 * 1024
"""Bytes per second that count as progress: a larger object gets more time."""
ABANDONED = re.compile(r".+#\d+")
"""Names under which the library writes before it renames; a killed process leaves them behind."""

T = TypeVar("T")


class ObjectInfo(NamedTuple):
    """What a listing says of an object: size in bytes, and when it was last put or touched (aware, UTC)."""

    key: str
    size: int
    modified: datetime


class Objects:
    """Objects under keys like `blobs/ab/cd01`: parts of letters, digits and `._=@:+~-`, parted by `/`.

    A put is whole or not at all, also when the process is killed in the middle. Every failure is StoreUnavailable.
    """

    def __init__(self, store: LocalStore | S3Store, where: str, folder: Path | None = None) -> None:
        """Made by `at`; `where` names the place in messages, `folder` is it when it is one."""
        self._store = store
        self._folder = folder
        self.where = where

    @classmethod
    def at(cls, place: str) -> "Objects":
        """Open a folder (made when missing, for its owner only) or `s3://bucket/prefix`, without a call to it.

        Endpoint, region and credentials of S3 come from the usual AWS_ variables; an endpoint that says `http://` is
        taken at its word. Raises ConfigurationError for a place that cannot be one.
        """
        if place.startswith(S3):
            return cls(open_bucket(place), place)
        folder = open_folder(place)
        return cls(LocalStore(folder), str(folder), folder)

    async def put(self, key: str, data: bytes) -> None:
        """Create the object or replace it; its age starts anew."""
        # Never in parts: a killed process would leave parts in the bucket that nobody sees and everybody pays for.
        work = obstore.put_async(self._store, _checked(key), data, use_multipart=False)
        await self._bounded(f"writing {key}", work, len(data))

    async def touch(self, key: str) -> bool:
        """Let the age of an object start anew; False: there is none."""
        try:
            if self._folder is not None:
                await self._bounded(f"touching {key}", asyncio.to_thread(os.utime, self._folder / _checked(key)))
            else:
                # S3 refuses to copy an object onto itself, and nothing else changes its time.
                await self.put(key, await self.get(key))
        except BlobMissing:
            return False
        return True

    async def get(self, key: str) -> bytes:
        """Return the bytes; BlobMissing when there are none."""
        found = await self._bounded(f"reading {key}", obstore.get_async(self._store, _checked(key)))
        return bytes(await self._bounded(f"reading {key}", found.bytes_async(), found.meta["size"]))

    async def modified(self, key: str) -> datetime | None:
        """When the object was last put or touched; None: there is none."""
        try:
            found = await self._bounded(f"looking at {key}", obstore.head_async(self._store, _checked(key)))
        except BlobMissing:
            return None
        return found["last_modified"]

    async def delete(self, key: str) -> None:
        """Remove the object, if it is there."""
        try:
            await self._bounded(f"removing {key}", obstore.delete_async(self._store, _checked(key)))
        except BlobMissing:
            return

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Every object below `prefix` (whole parts of keys; "" is all), in no order."""
        below = _checked(prefix.strip("/")) if prefix else None
        chunks = aiter(obstore.list(self._store, prefix=below))  # pyright: ignore[reportUnknownMemberType] - pyarrow is not here
        while True:
            try:
                chunk = await self._bounded("listing", anext(chunks))
            except StopAsyncIteration:
                return
            for item in chunk:
                yield ObjectInfo(item["path"], item["size"], item["last_modified"])

    async def remove_abandoned(self, before: datetime) -> int:
        """Remove what killed processes were writing before that time; returns how many files. S3 has none."""
        if self._folder is None:
            return 0
        return await self._bounded("removing abandoned files", asyncio.to_thread(_abandoned, self._folder, before))

    async def _bounded(self, doing: str, work: Awaitable[T], size: int = 0) -> T:
        seconds = SECONDS + size / SLOWEST
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError:
            raise StoreUnavailable(f"{self.where} did not answer within {seconds:.0f} s ({doing})") from None
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise StoreUnavailable(f"{self.where}: there is no such bucket ({doing})") from None
            raise BlobMissing(f"{self.where} does not have it ({doing})") from None
        except (BaseError, OSError, ValueError) as error:
            raise StoreUnavailable(f"{self.where} failed ({doing}): {in_words(error)}") from None


def _checked(key: str) -> str:
    if not KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not a key of an object")
    return key


def _abandoned(folder: Path, before: datetime) -> int:
    found = [path for path in folder.rglob("*#*") if ABANDONED.fullmatch(path.name) and path.is_file()]
    old = [path for path in found if path.stat().st_mtime < before.timestamp()]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
