"""Writing: JSON forms, tables, and text that cannot steer the terminal."""

import io
import json

import pytest

from perdure.cli.errors import CliError, ExitCode
from perdure.cli.foreground import readable
from perdure.cli.output import Format, Output, clean, shown_json, table


def written(form: Format, error: CliError) -> tuple[str, str]:
    """Stdout and stderr of an error in this form."""
    out, err = io.StringIO(), io.StringIO()
    Output(form, out, err).error(error)
    return out.getvalue(), err.getvalue()


ERROR = CliError(ExitCode.FAILURE, "Kind", "words", "do this", {"workflow_id": "w"})


def test_an_error_is_text_on_stderr_or_json_on_stdout() -> None:
    """Each form has its place; the JSON document carries what else is known."""
    assert written(Format.TEXT, ERROR) == ("", "error: words\ndo this\n")
    out, err = written(Format.JSON, ERROR)
    body = {"type": "Kind", "message": "words", "hint": "do this"}
    assert (json.loads(out), err) == ({"workflow_id": "w", "error": body}, "")
    assert json.loads(written(Format.JSONL, ERROR)[0])["event"] == "error"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcödé\n", "plain ünïcödé\n"),
        ("\x1b[2Jgone", "\\u001b[2Jgone"),
        ("a\u202eb", "a\\u202eb"),
        ("over\rwritten", "over\\rwritten"),
        ("\x9b1m", "\\u009b1m"),
    ],
)
def test_control_characters_are_shown_instead_of_obeyed(text: str, shown: str) -> None:
    """Escape sequences, carriage returns and direction marks of a model or tool stay visible text."""
    assert clean(text) == shown


def test_arguments_are_shown_so_that_they_can_be_typed_again() -> None:
    """Hidden characters appear as JSON escapes, which read back as the same value."""
    value = {"path": "a\u202e\U000e0041\x7f.txt"}
    assert json.loads(shown_json(value)) == value
    assert shown_json(value).isascii()


def test_a_table_is_aligned_and_one_line_a_row() -> None:
    """Columns start at the same place; line breaks in cells are spaces."""
    assert table(["A", "B"], [["long", "x\ny"], ["s", "z"]]) == ["A     B", "long  x y", "s     z"]


def test_a_log_line_is_readable() -> None:
    """JSON of structlog becomes time, level, event and fields; anything else stays."""
    entry = {"event": "worker.idle", "level": "info", "timestamp": "2026-11-21T10:00:00.123Z", "seconds": 5}
    assert readable(json.dumps(entry)) == "2026-11-21T10:00:00 info worker.idle seconds=5"
    assert readable("not json") == "not json"
