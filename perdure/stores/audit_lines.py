"""The lines of an audit log: entries as canonical JSON, or that sealed for their log when there are keys."""

import base64
import binascii
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from perdure.domain.audit import AuditEntry, AuditHead
from perdure.domain.errors import KeyUnknown, Tampered, WrongKey
from perdure.domain.model import canonical_json
from perdure.keyring import Keyring, open_sealed

__all__ = ["AuditFile", "AuditLines"]


class AuditFile(NamedTuple):
    """What a file holds: entries in its order, and in words the lines that are none."""

    path: Path
    exists: bool
    entries: tuple[AuditEntry, ...]
    problems: tuple[str, ...]

    @property
    def head(self) -> AuditHead:
        """The head of the last entry."""
        return self.entries[-1].head if self.entries else AuditHead()


class AuditLines:
    """Writes and reads lines; those of one log cannot be read as another's when they are sealed."""

    def __init__(self, keyring: Keyring | None = None) -> None:
        self._keyring = keyring

    def parsed(self, path: Path, name: str, content: bytes) -> AuditFile:
        """What the content of a file is; `path` is only kept."""
        entries: list[AuditEntry] = []
        problems: list[str] = []
        *lines, torn = content.split(b"\n")
        for number, line in enumerate(lines, start=1):
            try:
                entries.append(self.entry(name, line))
            except ValueError:
                problems.append(f"line {number} is not an entry as it was written: it was changed")
            except (Tampered, KeyUnknown, WrongKey) as error:
                problems.append(f"line {number} cannot be read: {error.message}")
        if torn:
            words = "its writing was cut off (then its entry comes again), or it was changed"
            problems.append(f"line {len(lines) + 1}, the last one, has no end: {words}")
        return AuditFile(path, exists=True, entries=tuple(entries), problems=tuple(problems))

    def line(self, name: str, entry: AuditEntry) -> bytes:
        """The line of an entry, with its end."""
        text = _plain_line(entry)
        if self._keyring is not None:
            text = base64.b64encode(self._keyring.seal("document", text, _place(name)))
        return text + b"\n"

    def entry(self, name: str, line: bytes) -> AuditEntry:
        """The entry of a line; raises ValueError (one that we did not write so), Tampered, KeyUnknown or WrongKey."""
        text = line if line.startswith(b"{") else self._opened(name, line)
        try:
            entry = AuditEntry.model_validate_json(text)
        except ValidationError as error:
            raise ValueError("not an entry") from error
        if _plain_line(entry) != text:
            # The same meaning in other bytes, such as another form of the time, is a change too.
            raise ValueError("not the canonical form")
        return entry

    def _opened(self, name: str, line: bytes) -> bytes:
        try:
            sealed = base64.b64decode(line, validate=True)
        except binascii.Error as error:
            raise ValueError("not base64") from error
        if base64.b64encode(sealed) != line:
            raise ValueError("not the canonical base64")
        return open_sealed(self._keyring, "document", sealed, _place(name), what="an audit entry")


def _place(name: str) -> bytes:
    # Documents of the blob store are sealed for an address of 40 hex digits: never one of these.
    return f"audit/{name}".encode()


def _plain_line(entry: AuditEntry) -> bytes:
    return canonical_json(entry.model_dump(mode="json")).encode()
