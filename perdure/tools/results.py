"""From what a tool returned or raised to clean text, and from a long text to its beginning and end."""

import json
from typing import cast

from pydantic_core import PydanticSerializationError, to_json

__all__ = ["MAX_TEXT", "as_text", "bounded", "describe", "excerpt"]

MAX_TEXT = 16 * 1024
"""Bytes that words about a failure may have as they lie in a JSON payload (escapes counted)."""
MAX_ERROR = 4000
END = 2000
"""Characters of a long text that are shown of its beginning, and of its end."""
MAX_PARTS = 3
_REPLACED = "\N{REPLACEMENT CHARACTER}"


def as_text(value: object) -> str:
    """Return text as it is and anything else as JSON; raise ValueError for what JSON cannot hold.

    Half characters (lone surrogates) and NUL, which payloads and databases refuse, become U+FFFD.
    """
    return _clean(value if isinstance(value, str) else _json(value))


def excerpt(text: str, end: int = END) -> tuple[str, str]:
    """Return beginning and end of a text that is longer than both, at most `end` characters each.

    They are whole lines, except where a line is longer than half of `end`.
    """
    head, tail = text[:end], text[-end:]
    if (last := head.rfind("\n")) >= end // 2:
        head = head[: last + 1]
    if 0 <= (first := tail.find("\n")) < end // 2:
        tail = tail[first + 1 :]
    return head, tail


def _json(value: object) -> str:
    try:
        return to_json(value, inf_nan_mode="strings").decode()
    except UnicodeEncodeError:
        return _escaped(value)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        if "surrogates" in str(error):
            return _escaped(value)
        raise ValueError(str(error)) from error


def bounded(text: str, limit: int = MAX_TEXT) -> str:
    """Return clean text of at most `limit` bytes in JSON: a longer one keeps its head and tail and says so."""
    if len(text) <= limit:
        whole = _clean(text)
        if _size(whole) <= limit:
            return whole
    note = f"\n[... cut by Perdure: the text has {len(text):,} characters; this is its beginning and its end ...]\n"
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
    try:
        text.encode()
    except UnicodeEncodeError:
        # Pairs of halves, which JSON escapes can leave behind, become the character they stand for.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", _REPLACED)


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
