"""The folder that file tools may touch: opens what is in it, by descriptors, so that no path leads out of it."""

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from perdure.tools.builtin.replacing import TEMPORARY, replace

__all__ = ["Entry", "Workspace", "WorkspaceError", "configure", "current_workspace"]

MAX_DEPTH = 32
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WORDS = {
    errno.ENOENT: "does not exist",
    errno.ELOOP: "is a symbolic link; links are not followed",
    errno.ENOTDIR: "is not a folder",
    errno.EISDIR: "is a folder, not a file",
    errno.ENAMETOOLONG: "has a name that is too long",
    errno.EACCES: "may not be accessed (permission denied)",
    errno.EPERM: "may not be accessed (permission denied)",
    errno.ENXIO: "is not a regular file",
    errno.ENOSPC: "cannot be written: the disk is full",
    errno.EROFS: "cannot be written: the disk is read-only",
}


class WorkspaceError(Exception):
    """A path cannot be used; the text names the path as it was given and says why."""


@dataclass(frozen=True)
class Entry:
    """What a folder holds: `kind` is file, folder, link or other; `size` in bytes, of files only."""

    name: str
    kind: str
    size: int | None = None


class Workspace:
    """A folder. Paths are relative to it; each step is opened from the one before, never following links.

    Checking a path and then opening it can be raced; descriptors cannot: whoever swaps a folder for a link in between
    makes the open fail. Files with a second name (hard links) are refused, because that name may be outside.
    """

    def __init__(self, root: Path) -> None:
        """Use `root`, which must exist when a path is opened."""
        self._root = root

    @contextmanager
    def folder(self, path: str) -> Generator[int]:
        """Open a folder of the workspace; gives its descriptor."""
        fd = self._walk(_parts(path), path, create=False)
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def file(self, path: str) -> Generator[int]:
        """Open a regular file for reading; gives its descriptor."""
        parts = _file_parts(path)
        folder = self._walk(parts[:-1], path, create=False)
        try:
            # Opening a FIFO or device can do things by itself, so look first; the descriptor is judged again.
            _judge(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False), path)
            fd = os.open(parts[-1], _FILE, dir_fd=folder)
        except OSError as error:
            raise _in_words(error, path) from error
        finally:
            os.close(folder)
        try:
            _judge(os.fstat(fd), path)
            yield fd
        finally:
            os.close(fd)

    def write(self, path: str, content: bytes) -> None:
        """Make `path` a file with exactly `content`, in one step; missing folders are created.

        A reader, and whoever looks after a kill, sees the old content or the new, never a part.
        """
        parts = _file_parts(path)
        folder = self._walk(parts[:-1], path, create=True)
        try:
            mode = _mode_of(parts[-1], folder, path)
            replace(parts[-1], content, mode, folder)
        except OSError as error:
            raise _in_words(error, path) from error
        finally:
            os.close(folder)

    def entries(self, path: str) -> list[Entry]:
        """List a folder, sorted by name."""
        with self.folder(path) as fd, os.scandir(fd) as found:
            entries = [_entry(item) for item in found if not item.name.startswith(TEMPORARY)]
        return sorted(entries, key=lambda entry: entry.name)

    def _walk(self, parts: list[str], path: str, *, create: bool) -> int:
        """Open the folder at `parts`, step by step."""
        try:
            fd = os.open(self._root, _FOLDER & ~os.O_NOFOLLOW)
        except OSError as error:
            problem = f"the workspace folder {str(self._root)!r} cannot be opened ({os.strerror(error.errno or 0)})"
            raise WorkspaceError(f"{problem}: create it, or set PERDURE_WORKSPACE to a folder") from error
        try:
            for part in parts:
                inner = _step(part, fd, create=create)
                os.close(fd)
                fd = inner
        except OSError as error:
            os.close(fd)
            raise _in_words(error, path) from error
        return fd


@dataclass
class _Settings:
    workspace: Path | None = None


_settings = _Settings()


def configure(workspace: Path | None) -> None:
    """Set the folder for this process; None goes back to the environment."""
    _settings.workspace = workspace


def current_workspace() -> Workspace:
    """Return the workspace: as configured, else PERDURE_WORKSPACE, else the folder `workspace`."""
    return Workspace(_settings.workspace or Path(os.environ.get("PERDURE_WORKSPACE") or "workspace"))


def _parts(path: str) -> list[str]:
    """Split a path given by a model, refusing whatever does not simply name something inside."""
    if path.startswith("/"):
        raise WorkspaceError(f"{path!r} is absolute; give a path relative to the workspace, like 'notes/a.txt'")
    if any(ord(char) < ord(" ") or char == "\x7f" for char in path):
        raise WorkspaceError(f"{path!r} holds a control character")
    if any("\ud800" <= char <= "\udfff" for char in path):
        raise WorkspaceError(f"{path!a} is not valid Unicode")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise WorkspaceError(f"{path!r} holds '..'; paths cannot leave the workspace")
    if len(parts) > MAX_DEPTH:
        raise WorkspaceError(f"the path has more than {MAX_DEPTH} parts")
    return parts


def _file_parts(path: str) -> list[str]:
    parts = _parts(path)
    if not parts or path.endswith("/"):
        raise WorkspaceError(f"{path!r} names a folder, not a file")
    if parts[-1].startswith(TEMPORARY):
        raise WorkspaceError(f"{path!r}: names that begin with {TEMPORARY!r} are reserved")
    return parts


def _step(name: str, folder: int, *, create: bool) -> int:
    if create:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except NotADirectoryError as error:
        # Linux says "not a folder" for a link, too.
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, name) from error
        raise


def _judge(status: os.stat_result, path: str) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise WorkspaceError(f"{path!r} {_WORDS[errno.ELOOP]}")
    if stat.S_ISDIR(status.st_mode):
        raise WorkspaceError(f"{path!r} {_WORDS[errno.EISDIR]}")
    if not stat.S_ISREG(status.st_mode):
        raise WorkspaceError(f"{path!r} is not a regular file")
    if status.st_nlink > 1:
        raise WorkspaceError(f"{path!r} has a second name (hard link), which may be outside the workspace")


def _mode_of(name: str, folder: int, path: str) -> int | None:
    """Return the permissions of a file that may be replaced, None when there is none yet."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    _judge(status, path)
    return stat.S_IMODE(status.st_mode)


def _entry(item: "os.DirEntry[str]") -> Entry:
    if item.is_symlink():
        return Entry(item.name, "link")
    if item.is_dir(follow_symlinks=False):
        return Entry(item.name, "folder")
    if not item.is_file(follow_symlinks=False):
        return Entry(item.name, "other")
    try:
        return Entry(item.name, "file", item.stat(follow_symlinks=False).st_size)
    except FileNotFoundError:
        return Entry(item.name, "file")


def _in_words(error: OSError, path: str) -> WorkspaceError:
    words = _WORDS.get(error.errno or 0) or f"cannot be used: {error.strerror or error}"
    return WorkspaceError(f"{path!r} {words}")
