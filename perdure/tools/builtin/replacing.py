"""Replaces a file in one step: written under a hidden name, then renamed; leftovers of killed writers are removed."""

import fcntl
import os
import secrets
from contextlib import suppress

__all__ = ["TEMPORARY", "replace"]

TEMPORARY = ".perdure-tmp-"
"""Beginning of the hidden names."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def replace(name: str, content: bytes, mode: int | None, folder: int) -> None:
    """Make `name` in the folder (a descriptor) a file with `content` and permissions `mode` (None: the usual ones)."""
    _sweep(folder)
    temporary, fd = _temporary(folder)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            if mode is not None:
                os.fchmod(fd, mode & 0o777)
            file.flush()
            os.fsync(fd)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)


def _temporary(folder: int) -> tuple[str, int]:
    """Create a file under a name that is hidden from listings; its lock says that the writer lives."""
    while True:
        name = f"{TEMPORARY}{secrets.token_hex(8)}"
        fd = os.open(name, _NEW, 0o666, dir_fd=folder)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return name, fd
        os.close(fd)  # somebody swept it away before it was locked


def _sweep(folder: int) -> None:
    """Remove what killed writers left behind: temporary files that nobody holds locked."""
    with os.scandir(folder) as found:
        names = [item.name for item in found if item.name.startswith(TEMPORARY)]
    for name in names:
        with suppress(OSError):
            fd = os.open(name, _OLD, dir_fd=folder)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(name, dir_fd=folder)
            finally:
                os.close(fd)
