"""What a run keeps of a large tool result: its beginning and its end, and a handle to the whole in the blob store."""

import asyncio
import logging
import time
from typing import NamedTuple

from perdure.domain.errors import PerdureError, StoreUnavailable
from perdure.domain.ports import Blobs
from perdure.tools.results import excerpt

__all__ = ["HANDLE", "MAX_OUTPUT", "THRESHOLD", "Kept", "Outputs"]

THRESHOLD = 32 * 1024
"""Bytes (UTF-8) that a result may have to stand in the conversation whole."""
MAX_OUTPUT = 256 * 1024 * 1024
"""Bytes (UTF-8) of the largest result that is stored."""
PATIENCE = 20.0
"""Seconds for which storing a result is tried again when the store does not answer."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
HANDLE = "blob:"
"""What an address is written with where a model or a person reads it."""
WIDEST = 4
"""Bytes of the longest character in UTF-8."""

_log = logging.getLogger(__name__)


class Kept(NamedTuple):
    """Text that stands in the conversation; `blob` is the address of the whole, `size` its number of characters."""

    text: str
    blob: str = ""
    size: int = 0


class Outputs:
    """Keeps results of tools. It never fails: the tool has run, and its outcome must not be lost with a full disk."""

    def __init__(self, blobs: Blobs, threshold: int = THRESHOLD, patience: float = PATIENCE) -> None:
        """Store what has more than `threshold` bytes, trying for up to `patience` seconds."""
        self._blobs = blobs
        self._threshold = threshold
        self._patience = patience

    async def keep(self, text: str, seconds: float) -> Kept:
        """Return what to keep of a clean text. `seconds` is the time left: storing ends before."""
        if len(text) <= self._threshold // WIDEST:
            return Kept(text)
        data = await asyncio.to_thread(text.encode)
        if len(data) <= self._threshold:
            return Kept(text)
        if len(data) > MAX_OUTPUT:
            return _without(text, f"more than {_size(MAX_OUTPUT)} are not stored; ask for less at once")
        try:
            address = await self._store(data, max(min(self._patience, seconds), 0))
        except PerdureError as error:
            _log.warning("tools.output_not_stored", extra={"bytes": len(data), "reason": error.message})
            return _without(text, error.message)
        except Exception as error:  # noqa: BLE001 - see the class: without the store a part is all there is
            _log.warning("tools.output_not_stored", exc_info=error, extra={"bytes": len(data)})
            return _without(text, type(error).__name__)
        note = f"The whole text ({_size(len(data))}) is stored as {HANDLE}{address}: read_blob reads any part of it"
        return Kept(_shortened(text, f"{note}, and finds words in it."), address, len(text))

    async def _store(self, data: bytes, seconds: float) -> str:
        """Store, trying again while the store is unavailable; raises what the last attempt came to."""
        end, pause = time.monotonic() + seconds, FIRST_PAUSE
        while True:
            try:
                async with asyncio.timeout(end - time.monotonic()):
                    return await self._blobs.put(data)
            except TimeoutError:
                raise StoreUnavailable(f"the blob store did not answer within {seconds:.0f} s") from None
            except StoreUnavailable:
                if time.monotonic() + pause >= end:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def _without(text: str, why: str) -> Kept:
    return Kept(_shortened(text, f"The call was made, but they are lost, because the text could not be stored: {why}."))


def _shortened(text: str, note: str) -> str:
    head, tail = excerpt(text)
    if len(head) + len(tail) >= len(text):  # few but wide characters
        head, tail = excerpt(text, len(text) // WIDEST)
    between = f"{len(head):,} to {len(text) - len(tail):,} of {len(text):,}"
    return f"{head.rstrip()}\n[... Perdure left out the characters {between}. {note} ...]\n{tail}"


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 1_000_000 else f"{count / 1000:.1f} KB"  # noqa: PLR2004 - units
