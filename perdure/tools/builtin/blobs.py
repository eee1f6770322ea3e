"""The built-in tool that reads what was too large for the conversation, by its handle."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from perdure.domain.errors import BlobMissing
from perdure.domain.ports import Blobs
from perdure.tools.declare import declare
from perdure.tools.options import Options
from perdure.tools.outputs import HANDLE

__all__ = ["READ_BLOB", "TOOLS", "BlobError", "configure_blobs", "read_blob"]

READ_BLOB = "read_blob"
ADDRESS = re.compile(r"[0-9a-f]{40}")
DEFAULT_READ = 8000
MAX_READ = 20_000
MAX_FIND = 200
MATCHES = 20
AROUND = 80
"""Characters that are shown before and after a match."""
REMEMBERED = 64 * 1024 * 1024
"""Characters of a text that is kept for the next call, which mostly reads the same blob."""


class BlobError(Exception):
    """What was asked for cannot be read; the text says why and what could be."""


@dataclass
class _Store:
    blobs: Blobs | None = None
    address: str = ""
    text: str = ""


_store = _Store()


def configure_blobs(blobs: Blobs | None) -> None:
    """Set the store that this process reads from; None: there is none."""
    _store.blobs, _store.address, _store.text = blobs, "", ""


async def read_blob(
    handle: Annotated[
        str, Field(description="'blob:' and 40 hex digits, as a shortened result names it", max_length=100)
    ],
    offset: Annotated[int, Field(description="first character to read, or where to begin to find", ge=0)] = 0,
    length: Annotated[int, Field(description="how many characters to read at most", ge=1, le=MAX_READ)] = DEFAULT_READ,
    find: Annotated[
        str,
        Field(
            description="instead of reading, list where this text stands (upper and lower case count)",
            max_length=MAX_FIND,
        ),
    ] = "",
) -> str:
    """Read a part of a result that was too long to be shown whole, or find where words stand in it."""
    text = await _load(_address(handle))
    if offset >= len(text) and offset > 0:
        raise BlobError(f"offset {offset} is at or after the end: the text has {len(text)} characters, from 0")
    return _matches(text, find, offset) if find else _part(text, offset, length)


TOOLS = (declare(read_blob, Options("built-in", effect="pure", untrusted=True)),)
"""Untrusted: what it reads may have been written by strangers."""


def _address(handle: str) -> str:
    address = handle.strip().removeprefix(HANDLE)
    if not ADDRESS.fullmatch(address):
        raise BlobError(f"{handle!r} is not a handle; one looks like {HANDLE}0123456789abcdef0123456789abcdef01234567")
    return address


async def _load(address: str) -> str:
    if _store.address == address:
        return _store.text
    if _store.blobs is None:
        raise BlobError("this worker has no blob store")
    try:
        data = await _store.blobs.get(address)
    except BlobMissing as error:
        raise BlobError(f"there is no {HANDLE}{address} (any more): {error.message}") from error
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BlobError(f"{HANDLE}{address} is not text") from error
    if len(text) <= REMEMBERED:
        _store.address, _store.text = address, text
    return text


def _part(text: str, offset: int, length: int) -> str:
    end = min(offset + length, len(text))
    more = f"; go on with offset={end}" if end < len(text) else ""
    return f"characters {offset}-{end} of {len(text)}{more}\n{text[offset:end]}"


def _matches(text: str, find: str, offset: int) -> str:
    total = text.count(find, offset)
    lines: list[str] = []
    place = text.find(find, offset)
    following = place
    while place >= 0 and len(lines) < MATCHES:
        around = text[max(place - AROUND, 0) : place + len(find) + AROUND]
        lines.append(f"at {place}: {' '.join(around.split())}")
        following = place + len(find)
        place = text.find(find, following)
    more = f"; go on with offset={following}" if place >= 0 else ""
    return "\n".join([f"{len(lines)} of {total} matches from {offset} on, of {len(text)} characters{more}", *lines])
