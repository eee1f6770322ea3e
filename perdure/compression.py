"""Zstandard for payloads and blobs."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import zstandard

from perdure.domain.errors import Tampered

__all__ = ["compress", "expand", "is_frame", "off_loop"]

LEVEL = 3
MAGIC = b"\x28\xb5\x2f\xfd"
LARGEST = 1 << 30
"""Bytes that a frame may say it holds: more is no content of ours, and would take the memory of the process."""
LARGE = 256 * 1024
"""Bytes from which work goes to a thread, so that the loop keeps serving others."""

T = TypeVar("T")


async def off_loop(size: int, work: Callable[[], T]) -> T:
    """Do work on that many bytes: in a thread when they are many, at once when that would only cost."""
    return await asyncio.to_thread(work) if size >= LARGE else work()


def compress(data: bytes) -> bytes:
    """A zstd frame that any tool can read."""
    # A compressor belongs to one call: it may not be shared between threads.
    return zstandard.ZstdCompressor(level=LEVEL, write_content_size=True).compress(data)


def is_frame(data: bytes) -> bool:
    """Whether the bytes begin as a zstd frame."""
    return data.startswith(MAGIC)


def expand(frame: bytes, *, what: str, by: zstandard.ZstdDecompressor | None = None) -> bytes:
    """What a frame holds; raises Tampered, naming it as `what`, for bytes that are no whole frame.

    `by` is a decompressor that knows the dictionary of the frame.
    """
    try:
        size = zstandard.frame_content_size(frame)
        if not 0 <= size <= LARGEST:
            raise Tampered(f"{what} says that it holds {size} bytes when expanded, which nothing of ours does")
        return (by or zstandard.ZstdDecompressor()).decompress(frame, max_output_size=size)
    except zstandard.ZstdError as error:
        raise Tampered(f"{what} cannot be expanded ({error}): it was changed or cut short") from None
