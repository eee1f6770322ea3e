"""From what a tool returned or raised to text for the model that fits a payload."""

import json
from typing import cast

from pydantic_core import PydanticSerializationError, to_json

__all__ = ["MAX_RESULT", "as_text", "bounded", "describe"]

MAX_RESULT = 1024 * 1024
"""Bytes of a result as it lies in a JSON payload (escapes counted): half of what Temporal takes."""
MAX_ERROR = 4000
MAX_PARTS = 3
_REPLACED = "\N{REPLACEMENT CHARACTER}"


def as_text(value: object) -> str:
    """Return text as it is and anything else as JSON; raise ValueError for what JSON cannot hold."""
    if isinstance(value, str):
        return value
    try:
        return to_json(value, inf_nan_mode="strings").decode()
    except UnicodeEncodeError:
        return _escaped(value)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        if "surrogates" in str(error):
            return _escaped(value)
        raise ValueError(str(error)) from error


def bounded(text: str, limit: int = MAX_RESULT) -> str:
    """Return clean text of at most `limit` bytes in JSON: a longer one keeps its head and tail and says so.

    Half characters (lone surrogates) and NUL, which payloads and databases refuse, become U+FFFD.
    """
    if len(text) <= limit:
        whole = _clean(text)
        if _size(whole) <= limit:
            return whole
    note = f"\n[... cut by Perdure: the result has {len(text):,} characters; this is its beginning and its end ...]\n"
    share = (limit - _size(note)) // 2
    head = _longest(_clean(text[:share]), share, keep_end=False)
    tail = _longest(_clean(text[-share:]), share, keep_end=True)
    return f"{head}{note}{tail}"


def describe(error: BaseException) -> str:
    """Return type and message of an exception, without traceback; of a group, those of its first members."""
    if isinstance(error, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return "; ".join(describe(one) for one in inner[:MAX_PARTS])
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the tool's own exception class is broken; its name still helps
        message = ""
    name = type(error).__name__
    return bounded(f"{name}: {message}" if message else name, MAX_ERROR)


def _escaped(value: object) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise ValueError(str(error)) from error


def _clean(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", _REPLACED)


def _size(text: str) -> int:
    return len(to_json(text)) - 2


def _longest(text: str, limit: int, *, keep_end: bool) -> str:
    """Return the longest beginning (or end) of `text` that has at most `limit` bytes in JSON."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        part = text[-middle:] if keep_end else text[:middle]
        low, high = (middle, high) if _size(part) <= limit else (low, middle - 1)
    return (text[-low:] if keep_end else text[:low]) if low else ""
