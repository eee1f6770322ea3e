"""The audit logs of runs in a folder: one append-only file of JSON lines for each log."""

import fcntl
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote_to_bytes

from perdure.domain.audit import AuditEntry, AuditHead
from perdure.domain.errors import KeyUnknown, StoreUnavailable, Tampered, WrongKey
from perdure.keyring import Keyring
from perdure.stores.audit_lines import AuditFile, AuditLines

__all__ = ["AuditFile", "AuditLog"]

SUFFIX = ".jsonl"
PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789._-")
"""Characters that stay as they are in a file name: no capitals, since some file systems do not tell them apart."""
NAME_CHARACTERS = 200
"""Length from which a name is parted into folders: file systems take 255 bytes."""
FOLDER_MARK = "+"
"""Ends the name of such a folder, so that it is never that of a file."""
TAIL_BYTES = 64 * 1024
"""What is read of a file to find its last entry."""


class AuditLog:
    """Audit logs under a folder, made when missing and for its owner only. Blocking: call it in a thread.

    A log is named after the runs that write it: workflow id, a slash, and the id of the first run of the chain.
    A line is an entry as canonical JSON, or that sealed for this log, in base64, when there are keys; the chain
    of hashes is over the JSON in both cases. What is in a file is never changed: damage is reported and stays. The one
    exception is a last line without its line break. A process that was killed while it wrote leaves one; nobody was
    told that its entry is stored, so the entry comes again, and the next append cuts the line off.
    """

    def __init__(self, folder: Path, keyring: Keyring | None = None) -> None:
        self.folder = folder
        self._lines = AuditLines(keyring)

    def path(self, name: str) -> Path:
        """File of a log; two logs never have the same, and the name can be read from it."""
        safe = "".join(chr(byte) if byte in PLAIN else f"%{byte:02x}" for byte in name.encode())
        parts = [safe[at : at + NAME_CHARACTERS] for at in range(0, len(safe), NAME_CHARACTERS)] or [""]
        return self.folder.joinpath(*(part + FOLDER_MARK for part in parts[:-1]), parts[-1] + SUFFIX)

    def names(self) -> list[str]:
        """The logs that have a file, sorted. Raises StoreUnavailable."""
        with self._words("listed"):
            if not self.folder.exists():
                return []
            list(self.folder.iterdir())  # `rglob` is silent about a folder that cannot be read
            return sorted(name for path in self.folder.rglob(f"*{SUFFIX}") if (name := self._name_of(path)) is not None)

    def append(self, name: str, entries: Sequence[AuditEntry]) -> list[str]:
        """Store the entries that the file does not have, on disk when this returns; returns problems in words.

        One of another content under a number that is there, or one that does not follow the last, is a problem and is
        stored all the same. Raises StoreUnavailable when the file cannot be written.
        """
        if not entries:
            return []
        path = self.path(name)
        with self._words("written"), _locked(path) as file:
            size = _cut_torn_line(file)
            new, problems = self._missing(file, size, name, entries)
            _write(file, size, b"".join(self._lines.line(name, entry) for entry in new))
            if size == 0:
                _keep_name(path, self.folder)
        return problems

    def load(self, name: str) -> AuditFile:
        """What the file of this log holds, also when there is none. Raises StoreUnavailable."""
        path = self.path(name)
        with self._words("read"):
            try:
                with path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_SH)
                    content = file.read()
            except FileNotFoundError:
                return AuditFile(path, exists=False, entries=(), problems=())
        return self._lines.parsed(path, name, content)

    def read(self, name: str) -> Iterator[AuditEntry]:
        """The entries of this log in the order of the file, without lines that are none; see `load`."""
        yield from self.load(name).entries

    def _missing(
        self, file: int, size: int, name: str, entries: Sequence[AuditEntry]
    ) -> tuple[list[AuditEntry], list[str]]:
        """Those of the entries that the file does not have, and what is wrong with them or with it."""
        last = self._last(file, size, name)
        if last is not None and (entries[0].number, entries[0].previous) == (last.count + 1, last.hash):
            return list(entries), list(_breaks(last, {}, entries))
        there = self._lines.parsed(Path(), name, os.pread(file, size, 0))
        numbers = {entry.number: entry.hash for entry in there.entries}
        hashes = {entry.hash for entry in there.entries}
        new = [entry for entry in entries if entry.hash not in hashes]
        return new, [*there.problems, *_breaks(there.head, numbers, new)]

    def _last(self, file: int, size: int, name: str) -> AuditHead | None:
        """Head of the last entry; None when it is not one, or too long to be found at once."""
        begin = max(0, size - TAIL_BYTES)
        lines = os.pread(file, size - begin, begin).split(b"\n")[:-1]
        if not lines:
            return AuditHead() if size == 0 else None
        if begin > 0 and len(lines) == 1:
            return None
        try:
            return self._lines.entry(name, lines[-1]).head
        except (ValueError, Tampered, KeyUnknown, WrongKey):
            return None

    def _name_of(self, path: Path) -> str | None:
        """Name of the log whose file this is; None: it is none of ours."""
        parts = path.relative_to(self.folder).parts
        safe = "".join(part.removesuffix(FOLDER_MARK) for part in parts[:-1]) + parts[-1].removesuffix(SUFFIX)
        try:
            name = unquote_to_bytes(safe).decode()
        except UnicodeDecodeError:
            return None
        return name if self.path(name) == path else None

    @contextmanager
    def _words(self, done: str) -> Generator[None]:
        try:
            yield
        except OSError as error:
            words = f"the audit log in {self.folder} cannot be {done}: {error.strerror or error}"
            raise StoreUnavailable(f"{words}; PERDURE_AUDIT names the folder") from error


def _breaks(head: AuditHead, numbers: dict[int, str], new: Iterable[AuditEntry]) -> Iterator[str]:
    """Where entries that are about to be written do not continue the chain; `numbers` are those in the file."""
    for entry in new:
        if entry.number in numbers:
            there = f"entry {entry.number} is in the file already, with another content"
            yield f"{there} (as when the run went back to a checkpoint): {numbers[entry.number]}"
        elif entry.number != head.count + 1:
            yield f"entry {entry.number} is written after entry {head.count}: what should be between them is missing"
        elif entry.previous != head.hash:
            yield f"entry {entry.number} does not follow entry {head.count} of the file: it names another hash"
        head = entry.head


@contextmanager
def _locked(path: Path) -> Generator[int]:
    """The file, made if missing, and nobody else's for as long as it is written."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _cut_torn_line(file: int) -> int:
    """Cut a last line off that has no end; returns the size of the file."""
    size = os.fstat(file).st_size
    if size == 0 or os.pread(file, 1, size - 1) == b"\n":
        return size
    whole = os.pread(file, size, 0).rfind(b"\n") + 1
    os.ftruncate(file, whole)
    return whole


def _write(file: int, size: int, data: bytes) -> None:
    """Append with one write and wait for the disk, also for what an earlier process wrote and did not wait for."""
    if data and os.write(file, data) != len(data):
        os.ftruncate(file, size)
        raise OSError("the disk is full")
    os.fsync(file)


def _keep_name(path: Path, folder: Path) -> None:
    """Wait until the name of a new file is on disk too, with the folders that were made for it."""
    for parent in [path.parent, *path.parent.parents]:
        descriptor = os.open(parent, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        if parent == folder.parent:
            return
