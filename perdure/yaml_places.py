"""Places in a YAML document: on which line a field stands, which is given twice, which would be valid there."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import yaml
from pydantic import BaseModel

from perdure.domain.arguments import closest
from perdure.domain.model import JsonObject, JsonValue

__all__ = ["LineOf", "Loc", "line_of", "place_of", "repeated_keys", "valid_fields"]

Loc = Sequence[int | str]
"""Place of a value: names of fields and positions in lists."""

LineOf = Callable[[Loc], int]
"""Line (from 1) of the deepest part of a place that a document holds."""

MERGE = "<<"


def line_of(node: yaml.Node | None, loc: Loc) -> int:
    """Line (from 1) of the deepest part of `loc` that exists in the document."""
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    node = value if isinstance(value, yaml.MappingNode | yaml.SequenceNode) else key
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
    return 1 if node is None else node.start_mark.line + 1


def place_of(node: yaml.Node | None, loc: Loc) -> tuple[int, int]:
    """Line and column (from 1) of the deepest part of `loc` that exists: of its key, or of an item in a list."""
    mark = None if node is None else node.start_mark
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pairs = cast("list[tuple[yaml.Node, yaml.Node]]", node.value)
            found = next(((key, value) for key, value in pairs if key.value == part), None)
            if found is None:
                break
            mark, node = found[0].start_mark, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = cast("list[yaml.Node]", node.value)[part]
            mark = node.start_mark
        else:
            break
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


def repeated_keys(root: yaml.Node | None) -> Iterator[str]:
    """Say `line: field: …` for every key that a mapping has twice, of which YAML would silently keep the last."""
    waiting: list[tuple[yaml.Node | None, str]] = [(root, "")]
    seen = set[int]()
    while waiting:
        node, place = waiting.pop()
        if id(node) in seen:  # an alias, which may even lead back to itself
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield from _repeated(node, place)
            waiting += [(value, f"{place}{key.value}.") for key, value in reversed(node.value)]
        elif isinstance(node, yaml.SequenceNode):
            items = cast("list[yaml.Node]", node.value)
            waiting += [(item, f"{place}{index}.") for index, item in reversed([*enumerate(items)])]


def _repeated(node: yaml.MappingNode, place: str) -> Iterator[str]:
    first: dict[Any, int] = {}
    for key, _ in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
        if not isinstance(key, yaml.ScalarNode) or key.value == MERGE:
            continue
        line = key.start_mark.line + 1
        if key.value in first:
            yield f"{line}: {place}{key.value}: given twice, first on line {first[key.value]}"
        first.setdefault(key.value, line)


def valid_fields(model: type[BaseModel], loc: Loc) -> str:
    """The line that tells which fields there are beside the unknown one at `loc`; empty when that is not known."""
    schema: JsonObject = model.model_json_schema()
    found: JsonValue = schema
    for part in loc[:-1]:
        found = _below(schema, found, part)
    properties = _resolved(schema, found, "properties").get("properties")
    if not isinstance(properties, dict):
        return ""
    where = ".".join(map(str, loc[:-1]))
    like = closest(str(loc[-1]), properties)
    return f"valid fields{' of ' if where else ''}{where}: {', '.join(sorted(properties))}{'.' if like else ''}{like}"


def _below(schema: JsonObject, node: JsonValue, part: int | str) -> JsonValue:
    if isinstance(part, int):
        return _resolved(schema, node, "items").get("items")
    properties = _resolved(schema, node, "properties").get("properties")
    return properties.get(part) if isinstance(properties, dict) else None


def _resolved(schema: JsonObject, node: JsonValue, wanted: str) -> JsonObject:
    """The part of a schema that has the keyword `wanted`, behind references and alternatives; empty when none has."""
    if not isinstance(node, dict) or wanted in node:
        return node if isinstance(node, dict) else {}
    target, definitions = node.get("$ref"), schema.get("$defs")
    if isinstance(target, str) and isinstance(definitions, dict):
        return _resolved(schema, definitions.get(target.rpartition("/")[2]), wanted)
    branches = node.get("anyOf")
    found = (_resolved(schema, branch, wanted) for branch in branches) if isinstance(branches, list) else ()
    nothing: JsonObject = {}
    return next(filter(None, found), nothing)
