"""Reads JSON that ought to have a shape: what has another shape reads as empty, never as an exception."""

from typing import Any, cast

__all__ = ["count", "rows", "table", "words"]


def table(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def rows(value: object) -> list[Any]:
    """The value if it is an array, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def words(value: object) -> str:
    """The value if it is text, else the empty text."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int:
    """The value if it is a whole number that is not negative, else 0."""
    return value if isinstance(value, int) and value >= 0 else 0
