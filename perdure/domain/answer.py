"""Reads a structured answer of a model: strict JSON that a payload can carry."""

from pydantic_core import from_json, to_json

from perdure.domain.model import JsonValue

__all__ = ["parse_answer"]

MAX_DEPTH = 100
"""Parsers of JSON stop at about 200 levels, and the answer lies some levels deep in results and queries."""
MAX_BYTES = 1_000_000
MAX_PROBLEM = 200


def parse_answer(text: str) -> tuple[JsonValue, str]:
    """The value, and what is wrong (empty: nothing).

    Half characters, NaN and infinity are refused, and so is what is nested or grows too far to be stored.
    """
    try:
        value: JsonValue = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        return None, f"it is not JSON ({error})"[:MAX_PROBLEM]
    if _deeper(value, MAX_DEPTH):
        return None, f"it is nested more than {MAX_DEPTH} levels deep"
    if len(to_json(value)) > MAX_BYTES:
        return None, f"it is larger than {MAX_BYTES} bytes"
    return value, ""


def _deeper(value: JsonValue, depth: int) -> bool:
    """Whether the value has more levels of objects and arrays than `depth`."""
    level: list[JsonValue] = [value]
    while level and depth >= 0:
        level = [child for item in level for child in _children(item)]
        depth -= 1
    return bool(level)


def _children(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
