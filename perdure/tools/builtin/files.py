"""Built-in tools that read, write and list text files in the workspace."""

import os
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import Field

from perdure.tools.builtin.workspace import WorkspaceError, current_workspace
from perdure.tools.declare import declare
from perdure.tools.options import Options

__all__ = ["TOOLS", "file_list", "file_read", "file_write"]

DEFAULT_READ = 64 * 1024
MAX_READ = 512 * 1024
MAX_WRITE = 1024 * 1024
MAX_ENTRIES = 500
MAX_CHARACTER = 4
CONTINUATION = 0b10
"""The two high bits of every byte of a UTF-8 character but the first."""

PathText = Annotated[str, Field(description="path relative to the workspace, like 'notes/a.txt'", max_length=4096)]


def file_read(
    path: PathText,
    offset: Annotated[int, Field(description="first byte to read", ge=0, le=2**62)] = 0,
    limit: Annotated[int, Field(description="how many bytes to read at most", ge=1, le=MAX_READ)] = DEFAULT_READ,
) -> str:
    """Read a UTF-8 text file of the workspace. Of a long file it returns a part and says how to go on.

    Parts begin and end at whole characters.
    """
    with current_workspace().file(path) as fd:
        size = os.fstat(fd).st_size
        data = _read(fd, offset, max(limit, MAX_CHARACTER))
    if offset > 0 and offset >= size:
        raise WorkspaceError(f"offset {offset} is at or after the end of {path!r}, which has {size} bytes")
    text, first, last = _decode(data, offset, path, ends=offset + len(data) >= size)
    if first == 0 and last >= size:
        return text
    rest = f"; go on with offset={last}" if last < size else ""
    return f"{text}\n[bytes {first} to {last} of {size}{rest}]"


def file_write(
    path: PathText,
    content: Annotated[str, Field(description="the whole new content of the file", max_length=MAX_WRITE)],
) -> str:
    """Write a UTF-8 text file in the workspace, replacing what was there. Missing folders are created."""
    try:
        data = content.encode()
    except UnicodeEncodeError as error:
        raise WorkspaceError(f"the content is not valid Unicode at character {error.start}") from error
    if len(data) > MAX_WRITE:
        raise WorkspaceError(f"the content has {len(data)} bytes; a file may be written with at most {MAX_WRITE}")
    current_workspace().write(path, data)
    return f"wrote {len(data)} bytes to {path}"


def file_list(
    path: Annotated[str, Field(description="folder, relative to the workspace", max_length=4096)] = ".",
    pattern: Annotated[str, Field(description="which names, like '*.csv'", max_length=200)] = "*",
) -> dict[str, Any]:
    """List a folder of the workspace: name, kind (file, folder, link, other) and size in bytes of each entry."""
    found = [entry for entry in current_workspace().entries(path) if fnmatchcase(entry.name, pattern)]
    shown = [
        {"name": entry.name, "kind": entry.kind} | ({} if entry.size is None else {"size": entry.size})
        for entry in found[:MAX_ENTRIES]
    ]
    more = len(found) - len(shown)
    return {"path": path, "entries": shown} | ({"left_out": more} if more else {})


TOOLS = (
    declare(file_list, Options("built-in", effect="pure")),
    declare(file_read, Options("built-in", effect="pure")),
    declare(file_write, Options("built-in", effect="idempotent", ask="Write the file {path}")),
)


def _read(fd: int, offset: int, limit: int) -> bytes:
    data = b""
    while len(data) < limit and (more := os.pread(fd, limit - len(data), offset + len(data))):
        data += more
    return data


def _decode(data: bytes, offset: int, path: str, *, ends: bool) -> tuple[str, int, int]:
    """Decode what is whole in `data`; gives the text and the offsets of its first byte and of the byte after it."""
    start = 0
    while offset and start < min(len(data), MAX_CHARACTER - 1) and data[start] >> 6 == CONTINUATION:
        start += 1  # the offset points into a character: it belongs to the part before
    body = data[start:]
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        if ends or len(body) - error.start >= MAX_CHARACTER or error.reason != "unexpected end of data":
            raise _binary(path, offset + start + error.start) from error
        body = body[: error.start]
        text = body.decode()
    if (nul := body.find(0)) >= 0:
        raise _binary(path, offset + start + nul)
    return text, offset + start, offset + start + len(body)


def _binary(path: str, place: int) -> WorkspaceError:
    return WorkspaceError(f"{path!r} is not UTF-8 text (byte {place}); binary files cannot be read")
