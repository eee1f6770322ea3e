"""Where a command writes: text for people, or JSON on stdout and nothing else there."""

import json
import sys
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from perdure.cli.errors import CliError

NO_ERRORS = (4, 130)
"""Exit codes with which nothing went wrong: a person is needed, or has left."""

__all__ = ["Format", "Output", "clean", "plain", "shown_json", "table"]

GAP = "  "
KEPT = "\n\t\u200c\u200d"
"""Line breaks, and the joiners that words and emoji of many languages are made with."""
HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs"})


class Format(StrEnum):
    """Forms of output."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


class Output:
    """Writes results to stdout; notes, progress and errors in text form to stderr."""

    def __init__(self, form: Format, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        """Write in this form to the process's streams, or to others."""
        self.form = form
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr
        self._open = False
        self.shown = ""
        """The answer that was written last, in pieces: who writes the result need not repeat it."""

    @property
    def is_live(self) -> bool:
        """Whether a person sees it as it is written."""
        return self.is_text and self._stdout.isatty()

    @property
    def is_text(self) -> bool:
        """Whether people read it."""
        return self.form is Format.TEXT

    def text(self, line: str = "") -> None:
        """Write a line for people; nothing in the JSON forms."""
        if self.is_text:
            self._write(self._stdout, line)

    def piece(self, text: str) -> None:
        """Write text for people that goes on in the same line; whatever is no piece begins the next one."""
        if self.is_text and text:
            self._stdout.write(text)
            self._stdout.flush()
            self._open = not text.endswith("\n")

    def dim(self, line: str) -> None:
        """Write a line of less importance for people."""
        self.text(f"\x1b[2m{clean(line)}\x1b[0m" if self.is_live else clean(line))

    def note(self, line: str) -> None:
        """Write a line to stderr, in every form."""
        self._write(self._stderr, line)

    def document(self, value: object) -> None:
        """Write one JSON value; one line in the form jsonl."""
        indent = 2 if self.form is Format.JSON else None
        self._write(self._stdout, json.dumps(plain(value), ensure_ascii=False, indent=indent))

    def items(self, items: Sequence[object]) -> None:
        """Write a list: `{"items": [...]}`, or an item a line in the form jsonl."""
        if self.form is Format.JSON:
            self.document({"items": items})
            return
        for item in items:
            self.document(item)

    def event(self, name: str, **fields: object) -> None:
        """Write an event, in the form jsonl only."""
        if self.form is Format.JSONL:
            self.document({"event": name, **fields})

    def error(self, error: "CliError") -> None:
        """Say why the command ends."""
        if self.is_text:
            self.note(clean(error.message) if error.code in NO_ERRORS else f"error: {clean(error.message)}")
            if error.hint:
                self.note(clean(error.hint))
            return
        body = {"type": error.kind, "message": error.message, "hint": error.hint}
        event = {"event": "error"} if self.form is Format.JSONL else {}
        self.document({**event, **error.extra, "error": body})

    def _write(self, stream: TextIO, line: str) -> None:
        if self._open:
            self._open = False
            self._stdout.write("\n")
            self._stdout.flush()
        stream.write(line + "\n")
        stream.flush()


def plain(value: object) -> object:
    """Models, and containers of them, as JSON values."""
    from pydantic_core import to_jsonable_python  # noqa: PLC0415 - `--help` must not pay for it

    return to_jsonable_python(value)


def clean(text: str, kept: str = KEPT) -> str:
    r"""Text that cannot steer a terminal: control, direction and invisible characters appear as `\uXXXX`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        json.dumps(char)[1:-1] if char not in kept and unicodedata.category(char) in HIDDEN else char for char in text
    )


def shown_json(value: object, limit: int | None = None) -> str:
    """One line of JSON for people, cut at `limit` characters."""
    text = clean(json.dumps(plain(value), ensure_ascii=False), kept="")
    return text if limit is None or len(text) <= limit else f"{text[: limit - 1]}…"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table with aligned columns; the last column is never padded."""
    cells = [[*head], *([clean(cell).replace("\n", " ") for cell in row] for row in rows)]
    widths = [*(max(len(row[column]) for row in cells) for column in range(len(head) - 1)), 0]
    return [GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
