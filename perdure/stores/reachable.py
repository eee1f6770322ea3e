"""Which blobs are needed: those that some content mentions, those that these mention, and so on."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterator

from perdure.domain.errors import BlobMissing
from perdure.domain.ports import Blobs

__all__ = ["Reachable", "Unpack"]

DIGITS = 40
DIGIT_RUN = re.compile(rb"[0-9a-f]{%d,}" % DIGITS)
MIXED = 256
"""Hex digits in a row up to which an address may stand anywhere in them, for example after the escape `\\b`."""
LARGE = 64 * 1024

Unpack = Callable[[bytes], Awaitable[bytes]]
"""Makes readable what was packed before it was stored; gives all other content back as it is."""


class Reachable:
    """Collects the addresses that are needed.

    Every address that stands anywhere counts, in whatever field or text: to keep a blob too many costs little.
    """

    def __init__(self, blobs: Blobs, known: Collection[str], unpack: Unpack) -> None:
        """Look for the addresses `known`, and read `blobs` to see what those mention."""
        self._blobs = blobs
        self._known = known
        self._unpack = unpack
        self.addresses: set[str] = set()

    async def add(self, content: bytes) -> None:
        """Count what the content mentions as needed, and all that is mentioned there.

        Raises what the store raises for a blob that is there and cannot be read; one that has gone is not needed.
        """
        waiting = await self._mentioned(content)
        while waiting:
            address = waiting.pop()
            if address in self.addresses:
                continue
            self.addresses.add(address)
            try:
                stored = await self._blobs.get(address)
            except BlobMissing:
                continue
            waiting |= await self._mentioned(stored)
            if (unpacked := await self._unpack(stored)) is not stored:
                waiting |= await self._mentioned(unpacked)

    async def _mentioned(self, content: bytes) -> set[str]:
        """Known addresses in the content that are not yet collected."""
        if len(content) < LARGE:
            return set(self._found(content))
        return await asyncio.to_thread(lambda: set(self._found(content)))

    def _found(self, content: bytes) -> Iterator[str]:
        for run in DIGIT_RUN.finditer(content):
            digits = run.group()
            last = len(digits) - DIGITS
            for begin in range(last + 1) if len(digits) <= MIXED else (0, last):
                address = digits[begin : begin + DIGITS].decode()
                if address in self._known and address not in self.addresses:
                    yield address
