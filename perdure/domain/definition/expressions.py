"""JMESPath in definitions: compiled, evaluated, put into texts, and looked through for what it refers to."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, cast

import jmespath
from jmespath.exceptions import JMESPathError

from perdure.domain.model import JsonValue
from perdure.domain.patterns.steps import text_of

__all__ = [
    "MAX_EXPRESSION",
    "ExpressionError",
    "Piece",
    "constant",
    "evaluate",
    "is_true",
    "pieces",
    "problem_of",
    "references",
    "render",
    "render_text",
]

MAX_EXPRESSION = 2_000
"""Characters of one expression: workflow tasks must stay short."""

_PIECE = re.compile(r"\{\{(.*?)\}\}(?!\})", re.DOTALL)
_DASH = re.compile(r"\.([A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)+)")
_SAME_SCOPE = frozenset(
    {
        "and_expression",
        "or_expression",
        "not_expression",
        "comparator",
        "function_expression",
        "multi_select_list",
        "multi_select_dict",
        "key_val_pair",
    }
)
"""Nodes whose children all look at the same value; the children of the others after the first look at the first's."""

Node = dict[str, Any]


class ExpressionError(ValueError):
    """An expression that cannot be read, or that does not fit the values it met."""


class Piece(NamedTuple):
    """An expression in a text, and where the text of it begins."""

    expression: str
    start: int


@lru_cache(maxsize=4_096)
def _compiled(expression: str) -> Any:  # noqa: ANN401 - jmespath has no types
    try:
        return cast("Any", jmespath).compile(expression)
    except (JMESPathError, RecursionError) as error:
        words = " ".join(str(error).split("\n", maxsplit=1)[0].split()).removeprefix("Bad jmespath expression: ")
        dashed = _DASH.search(expression)
        hint = f' Quote names with a dash: ."{dashed[1]}".' if dashed else ""
        msg = f"not valid JMESPath: {expression.strip()!r}: {words.rstrip(':.')}.{hint}"
        raise ExpressionError(msg) from error


def problem_of(expression: str) -> str:
    """Why this is no expression; empty when it is one."""
    if not expression.strip():
        return "the expression is empty"
    if len(expression) > MAX_EXPRESSION:
        return f"the expression has {len(expression)} characters, at most {MAX_EXPRESSION} are read"
    try:
        parsed = _compiled(expression.strip()).parsed
    except ExpressionError as error:
        return str(error)
    for node in _all(parsed):
        first = next(iter(_below(node)), None)
        if node["type"] in {"subexpression", "index_expression"} and first and first["type"] == "not_expression":
            return f"{expression.strip()!r}: JMESPath negates before it looks inside: write !(a.b), not !a.b"
        if node["type"] == "function_expression" and not _is_function(node["value"]):
            return f"{expression.strip()!r}: JMESPath has no function {node['value']!r}"
    return ""


def _is_function(name: str) -> bool:
    return name in cast("Any", jmespath).functions.Functions.FUNCTION_TABLE


def evaluate(expression: str, scope: Mapping[str, JsonValue]) -> JsonValue:
    """Value of the expression; null for what is not there. Raises ExpressionError when a function does not fit."""
    try:
        return _compiled(expression.strip()).search(dict(scope))
    except (JMESPathError, RecursionError) as error:
        msg = f"{expression.strip()!r}: {str(error)[:300]}"
        raise ExpressionError(msg) from error


def is_true(value: JsonValue) -> bool:
    """Whether JMESPath takes a value for true: numbers are, also 0; nothing, false and what is empty are not."""
    return value is not None and value is not False and value not in ("", [], {})


def constant(expression: str) -> bool | None:
    """Whether the expression is always true or always false; None when that depends."""
    parsed: Node = _compiled(expression.strip()).parsed
    return is_true(parsed["value"]) if parsed["type"] == "literal" else None


def pieces(text: str) -> list[Piece]:
    """The `{{ expression }}` pieces of a text."""
    return [Piece(found[1], found.start(1)) for found in _PIECE.finditer(text)]


def render_text(text: str, scope: Mapping[str, JsonValue]) -> str:
    """The text with the value of every piece in its place; what is not there is empty."""

    def put(found: re.Match[str]) -> str:
        value = evaluate(found[1], scope)
        return "" if value is None else text_of(value)

    return _PIECE.sub(put, text)


def render(value: JsonValue, scope: Mapping[str, JsonValue]) -> JsonValue:
    """A value with all texts in it rendered; a text that is one piece and nothing else becomes that piece's value."""
    if isinstance(value, str):
        whole = _PIECE.fullmatch(value.strip())
        return evaluate(whole[1], scope) if whole else render_text(value, scope)
    if isinstance(value, list):
        return [render(item, scope) for item in value]
    if isinstance(value, dict):
        return {name: render(item, scope) for name, item in value.items()}
    return value


def references(expression: str) -> list[tuple[str, ...]]:
    """Paths from the scope that an expression looks at, as far as their names are known: ("stages", "a", "output").

    An index or a projection ends a path with "[]", which stands for "an item of it".
    """
    return list(_paths(_compiled(expression.strip()).parsed))


def _paths(node: Node) -> Iterator[tuple[str, ...]]:
    kind, children = node["type"], _below(node)
    path = _path(node)
    if path:
        yield path
    elif kind in _SAME_SCOPE:
        for child in children:
            yield from _paths(child)
    elif children and kind != "expref":
        yield from _paths(children[0])


def _path(node: Node) -> tuple[str, ...]:
    """Names along a chain of fields; empty when the node is not one."""
    kind, children = node["type"], _below(node)
    if kind == "field":
        return (node["value"],)
    if kind == "index":
        return ("[]",)
    if kind in {"subexpression", "index_expression"} and children:
        found = _path(children[0])
        for child in children[1:] if found else ():
            more = _path(child)
            if not more:
                break
            found = (*found, *more)
        return found
    if kind in {"projection", "filter_projection", "flatten"} and children:
        return (*found, "[]") if (found := _path(children[0])) and kind != "flatten" else found
    return ()


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in _below(node):
        yield from _all(child)


def _below(node: Node) -> list[Node]:
    """Children of a node that are nodes: those of a slice are numbers."""
    return [child for child in node["children"] if isinstance(child, dict)]
