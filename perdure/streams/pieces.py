"""A stream on disk: a folder of files named by the place where they begin, of which only the newest grows."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Piece", "append", "pieces"]

ENDING = ".jsonl"
LOCK = "lock"
DIGITS = 20
FOLDER_MODE, FILE_MODE = 0o700, 0o600


@dataclass(frozen=True)
class Piece:
    """One file; it holds the bytes from `begin` on, of `size` when it was looked at."""

    path: Path
    begin: int
    size: int

    @property
    def end(self) -> int:
        """Place behind its last byte."""
        return self.begin + self.size


def pieces(folder: Path) -> list[Piece]:
    """The files that are there, the oldest first."""
    try:
        with os.scandir(folder) as entries:
            found = [
                Piece(Path(entry.path), int(entry.name[:DIGITS]), entry.stat().st_size)
                for entry in entries
                if entry.name.endswith(ENDING)
            ]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda piece: piece.begin)


def append(folder: Path, data: bytes, cap: int) -> None:
    """Append whole lines, each process at its turn; beyond `cap` bytes the oldest half of the stream is dropped.

    A line that a dying process left without its end is closed first, so that it spoils no other.
    """
    with _alone(folder):
        found = pieces(folder)
        newest = found[-1] if found else _piece(folder, 0)
        if newest.size >= cap // 2:
            newest = _piece(folder, newest.end)
            for old in found[:-1]:
                old.path.unlink(missing_ok=True)
        file = os.open(newest.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            torn = newest.size > 0 and os.pread(file, 1, newest.size - 1) != b"\n"
            _write(file, b"\n" + data if torn else data)
        finally:
            os.close(file)


def _piece(folder: Path, begin: int) -> Piece:
    return Piece(folder / f"{begin:0{DIGITS}d}{ENDING}", begin, 0)


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Hold the stream's lock; it falls to others when the process dies."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        lock = os.open(folder / LOCK, flags, FILE_MODE)
    except FileNotFoundError:
        folder.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        folder.mkdir(FOLDER_MODE, exist_ok=True)
        lock = os.open(folder / LOCK, flags, FILE_MODE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
