"""A `.env` file into the process environment, where vendor SDKs and Temporal look for their variables."""

import io
import os
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from perdure.domain.errors import ConfigurationError

__all__ = ["SettingsError", "export_dotenv"]


class SettingsError(ConfigurationError):
    """A setting is wrong; the message names the variable or option and what would be valid."""


def export_dotenv(path: Path) -> None:
    """Put the variables of `path` into `os.environ`; what is set there already wins, empty values count as unset.

    A file that does not exist is no error. Raises SettingsError for one that cannot be read or parsed; the
    message gives the line and never its content, which may be a key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({type(error).__name__}): it must be UTF-8 text") from error
    _refuse_broken_lines(path, text)
    for name, value in dotenv_values(stream=io.StringIO(text)).items():
        if value:
            os.environ.setdefault(name, value)


def _refuse_broken_lines(path: Path, text: str) -> None:
    for binding in parse_stream(io.StringIO(text)):
        valueless = binding.key is not None and binding.value is None
        if binding.error or valueless:
            source = binding.original
            blank = source.string[: len(source.string) - len(source.string.lstrip())].count("\n")
            raise SettingsError(f"{path}, line {source.line + blank}: expected NAME=value")
